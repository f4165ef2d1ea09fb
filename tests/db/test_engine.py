"""Connections: what they cost, how transactions end, and what errors mean."""

import itertools
import os
import threading
import time
from datetime import datetime

import pytest
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db import tables
from calotype.db.engine import Database, Tuning, connect
from tests.servers import free_port

LEASES = tables.calotype_leases
NODES = tables.node_reference
OVER_A_NETWORK = pytest.mark.parametrize("engine_name", ["mariadb", "postgresql"], indirect=True)
WHEN = datetime(2026, 1, 2, 3, 4, 5)


def add(connection, name, holder="somebody"):
    connection.execute(insert(LEASES).values(name=name, holder=holder, expires_at=WHEN))


def holders(database: Database) -> dict[str, str]:
    with database.reading() as connection:
        rows = connection.execute(select(LEASES.c.name, LEASES.c.holder))
        return {row.name: row.holder for row in rows}


# -- reading and writing ---------------------------------------------------------------------------


@OVER_A_NETWORK
def test_a_read_is_one_round_trip(wire):
    relay, database = wire
    statement = select(LEASES).where(LEASES.c.name == "a")
    for _ in range(10):  # connecting, and preparing the statement for good
        with database.reading() as connection:
            connection.execute(statement).all()
    before = relay.round_trips

    for _ in range(5):
        with database.reading() as connection:
            connection.execute(statement).all()

    assert relay.round_trips - before == 5


@OVER_A_NETWORK
def test_a_transaction_costs_two_round_trips_more(wire):
    relay, database = wire
    with database.writing() as connection:
        add(connection, "a")
    before = relay.round_trips

    with database.writing() as connection:
        add(connection, "b")

    assert relay.round_trips - before == 3


def test_what_was_written_is_there_after_the_transaction(database):
    with database.writing() as connection:
        add(connection, "a", "me")

    assert holders(database) == {"a": "me"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, errors.Conflict])
def test_an_error_undoes_the_whole_transaction(database, error):
    with pytest.raises(error), database.writing() as connection:
        add(connection, "a")
        raise error

    assert holders(database) == {}
    with database.writing() as connection:  # and the connection is as good as before
        add(connection, "b")
    assert list(holders(database)) == ["b"]


def test_nobody_sees_half_a_transaction(database):
    with database.writing() as connection:
        add(connection, "a")
        assert holders(database) == {}


def test_each_statement_of_reading_sees_what_is_committed_by_then(database):
    count = select(func.count()).select_from(LEASES)
    with database.reading() as connection:
        assert connection.scalar(count) == 0
        with database.writing() as writer:
            add(writer, "a")
        assert connection.scalar(count) == 1


def test_a_row_given_twice_is_left_as_an_integrity_error(database):
    with database.writing() as connection:
        add(connection, "a")

    with pytest.raises(IntegrityError), database.writing() as connection:
        add(connection, "a")


def test_references_are_checked(database):
    with pytest.raises(IntegrityError), database.writing() as connection:
        connection.execute(insert(tables.task_info).values(task_id="nobody"))


def test_a_failed_part_can_be_undone_alone(database):
    with database.writing() as connection:
        add(connection, "a")
        with pytest.raises(IntegrityError), connection.begin_nested():
            add(connection, "a")
        add(connection, "b")

    assert list(holders(database)) == ["a", "b"]


def test_times_come_back_as_they_were(database):
    with database.writing() as connection:
        add(connection, "a")

    with database.reading() as connection:
        assert connection.scalar(select(LEASES.c.expires_at)) == WHEN


# -- others in the way --------------------------------------------------------------------------


def test_concurrent_increments_are_all_counted(database):
    """Read and write in one transaction, by many threads: what a counter needs."""
    with database.writing() as connection:
        add(connection, "counter", "0")

    def increment(connection):
        row = select(LEASES.c.holder).where(LEASES.c.name == "counter").with_for_update()
        value = int(connection.scalar(row))
        connection.execute(update(LEASES).values(holder=str(value + 1)))

    def run():
        for _ in range(10):
            database.transaction(increment)

    in_threads(run, 4)

    assert holders(database) == {"counter": "40"}


