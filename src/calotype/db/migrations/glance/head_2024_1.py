"""All of Glance's tables as they are at its head, which is 2024.1 and all later releases.

Squashed: an empty database gets here in one step. To upgrade an older one, revisions go before this
one under Glance's own ids, and the tables made here become those that were new in 2024.1.
"""

from alembic import op

from calotype.db import tables

revision = "2024_1_contract01"
down_revision = None


def upgrade() -> None:
    """Make what is missing; on MariaDB an interrupted run leaves some tables behind."""
    connection = op.get_bind()
    tables.glance.create_all(connection)
    for table in tables.glance.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)
