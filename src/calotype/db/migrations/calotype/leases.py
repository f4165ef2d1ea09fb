"""Leases: who does what only one process may do."""

import sqlalchemy as sa
from alembic import op

revision = "calotype_0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless an interrupted run has made it."""
    op.create_table(
        "calotype_leases",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        if_not_exists=True,
    )
    op.create_index(
        "ix_calotype_leases_expires_at", "calotype_leases", ["expires_at"], if_not_exists=True
    )
