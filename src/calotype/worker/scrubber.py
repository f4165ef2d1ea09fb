"""The scrubber: removes the data of images that were deleted long enough ago.

One works at a time in each database; who restores an image is one of them. A daemon keeps the
others out for as long as it lives. The worker does so only during a pass, so that images can be
restored beside a running service.
"""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.leases import PATIENCE, Lease, Leases
from calotype.services.removal import Removal
from calotype.services.restores import LEASE, RUNNING

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """What one pass did: images without data now, and images that are left for the next one."""

    done: int = 0
    left: int = 0


class Scrubber:
    """Scrubs images `scrub_time` seconds after their delete, up to `threads` of them at once."""

    def __init__(
        self, deletes: Deletes, leases: Leases, removal: Removal, *, scrub_time: int, threads: int
    ) -> None:
        self._deletes = deletes
        self._leases = leases
        self._removal = removal
        self._scrub_time = scrub_time
        self._threads = threads

    @contextmanager
    def alone(self, patience: float = PATIENCE) -> Iterator[Lease]:
        """Keep all other scrubbers out while the block runs.

        Raises Conflict when there is one that does not end within `patience` seconds.
        """
        with self._leases.hold(LEASE, patience=patience, busy=RUNNING) as lease:
            yield lease

    def scrub(self, alone: Lease, stop: threading.Event) -> Scrubbed:
        """One pass, which `stop` ends after the images it is at.

        Raises ChangedMeanwhile when another one has taken over, DatabaseUnavailable.
        """
        self._leases.confirm(alone)
        pending = self._deletes.pending(self._scrub_time)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="scrubber") as pool:
            outcomes = list(pool.map(lambda each: not stop.is_set() and self._scrub(each), pending))
        done = Scrubbed(sum(outcomes), len(pending) - sum(outcomes))
        if done.left and not stop.is_set():
            LOG.warning("%d images cannot be scrubbed yet: trying again next time", done.left)
        return done

    def run(self, stop: threading.Event, *, interval: float, keep: bool) -> None:
        """Pass after pass until `stop`. `keep`: keep other scrubbers out between the passes, too.

        Raises Conflict with `keep` when there is another one, at the start or ever after.
        """
        while not stop.is_set():
            try:
                with self.alone(PATIENCE if keep else 0) as lease:
                    self._pass(lease, stop)
                    while keep and not stop.wait(interval):
                        self._pass(lease, stop)
            except errors.Conflict as error:
                if keep:
                    raise
                LOG.info("No scrubbing now: %s", error.message)
            except errors.DatabaseUnavailable as error:
                LOG.warning("No scrubbing now: %s", error.message)
            except Exception:  # the loop goes on whatever it met
                LOG.exception("Scrubbing failed; trying again later")
            stop.wait(interval)

    def _pass(self, alone: Lease, stop: threading.Event) -> None:
        try:
            self.scrub(alone, stop)
        except errors.ChangedMeanwhile as error:
            raise errors.Conflict(RUNNING) from error
        except errors.DatabaseUnavailable as error:
            LOG.warning("Scrubbing is cut short: %s", error.message)
        except Exception:  # the lease is kept whatever one pass met
            LOG.exception("Scrubbing failed; trying again later")

    def _scrub(self, image_id: str) -> bool:
        def confirm() -> None:
            # Whoever was asleep for longer than its leases live must not touch what another one
            # has restored meanwhile.
            self._leases.confirm(lease)

        try:
            with self._leases.hold(f"image:{image_id}") as lease:
                locations = self._deletes.locations(image_id)
                done = self._removal.finish(image_id, locations, confirm)
        except errors.Conflict as error:  # somebody else deals with it, or has done so
            LOG.info("Image %s is not scrubbed now: %s", image_id, error.message)
            return False
        if done:
            LOG.info("Image %s has been scrubbed", image_id)
        return done
