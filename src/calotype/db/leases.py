"""Leases: what a living process is working on, told by rows that only it keeps renewing.

A lease is held by name (`image:<id>`, `sweeper`) until it is given back or not renewed in time.
One thread per process renews all of its leases with a single statement, so ten thousand uploads
cost as many writes as one. A process that dies simply stops renewing.

A process that was only asleep may wake up after another one has taken over. So what must not be
done by two is tied to `Lease.confirm`, in the transaction that does it.
"""

import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db.engine import Database
from calotype.db.tables import calotype_leases

LOG = logging.getLogger(__name__)
_ROW = calotype_leases.c

#: How often a lease is renewed while it lives.
RENEWALS = 4
#: Seconds between two tries to take a lease that somebody else holds.
RETRY = 0.05
#: The patience of a request: who has just put an image back as it was gives its lease back only
#: when the last of the refused data is gone, and the client may be here again before that.
PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Lease:
    """One lease, as long as it is held. `holder` names this one holding of it, and no other."""

    name: str
    holder: str
    seconds: int

    def confirm(self, connection: Connection) -> None:
        """Renew it within a transaction, which thereby happens only while it is held.

        Raises ChangedMeanwhile when another one has taken over.
        """
        row = update(calotype_leases).where(_ROW.name == self.name, _ROW.holder == self.holder)
        if connection.execute(row.values(expires_at=_expiry(self.seconds))).rowcount != 1:
            raise errors.ChangedMeanwhile(
                f"This took too long without a sign of life: somebody else took over {self.name}"
            )


def exactly_now() -> datetime:
    """The present moment as the tables of our own keep it: UTC, naive, with microseconds."""
    return datetime.now(UTC).replace(tzinfo=None)


class Leases:
    """The leases of this process. `seconds`: how long one lives without being renewed."""

    def __init__(self, database: Database, seconds: int) -> None:
        self._db = database
        self.seconds = seconds
        self._lock = threading.Lock()
        self._pid = 0
        self._held: set[Lease] = set()

    @contextmanager
    def hold(self, name: str, *, patience: float = 0.0, busy: str | None = None) -> Iterator[Lease]:
        """Hold a lease while the block runs.

        Raises Conflict, with the text `busy`, when another one holds it and does not give it back
        within `patience` seconds.
        """
        self._keep_renewing()
        lease = Lease(name, uuid.uuid4().hex, self.seconds)
        deadline = time.monotonic() + patience
        while not self._take(lease):
            if time.monotonic() >= deadline:
                raise errors.Conflict(busy or f"Somebody else is working on {name}")
            time.sleep(RETRY)
        try:
            yield lease
        finally:
            self._give_back(lease)

    def confirm(self, lease: Lease) -> None:
        """Renew a lease now, before what cannot be undone. Raises ChangedMeanwhile when it is lost.

        Such things cannot be part of a transaction, as `Lease.confirm` would have it.
        """
        self._db.transaction(lease.confirm)

    def living(self, prefix: str) -> set[str]:
        """The names under `prefix` that some living process holds."""
        wanted = select(_ROW.name).where(
            _ROW.name.startswith(prefix, autoescape=True), _ROW.expires_at >= exactly_now()
        )
        with self._db.reading() as connection:
            return set(connection.execute(wanted).scalars())

    def _take(self, lease: Lease) -> bool:
        row = insert(calotype_leases).values(name=lease.name, holder=lease.holder)
        ended = (_ROW.name == lease.name) & (_ROW.expires_at < exactly_now())
        stale = delete(calotype_leases).where(ended)

        def take(connection: Connection) -> None:
            connection.execute(row.values(expires_at=_expiry(self.seconds)))

        def take_over(connection: Connection) -> None:
            connection.execute(stale)
            take(connection)

        try:
            # Tried without the delete first: where there is nothing to delete, InnoDB would lock
            # the gap, and two who take different leases would lock each other out.
            self._db.transaction(take)
        except IntegrityError:
            try:
                self._db.transaction(take_over)
            except IntegrityError:
                return False
        with self._lock:
            self._held.add(lease)
        return True

    def _give_back(self, lease: Lease) -> None:
        with self._lock:
            self._held.discard(lease)
        mine = delete(calotype_leases).where(_ROW.name == lease.name, _ROW.holder == lease.holder)
        try:
            self._db.transaction(lambda connection: connection.execute(mine))
        except errors.DatabaseUnavailable as error:
            # What was done under the lease is done; its row ends by itself.
            LOG.warning("The lease on %s is left to run out: %s", lease.name, error)

    def _keep_renewing(self) -> None:
        """Start the thread that renews, once per process."""
        with self._lock:
            if self._pid != os.getpid():  # a fork does not take threads along
                self._pid, self._held = os.getpid(), set()
                threading.Thread(target=self._renew, name="leases", daemon=True).start()

    def _renew(self) -> None:
        pause = threading.Event()
        while not pause.wait(self.seconds / RENEWALS):
            with self._lock:
                holders = [lease.holder for lease in self._held]
            if not holders:
                continue
            mine = update(calotype_leases).where(_ROW.holder.in_(holders))
            try:
                with self._db.writing() as connection:
                    connection.execute(mine.values(expires_at=_expiry(self.seconds)))
            except Exception:  # the thread must outlive any trouble of the database
                LOG.exception("Could not renew the leases of this process; trying again")


def _expiry(seconds: int) -> datetime:
    return exactly_now() + timedelta(seconds=seconds)
