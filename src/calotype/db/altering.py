"""Changing tables that others may be using: one at a time, and without holding anybody up for long.

MariaDB ends the transaction at each change to a table, so that what was done before stands.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError

from calotype import errors

LOG = logging.getLogger(__name__)

#: Seconds to wait for another `db sync` on MariaDB.
SYNC_WAIT = 300
#: The number of the lock that does the same on PostgreSQL; any would do.
SYNC_LOCK = 13242494
#: Seconds to wait for those who use a table. Whoever comes later waits behind us, so it is short.
TABLE_WAIT = 30

IN_USE = (
    "Others use a table that has to be changed: run it again when their transactions have ended"
)


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Keep a second `db sync` waiting. SQLite needs nothing more than the transaction."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SYNC_LOCK})")
    if connection.dialect.name != "mysql":
        yield
        return
    # Creating a table ends a transaction here, so the lock has to belong to the connection.
    try:
        got = connection.exec_driver_sql(f"SELECT GET_LOCK('calotype db sync', {SYNC_WAIT})")
    except DBAPIError as error:  # a cluster may forbid it: then this relies on one operator
        LOG.info("Going on without a lock: %s", error)
        yield
        return
    if got.scalar() != 1:
        raise errors.Contention("Another `db sync` is at work for too long: try again later")
    try:
        yield
        connection.exec_driver_sql("COMMIT")  # before the next one looks where the database stands
    finally:
        connection.exec_driver_sql("SELECT RELEASE_LOCK('calotype db sync')")


@contextmanager
def changes(connection: Connection) -> Iterator[None]:
    """Change tables inside of this. Raises Contention when one stays in use by others."""
    _wait_briefly(connection)
    with _as_elsewhere(connection):
        try:
            yield
        except errors.Contention as error:
            raise errors.Contention(IN_USE) from error.__cause__


def _wait_briefly(connection: Connection) -> None:
    """Give up when a table stays in use. SQLite's own limit is as short."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_WAIT}s'")
    if connection.dialect.name == "mysql":
        connection.exec_driver_sql(f"SET SESSION lock_wait_timeout = {TABLE_WAIT}")


@contextmanager
def _as_elsewhere(connection: Connection) -> Iterator[None]:
    """Let transactions and errors on MariaDB be what they are with the other engines."""
    listeners = {
        "before_cursor_execute": _translate_errors,
        "after_cursor_execute": _begin_again,
    }
    if connection.dialect.name != "mysql":
        yield
        return
    for name, listener in listeners.items():
        event.listen(connection, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners.items():
            event.remove(connection, name, listener)


def _translate_errors(connection: Connection, *statement: Any) -> None:
    """SQLAlchemy looks at tables with its events off, and leaves the connection like that."""
    connection.execution_options(skip_user_error_events=False)


def _begin_again(
    connection: Connection, cursor: Any, statement: str, parameters: Any, run: Any, many: bool
) -> None:
    """Keep together what names the revisions, which Alembic writes in two statements.

    A change to a table has just ended the transaction, and what follows would stand statement by
    statement: interrupted in between, a database would bear the name of one from before Train.
    """
    if statement.lstrip().upper().startswith(("ALTER", "CREATE", "DROP")):
        connection.exec_driver_sql("BEGIN")
