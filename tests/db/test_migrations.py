"""The schema: what our migrations make, and which databases they take for what."""

import os
import subprocess
import sys

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from calotype import errors
from calotype.db import schema, tables
from calotype.db.engine import Database, connect
from calotype.db.schema import GLANCE_HEAD, OWN_HEAD, Stand
from tests.db import facts


@pytest.fixture
def empty(fresh_url):
    database = connect(fresh_url)
    yield database
    database.close()


def execute(database: Database, *statements: str) -> None:
    with database.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))


def names(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(inspect(connection).get_table_names())


def stamped(database: Database, *revisions: str) -> Database:
    """A database that looks as if Glance had left it at these revisions."""
    execute(
        database,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        "CREATE TABLE images (id VARCHAR(36) PRIMARY KEY)",
        *(f"INSERT INTO alembic_version VALUES ('{revision}')" for revision in revisions),
    )
    return database


def test_an_empty_database_is_brought_to_both_heads(empty):
    assert schema.check(empty).stand is Stand.EMPTY
    assert schema.version(empty) is None

    assert schema.sync(empty)

    assert schema.check(empty) == schema.State(Stand.CURRENT, (GLANCE_HEAD,), (OWN_HEAD,))
    assert schema.version(empty) == GLANCE_HEAD
    expected = {*tables.glance.tables, *tables.own.tables}
    assert names(empty) == expected | {"alembic_version", "calotype_alembic_version"}


def test_a_second_sync_changes_nothing(empty):
    schema.sync(empty)

    assert not schema.sync(empty)


def test_the_schema_is_the_one_that_glance_makes(database, engine_name):
    with database.reading() as connection:
        ours = facts.facts(connection)

    assert ours == (facts.HEAD / f"{engine_name}.txt").read_text().splitlines()


@pytest.mark.parametrize("metadata", [tables.glance, tables.own], ids=["glance", "own"])
def test_the_migrations_make_what_the_tables_say(database, metadata):
    def ours(thing, name, kind, reflected, compare_to):
        return kind != "table" or name in metadata.tables

    with database.reading() as connection:
        options = {"compare_type": True, "include_object": ours}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_only_our_tables_are_added_to_a_database_of_glance(empty):
    with empty.writing() as connection:
        tables.glance.create_all(connection)
    execute(
        empty,
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)",
        f"INSERT INTO alembic_version VALUES ('{GLANCE_HEAD}')",
        "INSERT INTO metadef_tags (id, namespace_id, name, created_at)"
        " SELECT 1, 1, 'x', '2020-01-01' FROM metadef_namespaces",
        "INSERT INTO node_reference VALUES (7, 'http://one')",
    )
    before = names(empty)
    assert schema.check(empty).stand is Stand.INCOMPLETE

    assert schema.sync(empty)

    ours = {"calotype_leases", "calotype_task_runs", "calotype_alembic_version"}
    assert names(empty) - before == ours
    assert schema.check(empty).stand is Stand.CURRENT
    with empty.reading() as connection:
        rows = connection.execute(tables.node_reference.select()).all()
    assert rows == [(7, "http://one")]


@pytest.mark.parametrize(
    "revisions",
    [
        ("liberty",),
        ("rocky_contract02",),
        ("rocky_contract02", "train_expand01"),
        ("rocky_contract02", "2024_1_expand01"),
        ("2024_1_expand01",),
    ],
    ids="+".join,
)
def test_a_glance_database_from_before_train_is_refused_with_what_to_do(empty, revisions):
    stamped(empty, *revisions)

    assert schema.check(empty).stand is Stand.OLDER
    with pytest.raises(errors.BadSettings, match=r"train_contract01.*glance-manage db") as refused:
        schema.sync(empty)
    assert all(revision in refused.value.message for revision in revisions)
    assert names(empty) == {"alembic_version", "images"}


@pytest.mark.parametrize("revisions", [("2031_2_contract01",), (GLANCE_HEAD, "2031_2_expand01")])
def test_a_database_of_a_later_release_is_refused(empty, revisions):
    stamped(empty, *revisions)

    assert schema.check(empty).stand is Stand.UNKNOWN
    with pytest.raises(errors.BadSettings, match="2031_2"):
        schema.sync(empty)


def test_a_database_of_a_later_release_of_ours_is_refused(empty):
    schema.sync(empty)
    execute(empty, "UPDATE calotype_alembic_version SET version_num = 'calotype_9999'")

    assert schema.check(empty).stand is Stand.UNKNOWN
    with pytest.raises(errors.BadSettings, match="calotype_9999"):
        schema.sync(empty)


def test_images_without_a_revision_are_not_taken_for_an_empty_database(empty):
    execute(empty, "CREATE TABLE images (id VARCHAR(36) PRIMARY KEY)")

    assert schema.check(empty).stand is Stand.UNKNOWN


def test_a_database_from_before_alembic_is_older(empty):
    execute(
        empty,
        "CREATE TABLE images (id VARCHAR(36) PRIMARY KEY)",
        "CREATE TABLE migrate_version (version INTEGER)",
    )

    assert schema.check(empty).stand is Stand.OLDER


@pytest.mark.parametrize("lost", ["image_tags", "cached_images"])
def test_an_interrupted_first_sync_is_completed(empty, lost):
    """MariaDB cannot undo the tables that were made before the power went."""
    schema.sync(empty)
    execute(empty, "DELETE FROM alembic_version", f"DROP TABLE {lost}")
    with empty.writing() as connection:
        next(i for i in tables.tasks.indexes if i.name == "ix_tasks_owner").drop(connection)

    assert schema.sync(empty)

    with empty.reading() as connection:
        found = inspect(connection)
        assert lost in found.get_table_names()
        assert "ix_tasks_owner" in {index["name"] for index in found.get_indexes("tasks")}
    assert schema.check(empty).stand is Stand.CURRENT


def test_several_syncs_at_once_all_end_well(fresh_url):
    program = (
        "import sys; from calotype.db import engine, schema;"
        "print(schema.sync(engine.connect(sys.argv[1])), end='')"
    )
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", program, fresh_url]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]

    ends = [process.communicate(timeout=60)[0] for process in running]

    assert sorted(ends) == [b"False", b"False", b"True"]
