"""Databases of older Glance releases are brought to the head, and nothing in them is changed."""

import pytest

from calotype.db import schema
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
