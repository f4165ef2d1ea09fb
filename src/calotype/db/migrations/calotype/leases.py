"""Leases: who does what only one process may do."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

EXACTLY = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "calotype_0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless an interrupted run has made it."""
    op.create_table(
        "calotype_leases",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("expires_at", EXACTLY, nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        if_not_exists=True,
    )
    op.create_index(
        "ix_calotype_leases_expires_at", "calotype_leases", ["expires_at"], if_not_exists=True
    )
