"""What crashes leave behind, put right: uploads that died, deletes that stopped, stray bytes.

An upload holds a lease as long as its process lives. An image that is `saving` without one has
lost its process: it is queued again. An image that is `pending_delete` although deletes are not
delayed here has lost the process that was deleting it, or its store was not reachable: what is left
of it is deleted. Bytes that no image names and that are older than the grace time are removed.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.images import Images
from calotype.db.leases import Lease, Leases
from calotype.imports.leftovers import Leftovers
from calotype.model.image import Status
from calotype.services.removal import Removal
from calotype.stores.catalog import Catalog
from calotype.worker import sweeper

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cleaned:
    """What one pass did. `bytes`: the size of what was removed."""

    requeued: int = 0
    deleted: int = 0
    removed: int = 0
    bytes: int = 0
    errors: int = 0


class Cleaner:
    """Cleans up, one process at a time. `grace`: seconds that stray bytes are left alone.

    `patience`: seconds after which a delete that has not ended counts as cut off; None when
    deletes are delayed on purpose, which is the scrubber's business.
    """

    def __init__(
        self,
        images: Images,
        deletes: Deletes,
        leases: Leases,
        stores: Catalog,
        *,
        grace: int,
        patience: int | None,
        leftovers: Leftovers | None = None,
    ) -> None:
        self._images = images
        self._deletes = deletes
        self._leases = leases
        self._stores = stores
        self._removal = Removal(deletes, stores)
        self._grace = grace
        self._patience = patience
        self._leftovers = leftovers

    def clean(self) -> Cleaned:
        """One whole pass. Raises Conflict while another process cleans."""
        with self._leases.hold("sweeper"):
            requeued = self.requeue()
            deleted = self.finish_deletes()
            swept = self._sweep()
            staged = self._leftovers.sweep(time.time() - self._grace) if self._leftovers else 0
        removed = swept.count + bool(staged)
        return Cleaned(requeued, deleted, removed, swept.bytes + staged, swept.errors)

    def requeue(self) -> int:
        """Queue images again whose upload, stage or import died with its process; how many."""
        staged = self._leftovers.requeue() if self._leftovers else 0
        return self._each(self._abandoned(), self._requeue) + staged

    def finish_deletes(self) -> int:
        """Delete what is left of images whose delete was cut off; how many are gone now."""
        if self._patience is None:
            return 0
        pending = self._deletes.pending(self._patience)
        count = self._each(pending, self._finish_delete)
        if count < len(pending):
            LOG.warning("%d deletes cannot be finished yet: trying again", len(pending) - count)
        return count

    def _each(self, image_ids: Iterable[str], mend: Callable[[str, Lease], bool]) -> int:
        count = 0
        for image_id in image_ids:
            # Somebody else may be dealing with it, or just have done so.
            with (
                suppress(errors.ImageNotFound, errors.Conflict),
                self._leases.hold(f"image:{image_id}") as lease,
            ):
                count += mend(image_id, lease)
        return count

    def run(
        self,
        stop: threading.Event,
        *,
        often: float,
        interval: float,
        orphaned: Callable[[], bool],
    ) -> None:
        """Mend what died every `often` seconds, clean everything every `interval` (0: never).

        Ends when `stop` is set, or when the process that started this one is gone.
        """
        next_pass = time.monotonic()
        while not stop.is_set() and not orphaned():
            try:
                if interval and time.monotonic() >= next_pass:
                    next_pass = time.monotonic() + interval
                    self.clean()
                else:
                    self.requeue()
                    self.finish_deletes()
            except errors.Conflict:
                LOG.info("Another process is cleaning up; leaving it to that one")
            except Exception:  # the loop goes on whatever one pass met
                LOG.exception("Cleaning up failed; trying again later")
            self._wait(stop, often, orphaned)

    def _wait(self, stop: threading.Event, seconds: float, orphaned: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not orphaned() and not stop.wait(min(1.0, seconds)):
            pass

    def _requeue(self, image_id: str, lease: Lease) -> bool:
        image = self._images.get(image_id)
        if image.status is not Status.SAVING:
            return False
        self._images.swap(image, image.moved_to(Status.QUEUED, size=None), lease.confirm)
        LOG.warning("Image %s: its upload died, it is queued again", image_id)
        return True

    def _finish_delete(self, image_id: str, lease: Lease) -> bool:
        confirm = partial(self._leases.confirm, lease)
        done = self._removal.finish(image_id, self._deletes.locations(image_id), confirm)
        if done:
            LOG.warning("Image %s: its delete was cut off, it is finished", image_id)
        return done

    def _abandoned(self) -> Sequence[str]:
        saving = self._images.in_status(Status.SAVING)
        living = self._leases.living("image:") if saving else set()
        return [image_id for image_id in saving if f"image:{image_id}" not in living]

    def _busy(self, image_ids: Sequence[str]) -> set[str]:
        living = self._leases.living("image:")
        return {image_id for image_id in image_ids if f"image:{image_id}" in living}

    def _sweep(self) -> sweeper.Swept:
        return sweeper.sweep(
            [(entry.id, entry.store) for entry in self._stores.entries()],
            known=self._images.named,
            busy=self._busy,
            located=self._images.located,
            alone=lambda image_id: self._leases.hold(f"image:{image_id}"),
            older_than=time.time() - self._grace,
        )