def test_a_deadlock_is_resolved_by_trying_again(database):
    """Two transactions lock two rows in opposite order: one is undone by the engine."""
    with database.writing() as connection:
        add(connection, "a", "0")
        add(connection, "b", "0")
    tries = []
    meeting = threading.Barrier(2)

    def both(names):
        def work(connection):
            tries.append(names)
            for name in names:
                row = update(LEASES).where(LEASES.c.name == name)
                connection.execute(row.values(holder=LEASES.c.holder.concat("x")))
                if len(tries) <= 2 and database.dialect != "sqlite":
                    meeting.wait(10) if name == names[0] else None

        return lambda: database.transaction(work)

    threads = [threading.Thread(target=both(names)) for names in (["a", "b"], ["b", "a"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert holders(database) == {"a": "0xx", "b": "0xx"}
    if database.dialect != "sqlite":  # there the second waits for the first to end
        assert len(tries) == 3


def test_endless_contention_is_reported(database, monkeypatch):
    monkeypatch.setattr("calotype.db.engine.PAUSE", 0.0001)
    tries = []

    def work(connection):
        tries.append(1)
        raise errors.Contention

    with pytest.raises(errors.Contention):
        database.transaction(work)
    assert len(tries) == 8


def test_other_errors_are_not_tried_again(database):
    tries = []

    def work(connection):
        tries.append(1)
        raise errors.Conflict

    with pytest.raises(errors.Conflict):
        database.transaction(work)
    assert len(tries) == 1


def test_sqlite_waits_for_another_writer(tmp_path):
    database = connect(f"sqlite:///{tmp_path}/x.db")
    with database.writing() as connection:
        tables.own.create_all(connection)
    entered = threading.Event()

    def hold():
        with database.writing() as connection:
            add(connection, "first")
            entered.set()
            time.sleep(0.5)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(5)
    with database.writing() as connection:
        names = list(connection.scalars(select(LEASES.c.name)))  # not of before the other's end
        add(connection, "second")
    holder.join()

    assert names == ["first"]
    assert sorted(holders(database)) == ["first", "second"]
    database.close()


# -- the server goes away --------------------------------------------------------------------------


@OVER_A_NETWORK
def test_a_connection_that_breaks_while_in_use_is_reported_and_replaced(wire):
    relay, database = wire
    with pytest.raises(errors.DatabaseUnavailable), database.writing() as connection:
        add(connection, "a")
        relay.cut()
        add(connection, "b")

    assert holders(database) == {}


@pytest.mark.parametrize(
    "address",
    ["mysql://root@127.0.0.1:{port}/x", "postgresql://me@127.0.0.1:{port}/x"],
    ids=["mariadb", "postgresql"],
)
def test_a_server_that_is_not_there_is_waited_for_as_configured(address, caplog):
    tuning = Tuning(max_retries=2, retry_interval=0.01)
    database = connect(address.format(port=free_port()), tuning)

    with pytest.raises(errors.DatabaseUnavailable), database.reading():
        pass
    with pytest.raises(errors.DatabaseUnavailable):
        database.await_server()
    assert caplog.text.count("No answer from the database") == 2


def test_a_folder_that_is_not_there_is_unavailable(tmp_path):
    database = connect(f"sqlite:///{tmp_path}/none/x.db")

    with pytest.raises(errors.DatabaseUnavailable), database.reading():
        pass


def test_an_exhausted_pool_is_reported(database):
    small = connect(database.address, Tuning(max_pool_size=1, max_overflow=0, pool_timeout=0.01))
    with (
        small.reading(),
        pytest.raises(errors.DatabaseUnavailable, match="in use"),
        small.reading(),
    ):
        pass
    small.close()


# -- processes ---------------------------------------------------------------------------------


FORKS = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
SESSION = {
    "sqlite": "SELECT 'none'",
    "mysql": "SELECT CONNECTION_ID()",
    "postgresql": "SELECT pg_backend_pid()",
}


def session(database):
    """The server's name for the connection that comes next out of the pool."""
    with database.reading() as connection:
        return str(connection.exec_driver_sql(SESSION[database.dialect]).scalar())


@FORKS
def test_a_forked_child_leaves_the_parents_connections_alone(database):
    with database.writing() as connection:
        add(connection, "parent", session(database))
    before = session(database)

    child = os.fork()
    if child == 0:
        status = 1
        try:
            database.after_fork()
            with database.writing() as connection:
                add(connection, "child", session(database))
            database.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0

    assert session(database) == before
    found = holders(database)
    assert sorted(found) == ["child", "parent"]
    assert database.dialect == "sqlite" or found["child"] not in (before, found["parent"])


def test_a_closed_database_opens_again(database):
    database.close()

    assert holders(database) == {}


# -- in memory ---------------------------------------------------------------------------------


def test_a_database_in_memory_serves_many_threads():
    database = connect("sqlite://")
    with database.writing() as connection:
        tables.own.create_all(connection)
    numbers = itertools.count()

    def run():
        for _ in range(20):
            with database.writing() as connection:
                add(connection, str(next(numbers)))
                assert holders(database)  # the same database, by the same connection
            holders(database)

    in_threads(run, 4)

    assert len(holders(database)) == 80
    database.close()


def in_threads(work, number):
    failures = []

    def run():
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
