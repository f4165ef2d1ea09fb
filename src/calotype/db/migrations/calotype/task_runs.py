"""What is needed to run tasks that have not ended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

EXACTLY = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

revision = "calotype_0002"
down_revision = "calotype_0001"


def upgrade() -> None:
    """Make the table, unless an interrupted run has made it."""
    op.create_table(
        "calotype_task_runs",
        sa.Column("task_id", sa.String(36), primary_key=True),
        sa.Column("job", sa.String(30), nullable=False),
        sa.Column("slot", sa.String(64)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("undo", sa.Text, nullable=False),
        sa.Column("created_at", EXACTLY, nullable=False),
        sa.UniqueConstraint("slot", name="uq_calotype_task_runs_slot"),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        if_not_exists=True,
    )
    op.create_index(
        "ix_calotype_task_runs_created_at",
        "calotype_task_runs",
        ["created_at"],
        if_not_exists=True,
    )
