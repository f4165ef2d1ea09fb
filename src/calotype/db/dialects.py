"""What differs between the three engines: addresses, connection options, how a transaction begins.

Every connection is in autocommit for all its life, and transactions are begun in so many words.
So a read outside of a transaction is the one round trip of its statement.
"""

import select
import time
from dataclasses import dataclass, fields
from typing import Any, Self

from sqlalchemy import URL, Engine, event, exc, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool, StaticPool

from calotype import errors

#: The driver that we bring for each engine, whatever driver the address names.
DRIVERS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "sqlite": "sqlite",
}

#: Seconds for which SQLite waits for another writer.
BUSY = 30
#: Seconds unused after which a connection is asked whether it still works; firewalls forget it.
IDLE = 60


@dataclass(frozen=True, slots=True)
class Tuning:
    """The options of `[database]` that concern connections. Times in seconds.

    `max_retries` -1: for ever. `mysql_sql_mode` None: as the server is configured.
    `connection_parameters`: appended to the query of the address.
    """

    max_pool_size: int = 5
    max_overflow: int | None = 50
    pool_timeout: float | None = None
    connection_recycle_time: int = 3600
    max_retries: int = 10
    retry_interval: float = 10
    mysql_sql_mode: str | None = "TRADITIONAL"
    mysql_wsrep_sync_wait: int | None = None
    sqlite_synchronous: bool = True
    connection_parameters: str = ""

    @classmethod
    def from_options(cls, options: object) -> Self:
        """Those attributes of `options` that bear the names of ours; the rest by default."""
        names = (option.name for option in fields(cls) if hasattr(options, option.name))
        return cls(**{name: getattr(options, name) for name in names})


def address(connection: str, parameters: str = "") -> URL:
    """The URL to connect to for what the operator wrote. Raises BadSettings, without the secret."""
    if parameters:
        connection += ("&" if "?" in connection else "?") + parameters
    try:
        url = make_url(connection)
    except (exc.ArgumentError, ValueError) as error:
        raise errors.BadSettings(
            "[database] connection: not an address; it looks like"
            " mysql+pymysql://user:password@host/glance"
        ) from error
    name = url.get_backend_name()
    if name not in DRIVERS:
        raise errors.BadSettings(
            f"[database] connection: {name!r} is not supported; use sqlite, mysql or postgresql"
        )
    url = url.set(drivername=DRIVERS[name])
    if url.get_backend_name() == "mysql":
        # Text of any language must come through to be stored or refused for what it is. With the
        # `charset=utf8` that many addresses have, MariaDB calls four-byte characters broken SQL.
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def in_memory(url: URL) -> bool:
    """Whether this is a SQLite database without a file."""
    return url.get_backend_name() == "sqlite" and (
        url.database in (None, "", ":memory:") or url.query.get("mode") == "memory"
    )


def engine_options(url: URL, tuning: Tuning) -> dict[str, Any]:
    """The arguments of `create_engine`."""
    options: dict[str, Any] = {
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        "pool_reset_on_return": None,
        "hide_parameters": True,  # locations hold passwords, and errors go to the log
        "connect_args": {k: v for k, v in _connect_args(url, tuning).items() if k not in url.query},
    }
    if in_memory(url):
        return options | {"poolclass": StaticPool}
    return options | {
        "poolclass": QueuePool,
        "pool_size": tuning.max_pool_size,
        "max_overflow": 10 if tuning.max_overflow is None else tuning.max_overflow,
        "pool_timeout": 30 if tuning.pool_timeout is None else tuning.pool_timeout,
        "pool_recycle": tuning.connection_recycle_time,
        "pool_use_lifo": True,  # so that what a burst opened falls idle and the server may close it
    }


def _connect_args(url: URL, tuning: Tuning) -> dict[str, Any]:
    name = url.get_backend_name()
    if name == "sqlite":
        return {"timeout": BUSY, "check_same_thread": False}
    if name == "postgresql":
        return {"connect_timeout": 10}
    arguments: dict[str, Any] = {"autocommit": True, "connect_timeout": 10}
    if tuning.mysql_sql_mode is not None:
        arguments["sql_mode"] = tuning.mysql_sql_mode
    if tuning.mysql_wsrep_sync_wait is not None:
        arguments["init_command"] = f"SET SESSION wsrep_sync_wait = {tuning.mysql_wsrep_sync_wait}"
    return arguments


def begin(name: str) -> str:
    """The statement that begins a transaction which is going to write."""
    # A deferred SQLite transaction that turns into a writing one fails at once, without waiting,
    # when somebody else wrote meanwhile.
    return "BEGIN IMMEDIATE" if name == "sqlite" else "BEGIN"


def prepare(engine: Engine, tuning: Tuning) -> None:
    """Set up what happens to each connection when it is opened and when it is taken."""
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, tuning)
    else:
        _prepare_network(engine)


def _prepare_sqlite(engine: Engine, tuning: Tuning) -> None:
    synchronous = "FULL" if tuning.sqlite_synchronous else "OFF"

    def opened(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {synchronous}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    event.listen(engine, "connect", opened)


def _prepare_network(engine: Engine) -> None:
    """Find out that the server has hung up on an idle connection, without a round trip.

    The end of a stream makes its socket readable, which costs microseconds to see.
    """

    def returned(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        record.info["idle_since"] = time.monotonic()

    def taken(
        connection: DBAPIConnection, record: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        since = record.info.get("idle_since")
        if since is None:
            return
        if _hung_up(connection):
            raise exc.DisconnectionError("the server has hung up")
        if time.monotonic() - since > IDLE:
            _ping(engine, connection)

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


def _hung_up(connection: Any) -> bool:
    try:
        # PyMySQL has no public way to its socket.
        channel = connection._sock if hasattr(connection, "_sock") else connection
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        return bool(poll.poll(0))
    except Exception:  # closed on our side; each driver says so in its own way
        return True


def _ping(engine: Engine, connection: DBAPIConnection) -> None:
    try:
        engine.dialect.do_ping(connection)
    except Exception as error:
        raise exc.DisconnectionError("the server does not answer") from error
