"""2024.1 adds the tables of the image cache."""

from alembic import op

from calotype.db import tables

revision = "2024_1_expand01"
down_revision = "2023_1_expand01"


def upgrade() -> None:
    """Make what is missing; on MariaDB an interrupted run leaves one table behind."""
    for table in (tables.node_reference, tables.cached_images):
        table.create(op.get_bind(), checkfirst=True)
