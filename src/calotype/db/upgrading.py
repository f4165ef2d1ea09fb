"""What `db sync` does with Alembic: makes the tables, or walks a tree of migrations to its head."""

from pathlib import Path

import alembic.command
from alembic.config import Config
from sqlalchemy import Connection

from calotype.db import tables

MIGRATIONS = Path(__file__).parent / "migrations"


def create(connection: Connection, version_table: str, head: str) -> None:
    """Make all of Glance's tables as they are at its head, or what an interrupted run left out."""
    tree = _tree(connection, "glance", version_table)
    # First, because its table without a row is how an interrupted run is known.
    alembic.command.ensure_version(tree)
    tables.glance.create_all(connection)
    for table in tables.glance.sorted_tables:
        for index in table.indexes:
            index.create(connection, checkfirst=True)
    alembic.command.stamp(tree, head)


def upgrade(connection: Connection, tree: str, version_table: str) -> None:
    """Bring the tables of one tree to its head."""
    alembic.command.upgrade(_tree(connection, tree, version_table), "heads")


def _tree(connection: Connection, tree: str, version_table: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("version_locations", str(MIGRATIONS / tree).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.attributes.update(connection=connection, version_table=version_table)
    return config
