"""What the drivers' errors are taken for."""

from datetime import datetime

import pytest
from sqlalchemy import insert, select

from calotype import errors
from calotype.db import tables

WHEN = datetime(2026, 1, 2, 3, 4, 5)
ROW = {"id": "i", "status": "queued", "min_disk": 0, "min_ram": 0, "created_at": WHEN}

#: A value for a column of `images`, and which engines keep it. Glance's tables on MariaDB hold
#: text of three-byte utf8.
VALUES = {
    "a lone surrogate": ("name", "\ud800", []),
    "more than 63 bits": ("size", 2**63, []),
    "more than 31 bits": ("min_disk", 2**31, ["sqlite"]),
    "a long name": ("name", "x" * 70_000, ["sqlite"]),
    "a zero byte": ("name", "zero \0", ["sqlite", "mariadb"]),
    "four bytes": ("name", "\N{CAMERA WITH FLASH}", ["sqlite", "postgresql"]),
    "three bytes": ("name", "\u65e5\u672c", ["sqlite", "mariadb", "postgresql"]),
}


@pytest.fixture(params=VALUES)
def value(request):
    return VALUES[request.param]


def test_a_value_is_kept_or_refused_as_not_valid(database, engine_name, value):
    column, given, engines = value
    row = ROW | {column: given, "deleted": False}
    if engine_name not in engines:
        with pytest.raises(errors.Invalid), database.writing() as connection:
            connection.execute(insert(tables.images).values(row))
        return

    with database.writing() as connection:
        connection.execute(insert(tables.images).values(row))
    with database.reading() as connection:
        assert connection.scalar(select(tables.images.c[column])) == given


@pytest.mark.parametrize("number", [1, 2, 3])
def test_looking_for_such_a_value_is_no_fault_of_the_server(database, value, number):
    column, given, _ = value
    searched = tables.images.c[column]
    for condition in (searched.in_([given] * number), searched > given, searched != given):
        try:
            with database.reading() as connection:
                assert connection.execute(select(tables.images.c.id).where(condition)).all() == []
        except errors.Invalid:
            continue


def test_the_drivers_error_stays_the_cause(database):
    row = ROW | {"size": 2**63, "deleted": False}
    with pytest.raises(errors.Invalid) as refused, database.writing() as connection:
        connection.execute(insert(tables.images).values(row))

    assert refused.value.__cause__ is not None


def test_our_own_mistakes_are_not_blamed_on_anybody(database):
    """A statement that the server does not understand passes as it is: that is a bug."""
    with (
        pytest.raises(Exception, match="no_such_table") as failed,
        database.reading() as connection,
    ):
        connection.exec_driver_sql("SELECT 1 FROM no_such_table")

    assert not isinstance(failed.value, errors.Error)


@pytest.mark.parametrize("engine_name", ["mariadb", "postgresql"], indirect=True)
def test_waiting_too_long_for_a_lock_is_contention(database):
    patience = {
        "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
        "postgresql": "SET LOCAL lock_timeout = '10ms'",
    }[database.dialect]
    touch = tables.node_reference.update().values(node_reference_url="b")
    with database.writing() as connection:
        connection.execute(insert(tables.node_reference).values(node_reference_url="a"))

    with database.writing() as first:
        first.execute(touch)
        with pytest.raises(errors.Contention), database.writing() as second:
            second.exec_driver_sql(patience)
            try:
                second.execute(touch)
            finally:
                second.invalidate()  # with its impatience
