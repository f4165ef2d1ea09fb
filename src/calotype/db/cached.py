"""What the caches of the nodes hold: the books of the driver `centralized_db`.

Each node has a row of its own, by the address under which others reach it. That it lives it says by
a lease, which it renews as long as one of its processes runs; without it nothing that it has in its
cache is listed, and with it everything is again.
"""

import logging
import os
import threading
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db.engine import Database
from calotype.db.leases import RENEWALS, exactly_now
from calotype.db.tables import cached_images, calotype_leases, node_reference
from calotype.model.cached import CachedImage

LOG = logging.getLogger(__name__)

_ROW = cached_images.c
_NODE = node_reference.c
_LEASE = calotype_leases.c
#: The leases of nodes have the number of the node after this.
NODE = "cache-node:"


class CachedImages:
    """The notes about the cache of one node. `url`: its address; `timeout`: of its lease, seconds.

    All methods raise DatabaseUnavailable.
    """

    def __init__(self, database: Database, url: str, timeout: int) -> None:
        self._db = database
        self._url = url
        self._timeout = timeout
        self._number: int | None = None
        self._lock = threading.Lock()
        self._pid = 0

    # -- the books of this node ----------------------------------------------------------------

    def add(self, entry: CachedImage) -> None:
        """Note an entry; what was noted of the same image before is replaced."""
        values = {
            "last_accessed": entry.last_accessed,
            "last_modified": entry.last_modified,
            "size": entry.size,
            "hits": entry.hits,
            "checksum": entry.checksum,
        }
        key = {"image_id": entry.image_id, "node_reference_id": self.number()}
        old = update(cached_images).where(*self._mine(entry.image_id))

        def work(connection: Connection) -> None:
            if not connection.execute(old.values(**values)).rowcount:
                connection.execute(insert(cached_images).values(**key, **values))

        try:
            self._db.transaction(work)
        except IntegrityError:  # another process of this node was quicker
            self._db.transaction(work)

    def used(self, image_id: str) -> bool:
        """Count a use of an entry; False when there is no note of it."""
        row = update(cached_images).where(*self._mine(image_id))
        row = row.values(hits=_ROW.hits + 1, last_accessed=exactly_now())
        return bool(self._db.transaction(lambda connection: connection.execute(row).rowcount))

    def remove(self, image_id: str) -> None:
        """Forget an entry, if there is any."""
        row = delete(cached_images).where(*self._mine(image_id))
        self._db.transaction(lambda connection: connection.execute(row))

    def entries(self) -> list[CachedImage]:
        """All entries of this node."""
        wanted = (
            select(
                *(_ROW.image_id, _ROW.size, _ROW.last_accessed, _ROW.last_modified),
                *(_ROW.hits, _ROW.checksum, _ROW.id),
            )
            .where(_ROW.node_reference_id == self.number())
            .order_by(_ROW.id)
        )
        with self._db.reading() as connection:
            return [CachedImage(*row) for row in connection.execute(wanted)]

    # -- all nodes -----------------------------------------------------------------------------

    def nodes(self, image_id: str) -> list[str]:
        """The addresses of the living nodes that have an image in their cache, sorted."""
        wanted = (
            select(_NODE.node_reference_id, _NODE.node_reference_url)
            .join(cached_images, _ROW.node_reference_id == _NODE.node_reference_id)
            .where(_ROW.image_id == image_id)
        )
        leases = select(_LEASE.name).where(
            _LEASE.name.startswith(NODE, autoescape=True), _LEASE.expires_at >= exactly_now()
        )
        with self._db.reading() as connection:
            living = set(connection.scalars(leases))
            return sorted(url for n, url in connection.execute(wanted) if f"{NODE}{n}" in living)

    def number(self) -> int:
        """The number of this node's row, which is made when there is none."""
        if self._number is None:
            mine = select(_NODE.node_reference_id).where(_NODE.node_reference_url == self._url)

            def work(connection: Connection) -> int | None:
                found = connection.scalar(mine)
                if found is None:
                    row = insert(node_reference).values(node_reference_url=self._url)
                    connection.execute(row)
                return connection.scalar(mine)

            try:
                self._number = self._db.transaction(work)
            except IntegrityError:  # another process of this node was quicker
                self._number = self._db.transaction(work)
        assert self._number is not None
        return self._number

    def renew(self) -> None:
        """Say that this node lives."""
        until = exactly_now() + timedelta(seconds=self._timeout)
        name = f"{NODE}{self.number()}"
        old = update(calotype_leases).where(_LEASE.name == name).values(expires_at=until)

        def work(connection: Connection) -> None:
            if not connection.execute(old).rowcount:
                new = insert(calotype_leases)
                connection.execute(new.values(name=name, holder="node", expires_at=until))

        try:
            self._db.transaction(work)
        except IntegrityError:
            LOG.debug("Another process of this node has just said that it lives")

    def keep_renewing(self) -> None:
        """See to it that this process says so from now on, again and again."""
        with self._lock:
            if self._pid == os.getpid():
                return
            self._pid = os.getpid()  # a fork does not take threads along
        threading.Thread(target=self._renew, name="cache-node", daemon=True).start()

    def _renew(self) -> None:
        pause = threading.Event()
        while True:
            try:
                self.renew()
            except errors.Error as error:
                LOG.warning("Could not tell that this node lives; trying again: %s", error)
            except Exception:  # the thread must outlive any trouble of the database
                LOG.exception("Could not tell that this node lives; trying again")
            pause.wait(self._timeout / RENEWALS)

    def _mine(self, image_id: str) -> tuple[ColumnElement[bool], ...]:
        return _ROW.image_id == image_id, _ROW.node_reference_id == self.number()
