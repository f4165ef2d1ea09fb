"""Bringing a deleted image back before its data is scrubbed."""

import logging
from collections.abc import Iterator

from calotype import errors
from calotype.db.leases import PATIENCE, Leases
from calotype.db.restores import Deleted
from calotype.db.restores import Restores as Rows
from calotype.model.image import Status
from calotype.model.location import Location
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)

#: Who holds this scrubs, or restores: never two at a time in one database.
LEASE = "scrubber"
RUNNING = "glance-scrubber is already running. Please ensure that the daemon is stopped."


class Restores:
    """The use case of `calotype scrub --restore`."""

    def __init__(self, rows: Rows, leases: Leases, stores: Catalog) -> None:
        self._rows = rows
        self._leases = leases
        self._stores = stores

    def restore(self, image_id: str, *, with_metadata: bool = False) -> None:
        """Make a pending_delete image active again with all of its data, or change nothing.

        `with_metadata`: with its tags, members and properties too. Also mends an image that
        Glance has restored, which is active and has lost its locations.
        Raises ImageNotFound, and Conflict when a scrubber runs, when the image is not one that can
        be restored, or when not all of its data is there.
        """
        with self._leases.hold(LEASE, patience=PATIENCE, busy=RUNNING):
            _check_status(self._rows.find(image_id))
            with self._leases.hold(f"image:{image_id}", patience=PATIENCE) as lease:
                found = self._rows.find(image_id)
                _check_status(found)
                self._check_data(found)
                self._rows.restore(found, lease.confirm, with_metadata=with_metadata)
        LOG.info("Image %s is restored, with %d copies", image_id, len(found.pending))

    def _check_data(self, found: Deleted) -> None:
        missing = [f"it is scrubbed already {self._where(it)}" for it in found.scrubbed]
        missing += [trouble for it in found.pending for trouble in self._troubles(it, found.size)]
        if not missing and not found.pending:
            missing = ["nothing says where it was"]
        if missing:
            raise errors.Conflict(
                f"cannot restore the image {found.id}: not all of its data is there, and nothing "
                f"was changed: {'; '.join(missing)}"
            )

    def _troubles(self, location: Location, size: int | None) -> Iterator[str]:
        where = self._where(location)
        try:
            found = self._stores.holding(location).size(location)
        except errors.DataNotFound:
            yield f"it is gone {where}"
        except errors.StoreError as error:
            yield f"it cannot be looked for {where}: {error.message}"
        else:
            if size is not None and found != size:
                yield f"it has {found} bytes, not {size}, {where}"

    def _where(self, location: Location) -> str:
        return f"in store {self._stores.id_of(location)} ({location.shown})"


def _check_status(found: Deleted) -> None:
    restored_by_glance = found.status is Status.ACTIVE and found.pending and not found.has_data
    if found.status is not Status.PENDING_DELETE and not restored_by_glance:
        raise errors.Conflict(
            f"cannot restore the image from {found.status.value} to active "
            "(wanted from_state=pending_delete)"
        )
