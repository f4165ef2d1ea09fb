"""Bringing a database to the schema we know, and telling where one stands.

A database that Glance made and upgraded to its head is used as it is; one of an older Glance, from
Train on, is brought there by Glance's own steps. Beside stand our own tables, which Glance passes
over. So both can work on it, and Glance can be put back.
"""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, inspect, text

from calotype import errors
from calotype.db import altering
from calotype.db.engine import Database

#: The heads of the two trees, and where Glance is one step before its own.
GLANCE_HEAD = "2024_1_contract01"
OWN_HEAD = "calotype_0002"
#: Ours before the head: `db sync` brings them there.
OWN_OLDER = frozenset({"calotype_0001"})
GLANCE_EXPANDED = "2024_1_expand01"

GLANCE_VERSIONS = "alembic_version"
OWN_VERSIONS = "calotype_alembic_version"

#: Glance's releases that we upgrade from, and the one that we upgrade to. For each Glance first
#: adds to the schema (expands), then takes away (contracts).
RELEASES = ("train", "ussuri", "wallaby", "xena", "yoga", "zed", "2023_1", "2024_1")
EXPANDS = tuple(f"{release}_expand01" for release in RELEASES)
CONTRACTS = tuple(f"{release}_contract01" for release in RELEASES)
#: Where a Glance of these releases can leave a database: contracted, or also expanded for later.
UPGRADABLE = {frozenset({contract}) for contract in CONTRACTS[:-1]} | {
    frozenset({contract, expand})
    for number, contract in enumerate(CONTRACTS)
    for expand in EXPANDS[number + 1 :]
}
#: All of Glance's revisions before its head.
OLDER = (
    {"liberty", "mitaka01", "mitaka02", "rocky_expand02", "rocky_contract02"}
    | {f"{release}_expand01" for release in ("ocata", "pike", "queens", "rocky")}
    | {f"{release}_contract01" for release in ("ocata", "pike", "queens", "rocky")}
    | {*EXPANDS, *CONTRACTS}
) - {GLANCE_HEAD}


class Stand(StrEnum):
    """Where a database stands."""

    EMPTY = "empty"
    CURRENT = "current"
    INCOMPLETE = "incomplete"
    BEHIND = "behind"
    OLDER = "older"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class State:
    """What a database holds: the revisions it names, and what that means for us."""

    stand: Stand
    revisions: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """What it is and what to do about it, for the operator."""
        found = ", ".join(self.revisions) or "no revision"
        return {
            Stand.EMPTY: "The database is empty: run `calotype db sync`.",
            Stand.CURRENT: "The database is up to date.",
            Stand.INCOMPLETE: "The database has Glance's tables and needs ours beside them:"
            " run `calotype db sync`.",
            Stand.BEHIND: f"The database is at {found}, as an older Glance left it:"
            " run `calotype db sync`.",
            Stand.OLDER: f"The database is at {found}, older than {CONTRACTS[0]}. Upgrade it with"
            " the `glance-manage db sync` of Glance 2024.1 or later, then run `calotype db sync`.",
            Stand.UNKNOWN: f"The database is at {', '.join(self.revisions + self.own) or found},"
            f" which this release does not know ({GLANCE_HEAD}, {OWN_HEAD}). Is it the right"
            " database? If a later release made it, use that one.",
        }[self.stand]


def check(db: Database) -> State:
    """Where the database stands. Changes nothing."""
    with db.reading() as connection:
        return _state(connection)


def version(db: Database) -> str | None:
    """Glance's revision of the database, None when it has none."""
    return ", ".join(check(db).revisions) or None


def require_current(db: Database) -> None:
    """Return when the database is at the present schema, else raise BadSettings with what to do."""
    state = check(db)
    if state.stand is not Stand.CURRENT:
        raise errors.BadSettings(f"[database] connection: {state.advice}")


def sync(db: Database) -> bool:
    """Bring the database to the present schema; False when it was there already.

    Raises BadSettings for a database that we cannot bring there, with what to do, and Contention
    when others use it for too long; what is done then stays, and the next sync goes on from there.
    """
    with db.writing() as connection, altering.alone(connection):
        state = _state(connection)
        if state.stand in (Stand.OLDER, Stand.UNKNOWN):
            raise errors.BadSettings(state.advice)
        if state.stand is Stand.CURRENT:
            return False
        with altering.changes(connection):
            # Here, because Alembic is a fifth of all that is loaded, and a service does without.
            from calotype.db import upgrading

            if state.stand is Stand.EMPTY:
                upgrading.create(connection, GLANCE_VERSIONS, GLANCE_HEAD)
            upgrading.upgrade(connection, "glance", GLANCE_VERSIONS)
            upgrading.upgrade(connection, "calotype", OWN_VERSIONS)
        return True


def _state(connection: Connection) -> State:
    names = set(inspect(connection).get_table_names())
    revisions = _revisions(connection, GLANCE_VERSIONS, names)
    own = _revisions(connection, OWN_VERSIONS, names)
    return State(_stand(names, revisions, own), revisions, own)


def _stand(names: set[str], revisions: tuple[str, ...], own: tuple[str, ...]) -> Stand:
    if not revisions:
        # An empty version table is what an interrupted first sync leaves on MariaDB.
        if "migrate_version" in names:
            return Stand.OLDER
        started = GLANCE_VERSIONS in names
        return Stand.EMPTY if started or "images" not in names else Stand.UNKNOWN
    if not set(own) <= OWN_OLDER | {OWN_HEAD}:
        return Stand.UNKNOWN
    if revisions == (GLANCE_HEAD,):
        return Stand.CURRENT if own == (OWN_HEAD,) else Stand.INCOMPLETE
    if frozenset(revisions) in UPGRADABLE:
        return Stand.BEHIND
    return Stand.OLDER if set(revisions) <= OLDER | {GLANCE_HEAD} else Stand.UNKNOWN


def _revisions(connection: Connection, table: str, names: set[str]) -> tuple[str, ...]:
    if table not in names:
        return ()
    found = connection.execute(text(f"SELECT version_num FROM {table} ORDER BY version_num"))
    return tuple(found.scalars())
