"""Addresses as Glance's operators write them, and how each connection is set up."""

import time

import pytest
from sqlalchemy import select, text

from calotype import errors
from calotype.db import tables
from calotype.db.engine import Database, Tuning, connect

OVER_A_NETWORK = pytest.mark.parametrize("engine_name", ["mariadb", "postgresql"], indirect=True)


def names(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(select(tables.calotype_leases.c.name)))


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("mysql://u:p@db/glance", "mysql+pymysql://u:***@db/glance?charset=utf8mb4"),
        ("mysql+pymysql://u@db/g?charset=utf8", "mysql+pymysql://u@db/g?charset=utf8mb4"),
        ("mysql+mysqldb://u@db:1/g", "mysql+pymysql://u@db:1/g?charset=utf8mb4"),
        ("mariadb+pymysql://u@db/g", "mysql+pymysql://u@db/g?charset=utf8mb4"),
        ("postgresql://u@db/g", "postgresql+psycopg://u@db/g"),
        (
            "postgresql+psycopg2://u@db/g?sslmode=require",
            "postgresql+psycopg://u@db/g?sslmode=require",
        ),
        ("sqlite:////var/lib/glance/glance.sqlite", "sqlite:////var/lib/glance/glance.sqlite"),
        ("sqlite://", "sqlite://"),
    ],
)
def test_addresses_of_glance_are_understood(written, used):
    assert str(connect(written)) == used


def test_connection_parameters_are_appended():
    database = connect("mysql://db/g", Tuning(connection_parameters="read_timeout=5&a=b"))

    assert str(database) == "mysql+pymysql://db/g?a=b&charset=utf8mb4&read_timeout=5"


@pytest.mark.parametrize("address", ["", "hello", "mysql:/u:secret@db/g", "oracle://u:secret@db/g"])
def test_an_unusable_address_is_refused_without_showing_its_secret(address):
    with pytest.raises(errors.BadSettings, match=r"\[database\] connection") as refused:
        connect(address)

    assert "secret" not in refused.value.message


def test_options_are_taken_by_name():
    class Options:
        max_pool_size = 7
        mysql_sql_mode = None
        connection = "sqlite://"

    assert Tuning.from_options(Options()) == Tuning(max_pool_size=7, mysql_sql_mode=None)


# -- sessions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("engine_name", ["mariadb"], indirect=True)
def test_the_servers_session_is_set_up(database):
    lax = connect(database.address, Tuning(mysql_sql_mode=None, mysql_wsrep_sync_wait=0))

    def mode(which):
        with which.reading() as connection:
            return connection.scalar(text("SELECT @@SESSION.sql_mode"))

    assert "TRADITIONAL" in mode(database)
    assert "TRADITIONAL" not in mode(lax)
    lax.close()


def test_sqlite_survives_a_power_failure_unless_told_otherwise(tmp_path):
    def pragmas(**options):
        database = connect(f"sqlite:///{tmp_path}/x.db", Tuning(**options))
        with database.reading() as connection:
            names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
        database.close()
        return found

    assert pragmas() == ["wal", 2, 1, 30000]
    assert pragmas(sqlite_synchronous=False) == ["wal", 0, 1, 30000]


# -- connections that have ended ---------------------------------------------------------------


@OVER_A_NETWORK
def test_connections_that_the_server_ended_are_replaced_unnoticed(wire):
    relay, database = wire
    assert names(database) == []

    relay.cut()
    time.sleep(0.05)

    assert names(database) == []
    relay.cut()
    time.sleep(0.05)
    with database.writing() as connection:
        connection.execute(tables.calotype_leases.delete())


@OVER_A_NETWORK
def test_long_idle_connections_are_asked_first(wire, monkeypatch):
    relay, database = wire
    names(database)
    before = relay.round_trips
    monkeypatch.setattr("calotype.db.dialects.IDLE", 0)

    names(database)

    assert relay.round_trips - before == 2
