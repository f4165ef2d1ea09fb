"""Databases that real Glance makes and upgrades, and what it says of ours."""

import pytest

from calotype.db import schema
from calotype.db.engine import connect
from calotype.db.schema import GLANCE_HEAD, Stand
from tests.db import facts, older_glance


@pytest.fixture
def fresh(fresh_url):
    database = connect(fresh_url)
    yield database
    database.close()


def schema_of(database):
    with database.reading() as connection:
        return facts.facts(connection)


def takes_it(manage):
    checked = manage("check")
    return checked.returncode == 0 and "up to date" in checked.stdout


@pytest.mark.parametrize(
    ("engine_name", "expanded"), [("sqlite", False), ("mariadb", False), ("mariadb", True)]
)
def test_glance_takes_what_we_upgraded_as_its_own(fresh, engine_name, manage, expanded):
    revisions = {"train_contract01"}
    made = manage("upgrade", "--version", "train_contract01")
    assert made.returncode == 0, made.stderr
    if expanded:
        revisions |= {"2024_1_expand01"}
        manage("expand")
    assert set(schema.check(fresh).revisions) == revisions
    assert schema_of(fresh) == older_glance.schema_facts(engine_name, *revisions)

    assert schema.sync(fresh)

    assert schema.check(fresh).stand is Stand.CURRENT
    assert schema_of(fresh) == older_glance.schema_facts(engine_name, GLANCE_HEAD)
    assert takes_it(manage)


def test_glance_takes_what_we_made_as_its_own(fresh, manage):
    schema.sync(fresh)

    assert takes_it(manage)
