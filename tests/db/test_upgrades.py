"""Databases of older Glance releases are brought to the head, and nothing in them is changed."""

import itertools
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, insert, select, text, update

from calotype import errors
from calotype.db import altering, schema
from calotype.db.engine import connect
from calotype.db.schema import CONTRACTS, EXPANDS, GLANCE_HEAD, OWN_HEAD, Stand
from tests.db import facts, older_glance

#: Each release as it was when in use, and half-way to the next; and who skips releases.
STANDS = [
    *((contract,) for contract in CONTRACTS[:-1]),
    *zip(CONTRACTS, EXPANDS[1:], strict=False),
    ("train_contract01", "wallaby_expand01"),
    ("train_contract01", "2024_1_expand01"),
    ("wallaby_contract01", "2023_1_expand01"),
]

INSTALL = Path(__file__).parents[2] / "docs/operate/install.md"

#: How the statements begin that change something.
CHANGES = ("CREATE", "ALTER", "INSERT", "UPDATE", "DELETE")


@pytest.fixture
def old(fresh_url):
    """An empty database, to become one of an older Glance."""
    database = connect(fresh_url)
    yield database
    database.close()


def schema_of(database):
    with database.reading() as connection:
        return facts.facts(connection)


@pytest.mark.parametrize("revisions", STANDS, ids="+".join)
def test_it_is_brought_to_the_head_and_no_row_is_changed(old, engine_name, revisions):
    made = older_glance.make(old, *revisions)
    assert schema_of(old) == older_glance.schema_facts(engine_name, *revisions)
    before = older_glance.contents(old, made)
    state = schema.check(old)
    assert (state.stand, set(state.revisions)) == (Stand.BEHIND, set(revisions))
    assert "calotype db sync" in state.advice

    assert schema.sync(old)

    assert schema_of(old) == older_glance.schema_facts(engine_name, GLANCE_HEAD)
    assert older_glance.contents(old, made) == before
    assert schema.check(old) == schema.State(Stand.CURRENT, (GLANCE_HEAD,), (OWN_HEAD,))
    assert not schema.sync(old)


def killed(url: str, after: int) -> bool:
    """Whether a sync in a process that is killed after so many changes did not end before that."""
    child = os.fork()
    if child == 0:
        left = iter(range(after - 1, -1, -1))

        def executed(connection, cursor, statement, *rest):
            if statement.split()[0] in CHANGES and next(left) == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            event.listen(Engine, "after_cursor_execute", executed)
            schema.sync(connect(url))
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


@pytest.mark.parametrize(
    ("revisions", "step"), [(("train_contract01",), 1), ((), 8)], ids=["train", "empty"]
)
def test_on_mariadb_what_a_killed_sync_began_is_completed(mariadb, revisions, step):
    """There each change to a table stands at once, whatever comes of the rest."""
    for changes in itertools.count(1, step):
        name = mariadb.create()
        database = connect(mariadb.url(name))
        made = older_glance.make(database, *revisions) if revisions else []
        before = older_glance.contents(database, made)
        if not killed(mariadb.url(name), changes):
            break

        assert schema.check(database).stand is not Stand.UNKNOWN
        schema.sync(database)

        assert schema_of(database) == older_glance.schema_facts("mariadb", GLANCE_HEAD)
        assert older_glance.contents(database, made) == before
        assert schema.check(database).stand is Stand.CURRENT
        database.close()
        mariadb.drop(name)
    database.close()
    assert changes > 20


@pytest.mark.parametrize("engine_name", ["sqlite", "postgresql"])
def test_elsewhere_a_killed_sync_has_changed_nothing(old, fresh_url, engine_name):
    made = older_glance.make(old, "train_contract01")
    before = older_glance.contents(old, made)
    old.close()

    for changes in itertools.count(1, 4):
        if not killed(fresh_url, changes):
            break
        assert schema.check(old).revisions == ("train_contract01",)
        assert schema_of(old) == older_glance.schema_facts(engine_name, "train_contract01")
        old.close()

    assert changes > 20
    assert older_glance.contents(old, made) == before
    assert schema.check(old).stand is Stand.CURRENT


def run(program: str, *arguments: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", program, *arguments]
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("engine_name", ["mariadb", "postgresql"])
def test_a_table_that_others_use_is_not_waited_for_too_long(
    old, fresh_url, engine_name, monkeypatch
):
    """Else all who ask for it later would wait with us."""
    older_glance.make(old, "train_contract01")
    monkeypatch.setattr(altering, "TABLE_WAIT", 1)
    user = connect(fresh_url)
    with user.writing() as connection:
        connection.execute(text("SELECT count(*) FROM tasks")).all()
        with pytest.raises(errors.Contention, match="run it again") as refused:
            schema.sync(old)
        assert "lock" in str(refused.value.__cause__).lower()
    user.close()

    assert schema.sync(old)
    assert schema_of(old) == older_glance.schema_facts(engine_name, GLANCE_HEAD)


def test_what_glance_left_from_before_alembic_is_left_again(old):
    older_glance.make(old, "train_contract01")
    with old.writing() as connection:
        connection.execute(text("CREATE TABLE migrate_version (version INTEGER)"))
        connection.execute(text("INSERT INTO migrate_version VALUES (45)"))

    assert schema.sync(old)

    assert schema.check(old).stand is Stand.CURRENT
    with old.reading() as connection:
        assert connection.execute(text("SELECT version FROM migrate_version")).all() == [(45,)]


def test_the_old_service_goes_on_with_its_tasks(old):
    older_glance.make(old, "train_contract01")
    schema.sync(old)
    ours, task = older_glance.TASKS_OF_TRAIN, str(uuid.uuid4())
    row = {"id": task, "type": "import", "status": "pending", "owner": "ours"}

    with old.writing() as connection:
        connection.execute(insert(ours).values(**row, **older_glance.ALIVE))
        connection.execute(update(ours).where(ours.c.id == task).values(status="success"))
        found = connection.execute(select(ours.c.status).where(ours.c.id == task))
        assert found.scalar() == "success"


def test_of_several_syncs_at_once_one_works_and_the_others_wait(old, fresh_url):
    made = older_glance.make(old, "ussuri_contract01")
    before = older_glance.contents(old, made)
    program = (
        "import sys; from calotype.db import engine, schema;"
        "print(schema.sync(engine.connect(sys.argv[1])), end='')"
    )
    running = [run(program, fresh_url) for _ in range(3)]

    ends = [process.communicate(timeout=120)[0] for process in running]

    assert sorted(ends) == ["False", "False", "True"]
    assert older_glance.contents(old, made) == before
    assert schema.check(old).stand is Stand.CURRENT


@pytest.mark.parametrize("engine_name", ["mariadb", "postgresql"])
def test_the_way_back_of_the_docs(old, engine_name):
    made = older_glance.make(old, "train_contract01")
    before = older_glance.contents(old, made)
    schema.sync(old)
    block = re.search(r"^    DROP TABLE .*?version_num = .*?;$", INSTALL.read_text(), re.M | re.S)
    assert block is not None
    statements = re.sub(r"^ *--.*$", "", block[0], flags=re.M).split(";")[:-1]

    with old.writing() as connection:
        for statement in statements:
            connection.execute(text(statement))

    assert schema_of(old) == older_glance.schema_facts(engine_name, "train_contract01")
    assert older_glance.contents(old, made) == before
    assert schema.version(old) == "train_contract01"
    assert schema.sync(old)
    assert schema_of(old) == older_glance.schema_facts(engine_name, GLANCE_HEAD)
