"""What crashes leave behind, put right: uploads that died, deletes that stopped, stray bytes.

An upload holds a lease as long as its process lives. An image that is `saving` without one has
lost its process: it is queued again. Bytes that no image names and that are older than the grace
time are removed.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from calotype import errors
from calotype.db.images import Images
from calotype.db.leases import Leases
from calotype.model.image import Status
from calotype.stores.catalog import Catalog
from calotype.worker import sweeper

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cleaned:
    """What one pass did. `bytes`: the size of what was removed."""

    requeued: int = 0
    removed: int = 0
    bytes: int = 0
    errors: int = 0


class Cleaner:
    """Cleans up, one process at a time. `grace`: seconds that stray bytes are left alone."""

    def __init__(self, images: Images, leases: Leases, stores: Catalog, grace: int) -> None:
        self._images = images
        self._leases = leases
        self._stores = stores
        self._grace = grace

    def clean(self) -> Cleaned:
        """One whole pass. Raises Conflict while another process cleans."""
        with self._leases.hold("sweeper"):
            requeued = self.requeue()
            swept = self._sweep()
        return Cleaned(requeued, swept.count, swept.bytes, swept.errors)

    def requeue(self) -> int:
        """Queue images again whose upload died with its process; how many."""
        count = 0
        for image_id in self._abandoned():
            try:
                with self._leases.hold(f"image:{image_id}"):
                    count += self._requeue(image_id)
            except (errors.ImageNotFound, errors.Conflict):
                continue  # somebody else deals with it
        return count

    def run(
        self,
        stop: threading.Event,
        *,
        often: float,
        interval: float,
        orphaned: Callable[[], bool],
    ) -> None:
        """Queue dead uploads again every `often` seconds, clean all every `interval` (0: never).

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
            except errors.Conflict:
                LOG.info("Another process is cleaning up; leaving it to that one")
            except Exception:  # the loop goes on whatever one pass met
                LOG.exception("Cleaning up failed; trying again later")
            self._wait(stop, often, orphaned)

    def _wait(self, stop: threading.Event, seconds: float, orphaned: Callable[[], bool]) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not orphaned() and not stop.wait(1.0):
            pass

    def _requeue(self, image_id: str) -> int:
        image = self._images.get(image_id)
        if image.status is not Status.SAVING:
            return 0
        self._images.swap(image, image.moved_to(Status.QUEUED, size=None))
        LOG.warning("Image %s: its upload died, it is queued again", image_id)
        return 1

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
            older_than=time.time() - self._grace,
        )
