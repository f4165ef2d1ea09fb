"""The database: how it is reached, and the two ways to use it, `reading` and `writing`."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from sqlalchemy import Connection, Engine, Pool, create_engine, event, exc

from calotype import errors
from calotype.db import dialects, driver_errors
from calotype.db.dialects import Tuning

__all__ = ["Database", "Tuning", "connect"]

LOG = logging.getLogger(__name__)
T = TypeVar("T")

#: What a transaction notes on its connection when it leaves work for a worker.
LEAVES_WORK = "leaves work"
#: How often a transaction is tried that others keep undoing, and the longest first pause (seconds).
ATTEMPTS = 8
PAUSE = 0.02


def connect(url: str, tuning: Tuning | None = None) -> "Database":
    """The database at an address as Glance's operators write it. Connects at the first use.

    Raises BadSettings when the address is not usable.
    """
    tuning = tuning or Tuning()
    target = dialects.address(url, tuning.connection_parameters)
    engine = create_engine(target, **dialects.engine_options(target, tuning))
    event.listen(engine, "handle_error", driver_errors.translate, retval=True)
    dialects.prepare(engine, tuning)
    return Database(engine, tuning, shared=dialects.in_memory(target))


class Database:
    """One database and its pool of connections, to be shared by all threads of a process.

    All methods raise DatabaseUnavailable when it cannot be reached, Contention when others were
    in the way for too long, and Invalid for a value that its column cannot hold.
    `shared`: there is but one connection, which threads must use one after the other.
    """

    def __init__(self, engine: Engine, tuning: Tuning, *, shared: bool = False) -> None:
        self._engine = engine
        self._tuning = tuning
        self._begin = dialects.begin(engine.dialect.name)
        self._turn: AbstractContextManager[object] = threading.RLock() if shared else nullcontext()
        self._inherited: list[Pool] = []
        #: Called after the commit of a transaction that left work for a worker; it must not wait.
        self.when_work_is_left: Callable[[], None] = lambda: None

    @property
    def dialect(self) -> str:
        """Which engine this is: sqlite, mysql (also for MariaDB) or postgresql."""
        return self._engine.dialect.name

    @property
    def address(self) -> str:
        """The URL, with its secret: not for logs, which get `str()`."""
        return self._engine.url.render_as_string(hide_password=False)

    def __str__(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which each statement stands for itself, one round trip each."""
        with self._turn, self._connection() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed at the end, undone by any exception."""
        with self._turn, self._connection() as connection:
            connection.exec_driver_sql(self._begin)
            connection.info.pop(LEAVES_WORK, None)
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise
            if LEAVES_WORK in connection.info:
                self.when_work_is_left()

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, done in one transaction that is repeated while others undo it.

        `work` must have no effect outside of the database. Raises Contention in the end.
        """
        for attempt in range(ATTEMPTS - 1):
            try:
                with self.writing() as connection:
                    return work(connection)
            except errors.Contention:
                time.sleep(random.uniform(0, PAUSE * 2**attempt))
        with self.writing() as connection:
            return work(connection)

    def await_server(self) -> None:
        """Return once the database answers, after up to `max_retries` further attempts."""
        left = self._tuning.max_retries
        while True:
            try:
                with self.reading():
                    return
            except errors.DatabaseUnavailable as error:
                if left == 0:
                    raise
                left -= 1
                LOG.warning("No answer from the database %s, waiting: %s", self, error.__cause__)
            time.sleep(self._tuning.retry_interval)

    def close(self) -> None:
        """Close the idle connections; it may be used again."""
        self._engine.dispose()

    def after_fork(self) -> None:
        """Call in the child after a fork: leave the parent's connections alone, open our own."""
        # Kept, because a driver that cleans up would say goodbye to the server, or drop SQLite's
        # locks, in the name of the parent.
        self._inherited.append(self._engine.pool)
        self._engine.dispose(close=False)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        try:
            connection = self._engine.connect()
        except exc.TimeoutError as error:
            raise errors.DatabaseUnavailable(
                "All database connections of this process are in use: try again later"
            ) from error
        try:
            yield connection
        finally:
            connection.close()


def _roll_back(connection: Connection) -> None:
    """Undo what was done. Never replaces the error that led here."""
    if connection.invalidated or connection.closed:
        return
    try:
        connection.exec_driver_sql("ROLLBACK")
    except Exception as error:
        LOG.info("Dropping a database connection that cannot roll back: %s", error)
        connection.invalidate()
