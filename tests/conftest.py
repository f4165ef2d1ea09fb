"""Fixtures that any test may use: real database servers, and a database on each engine."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype.db import schema, tables
from calotype.db.engine import Database, connect
from tests import groups
from tests.database_servers import DatabaseServer, MariaDB, PostgreSQL
from tests.servers import Missing

pytest_plugins = ["tests.backends.fixtures"]

#: Set to 1 where every server must be there, as in the project's own runs.
REQUIRE = "CALOTYPE_REQUIRE_SERVERS"

MISSING = pytest.StashKey[dict[str, str]]()
ENGINES = ("sqlite", "mariadb", "postgresql")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _is_worker(config):
        groups.spread(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> groups.Scheduler | None:
    return groups.Scheduler(config, log) if config.getoption("dist") == "loadgroup" else None


def _is_worker(config: pytest.Config) -> bool:
    """Whether this process is one of several that share the run."""
    return hasattr(config, "workerinput")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if _is_worker(session.config):
        output: dict[str, Any] = getattr(session.config, "workeroutput")  # noqa: B009
        output["missing servers"] = session.config.stash[MISSING]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Take over what a worker missed; one that died has said nothing."""
    said: dict[str, Any] = getattr(node, "workeroutput", {})
    node.config.stash[MISSING].update(said.get("missing servers", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say last, and so that nobody overlooks it, what was not tested here."""
    missing = terminalreporter.config.stash[MISSING]
    for name, reason in missing.items():
        terminalreporter.section(f"NOT TESTED: {name}", sep="!", red=True, bold=True)
        terminalreporter.line(f"{reason}. All tests that need {name} were left out.", red=True)


@pytest.fixture(scope="session")
def missing_server(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`missing_server(name, reason)`: leave out the test and name the server in the summary."""

    def report(name: str, reason: str) -> None:
        request.config.stash.setdefault(MISSING, {})[name] = reason
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{name}: {reason} ({REQUIRE}=1)", pytrace=False)
        pytest.skip(f"{name}: {reason}")

    return report


def _serve(
    name: str, server: DatabaseServer, missing_server: Callable[[str, str], None]
) -> Iterator[DatabaseServer]:
    try:
        try:
            yield server.start()
        except Missing as reason:
            missing_server(name, str(reason))
    finally:
        server.remove()


@pytest.fixture(scope="session")
def mariadb(missing_server: Callable[[str, str], None]) -> Iterator[DatabaseServer]:
    """A private MariaDB server."""
    yield from _serve("MariaDB", MariaDB(), missing_server)


@pytest.fixture(scope="session")
def postgresql(missing_server: Callable[[str, str], None]) -> Iterator[DatabaseServer]:
    """A private PostgreSQL server."""
    yield from _serve("PostgreSQL", PostgreSQL(), missing_server)


@pytest.fixture(params=[MariaDB, PostgreSQL], ids=["mariadb", "postgresql"])
def own_server(
    request: pytest.FixtureRequest, missing_server: Callable[[str, str], None]
) -> Iterator[DatabaseServer]:
    """A database server of each kind that a test may stop and start."""
    kind: type[DatabaseServer] = request.param
    yield from _serve(kind.__name__, kind(), missing_server)


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine in turn."""
    return str(request.param)


@pytest.fixture
def fresh_url(engine_name: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database on each engine, as an operator of Glance would write it."""
    if engine_name == "sqlite":
        yield f"sqlite:///{tmp_path}/calotype.db"
        return
    server: DatabaseServer = request.getfixturevalue(engine_name)
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="session")
def _synced(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Database]]:
    made: dict[str, Database] = {}

    def synced(engine_name: str) -> Database:
        if engine_name not in made:
            if engine_name == "sqlite":
                url = f"sqlite:///{tmp_path_factory.mktemp('database')}/calotype.db"
            else:
                server: DatabaseServer = request.getfixturevalue(engine_name)
                url = server.url(server.create())
            made[engine_name] = connect(url)
            schema.sync(made[engine_name])
        return made[engine_name]

    yield synced
    for database in made.values():
        database.close()


@pytest.fixture
def database(engine_name: str, _synced: Callable[[str], Database]) -> Iterator[Database]:
    """A database with all tables and no rows, on each engine."""
    database = _synced(engine_name)
    yield database
    _empty(database)


def _empty(database: Database) -> None:
    with database.writing() as connection:
        for metadata in (tables.glance, tables.own):
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
