"""Wallaby adds to tasks: for which image, by which request, of which user."""

import sqlalchemy as sa
from alembic import op

revision = "wallaby_expand01"
down_revision = "ussuri_expand01"


def upgrade() -> None:
    """Add what is missing; on MariaDB an interrupted run leaves a part of it behind.

    New columns come last and are null, so that no engine has to write a row again.
    """
    found = sa.inspect(op.get_bind())
    columns = {column["name"] for column in found.get_columns("tasks")}
    for name, length in (("image_id", 36), ("request_id", 64), ("user_id", 64)):
        if name not in columns:
            op.add_column("tasks", sa.Column(name, sa.String(length)))
    if "ix_tasks_image_id" not in {index["name"] for index in found.get_indexes("tasks")}:
        op.create_index("ix_tasks_image_id", "tasks", ["image_id"])
