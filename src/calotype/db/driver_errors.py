"""What the drivers' errors mean, told by their codes, where that differs from a mistake of ours.

Violated constraints are left as SQLAlchemy's IntegrityError: only who wrote the statement knows
what they mean.
"""

import sqlite3
from enum import Enum, auto
from typing import Any

from sqlalchemy import ExceptionContext

from calotype import errors


class Kind(Enum):
    """What can be done about an error."""

    CONTENTION = auto()  # run the whole transaction again
    UNAVAILABLE = auto()  # wait for the server, or for the operator
    UNFIT = auto()  # the value does not fit into the column, or its character set


#: MariaDB's and MySQL's numbers.
_MYSQL = {
    1020: Kind.CONTENTION,  # the row changed since the snapshot was taken
    1205: Kind.CONTENTION,  # waited too long for a lock
    1213: Kind.CONTENTION,  # deadlock; also how Galera reports a conflict with another node
    1021: Kind.UNAVAILABLE,  # disk full
    1047: Kind.UNAVAILABLE,  # a Galera node that is not (yet) part of the cluster
    1114: Kind.UNAVAILABLE,  # table full
    1290: Kind.UNAVAILABLE,  # started with --read-only, as a replica is
    1836: Kind.UNAVAILABLE,  # read-only mode
    1264: Kind.UNFIT,  # number out of range
    1267: Kind.UNFIT,  # text that cannot be compared with a column of three-byte utf8: one value,
    1270: Kind.UNFIT,  # two,
    1271: Kind.UNFIT,  # or more
    1300: Kind.UNFIT,  # not valid text
    1366: Kind.UNFIT,  # text outside of three-byte utf8, as Glance's tables have it
    1406: Kind.UNFIT,  # too long
    3988: Kind.UNFIT,  # the same as 1366, of MySQL 8
}
#: PostgreSQL's SQLSTATEs, whole or by class.
_POSTGRESQL = {
    "40001": Kind.CONTENTION,
    "40P01": Kind.CONTENTION,
    "55P03": Kind.CONTENTION,
    "25006": Kind.UNAVAILABLE,  # a standby
    "53": Kind.UNAVAILABLE,  # out of disk, memory or connections
    "57P": Kind.UNAVAILABLE,  # shutting down or starting up
    "22": Kind.UNFIT,
}
#: SQLite's primary result codes.
_SQLITE = {
    sqlite3.SQLITE_BUSY: Kind.CONTENTION,
    sqlite3.SQLITE_LOCKED: Kind.CONTENTION,
    sqlite3.SQLITE_READONLY: Kind.UNAVAILABLE,
    sqlite3.SQLITE_IOERR: Kind.UNAVAILABLE,
    sqlite3.SQLITE_FULL: Kind.UNAVAILABLE,
    sqlite3.SQLITE_CANTOPEN: Kind.UNAVAILABLE,
    sqlite3.SQLITE_TOOBIG: Kind.UNFIT,
}

UNFIT = "A value is too long, out of range or has characters that the database cannot keep"


def translate(context: ExceptionContext) -> errors.Error | None:
    """Our error for what a driver raised, None to let SQLAlchemy's own pass.

    For the `handle_error` event, so the driver's error stays the cause.
    """
    kind = _kind(context)
    if kind is Kind.CONTENTION:
        return errors.Contention()
    if kind is Kind.UNAVAILABLE:
        return errors.DatabaseUnavailable()
    if kind is Kind.UNFIT:
        return errors.Invalid(UNFIT)
    return None


def _kind(context: ExceptionContext) -> Kind | None:
    error = context.original_exception
    connecting = context.connection is None and context.sqlalchemy_exception is not None
    if context.is_disconnect or connecting:
        return Kind.UNAVAILABLE
    if isinstance(error, UnicodeEncodeError | OverflowError):
        return Kind.UNFIT  # half a surrogate pair, or beyond 64 bits: the driver itself gives up
    return _by_code(context.dialect.name, error)


def _by_code(dialect: str, error: Any) -> Kind | None:
    if dialect == "mysql":
        return _MYSQL.get(error.args[0]) if error.args else None
    if dialect == "postgresql":
        return _postgresql(error)
    return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)


def _postgresql(error: Any) -> Kind | None:
    state = getattr(error, "sqlstate", None)
    if state is None:  # refused by the driver, which knows no state: a NUL in a text
        return Kind.UNFIT if type(error).__name__ == "DataError" else None
    for length in (5, 3, 2):
        if kind := _POSTGRESQL.get(state[:length]):
            return kind
    return None
