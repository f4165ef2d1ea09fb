"""Leases: what a living process is working on, told by rows that only it keeps renewing.

A lease is held by name (`image:<id>`, `sweeper`) until it is given back or not renewed in time.
One thread per process renews all of its leases with a single statement, so ten thousand uploads
cost as many writes as one. A process that dies simply stops renewing.
"""

import logging
import os
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db.engine import Database
from calotype.db.images import now
from calotype.db.tables import calotype_leases

LOG = logging.getLogger(__name__)
_ROW = calotype_leases.c


class Leases:
    """The leases of this process. `seconds`: how long one lives without being renewed."""

    def __init__(self, database: Database, seconds: int) -> None:
        self._db = database
        self._seconds = seconds
        self._lock = threading.Lock()
        self._holder = ""
        self._pid = 0
        self._held = 0

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Hold a lease while the block runs. Raises Conflict when another one holds it."""
        self._take(name)
        try:
            yield
        finally:
            with self._lock:
                self._held -= 1
            with self._db.writing() as connection:
                connection.execute(
                    delete(calotype_leases).where(_ROW.name == name, _ROW.holder == self._holder)
                )

    def living(self, prefix: str) -> set[str]:
        """The names under `prefix` that some living process holds."""
        wanted = select(_ROW.name).where(
            _ROW.name.startswith(prefix, autoescape=True), _ROW.expires_at >= now()
        )
        with self._db.reading() as connection:
            return set(connection.execute(wanted).scalars())

    def _take(self, name: str) -> None:
        holder = self._process()
        try:
            with self._db.writing() as connection:
                stale = (_ROW.name == name) & (_ROW.expires_at < now())
                connection.execute(delete(calotype_leases).where(stale))
                connection.execute(
                    insert(calotype_leases).values(
                        name=name, holder=holder, expires_at=self._expiry()
                    )
                )
        except IntegrityError as error:
            raise errors.Conflict(f"Somebody else is working on {name}") from error
        with self._lock:
            self._held += 1

    def _process(self) -> str:
        """The name of this process as a holder; starts the renewing thread once per process."""
        with self._lock:
            if self._pid != os.getpid():  # a fork does not take threads along
                self._pid, self._holder, self._held = os.getpid(), uuid.uuid4().hex, 0
                threading.Thread(target=self._renew, name="leases", daemon=True).start()
            return self._holder

    def _renew(self) -> None:
        pause = threading.Event()
        while not pause.wait(self._seconds / 3):
            with self._lock:
                idle, holder = self._held == 0, self._holder
            if idle:
                continue
            try:
                with self._db.writing() as connection:
                    mine = update(calotype_leases).where(_ROW.holder == holder)
                    connection.execute(mine.values(expires_at=self._expiry()))
            except Exception:  # the thread must outlive any trouble of the database
                LOG.exception("Could not renew the leases of this process; trying again")

    def _expiry(self) -> object:
        return now() + timedelta(seconds=self._seconds + 1)
