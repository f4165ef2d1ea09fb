"""Reads images again and compares their data with what is recorded. Changes nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from calotype import errors
from calotype.db.images import Images
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.stores.catalog import Catalog
from calotype.worker.digesting import MIB, digests, known

#: The statuses in which an image has data.
WITH_DATA = (Status.ACTIVE, Status.DEACTIVATED)
#: How often an image is read again because it was changed while it was read.
ATTEMPTS = 3
#: Seconds for which a rate may be exceeded to catch up.
CREDIT = 1.0


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found of one image. `bytes`: what was read of all copies together.

    `compared`: whether a digest is recorded at all; without one only the size is compared.
    """

    image_id: str
    copies: int
    bytes: int
    compared: bool
    problems: tuple[str, ...] = ()


class Pace:
    """Keeps reading at or below a rate in MiB/s; None is as fast as it goes."""

    def __init__(
        self,
        rate: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._due = clock()

    def spend(self, size: int) -> None:
        """Wait until `size` bytes more may have been read."""
        if self._rate is None:
            return
        # What was not used of the more distant past is gone: no burst follows a slow store.
        self._due = max(self._due, self._clock() - CREDIT) + size / MIB / self._rate
        self._sleep(max(0.0, self._due - self._clock()))


class Verifier:
    """Verifies one image at a time."""

    def __init__(self, images: Images, stores: Catalog, pace: Pace) -> None:
        self._images = images
        self._stores = stores
        self._pace = pace

    def verify(self, image_id: str) -> Verified:
        """Every copy of an image against its size and digests.

        Raises ImageNotFound, Conflict when the image has no data in its status.
        """
        for _ in range(ATTEMPTS):
            image = self._images.get(image_id)
            found = self._verify(image)
            # What was changed while it was read proves nothing.
            if not found.problems or _claims(self._images.get(image_id)) == _claims(image):
                return found
        return found

    def _verify(self, image: Image) -> Verified:
        if image.status not in WITH_DATA:
            raise errors.Conflict(f"Image {image.id} is {image.status.value}: it has no data")
        recorded = _recorded(image)
        read, problems = 0, []
        for location in self._stores.ordered(image.locations):
            size, found = self._verify_copy(image, location, recorded)
            read += size
            problems += [f"{self._where(location)}: {problem}" for problem in found]
        if not image.locations:
            problems.append("it has no copy in any store")
        return Verified(image.id, len(image.locations), read, bool(recorded), tuple(problems))

    def _verify_copy(
        self, image: Image, location: Location, recorded: dict[str, str]
    ) -> tuple[int, list[str]]:
        try:
            blocks = self._stores.holding(location).read(location)
            size, found = digests(blocks, recorded, lambda block: self._pace.spend(len(block)))
        except errors.StoreError as error:
            return 0, [f"cannot be read: {error}"]
        problems = [
            f"{algorithm} is {found[algorithm]}, recorded is {digest}"
            for algorithm, digest in recorded.items()
            if found[algorithm] != digest
        ]
        if size != image.size:
            problems.insert(0, f"it has {size} bytes, recorded are {image.size}")
        return size, problems

    def _where(self, location: Location) -> str:
        return f"store {self._stores.id_of(location) or 'unknown'}"


def _recorded(image: Image) -> dict[str, str]:
    pairs = (("md5", image.checksum), (image.os_hash_algo, image.os_hash_value))
    return {name: value.lower() for name, value in pairs if name and value and known(name)}


def _claims(image: Image) -> object:
    return image.size, _recorded(image), image.locations
