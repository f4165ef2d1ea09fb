"""Takes the data of an import into its stores, with as few bytes moved as can be.

A file that lies on the file system of a store just gets a second name there. What is copied from
file to file the kernel copies; only the rest is read here. Nothing counts before the image's row
names it, so whatever a crash leaves is found under the image's id and replaced.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO, Protocol

from calotype import errors
from calotype.db.images import Images
from calotype.model.image import Image
from calotype.model.location import Location
from calotype.services.staging import Staging
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.store import Finds, OpensFiles, Store, TakesFiles
from calotype.streams import Intake

LOG = logging.getLogger(__name__)

Tell = Callable[[int], None]


class Source(Protocol):
    """Data on its way to a store."""

    size: int
    #: A file that one store may make its own; None once it has.
    path: str | None

    def file(self) -> BinaryIO | None:
        """The data as an open file, None when it is none."""
        ...

    def put(self, store: Store, key: str, tell: Tell) -> Location:
        """Read the data into a store."""
        ...


class StagedSource:
    """The staged data of an image."""

    def __init__(self, staging: Staging, key: str, size: int) -> None:
        self._staging = staging
        self._key = key
        self.path: str | None = staging.path(key)
        self.size = size

    def file(self) -> BinaryIO | None:
        """The staged file."""
        return self._staging.open(self._key)

    def put(self, store: Store, key: str, tell: Tell) -> Location:
        """Read the staged file into a store."""
        with self._staging.open(self._key) as file:
            return store.put(key, _Blocks(iter(lambda: file.read(_BLOCK), b""), tell), self.size)


class StoredSource:
    """The data that an image has in some store. Raises DataNotFound when no copy can be read."""

    path: str | None = None

    def __init__(self, stores: Catalog, image: Image) -> None:
        self._stores = stores
        self._image = image
        self.size = image.size or 0

    def file(self) -> BinaryIO | None:
        """The first copy that is a file and whole."""
        for location in self._stores.ordered(self._image.locations):
            store = self._holding(location)
            if isinstance(store, OpensFiles):
                with suppress(errors.StoreError):
                    file = store.open(location)
                    if os.fstat(file.fileno()).st_size == self.size:
                        return file
                    file.close()
        return None

    def put(self, store: Store, key: str, tell: Tell) -> Location:
        """Read a copy into a store, comparing it with what is recorded of it."""
        trouble: errors.Error = errors.DataNotFound("The image has no data")
        for location in self._stores.ordered(self._image.locations):
            try:
                blocks = self._stores.holding(location).read(location)
            except errors.StoreError as error:
                LOG.warning("Image %s: a copy cannot be read: %s", self._image.id, error)
                trouble = error
                continue
            return self._compared(store, key, _Blocks(blocks, tell))
        raise trouble

    def _compared(self, store: Store, key: str, body: "_Blocks") -> Location:
        recorded = self._image.os_hash_value
        algorithm = (self._image.os_hash_algo if recorded else None) or "sha256"
        with Intake(body, algorithm=algorithm, md5=False, declared=self.size) as intake:
            location = store.put(key, intake, self.size)
            if recorded in (None, intake.facts().os_hash_value):
                return location
        store.delete(location)
        raise errors.Conflict("stored data does not match its recorded hash")

    def _holding(self, location: Location) -> Store | None:
        with suppress(errors.StoreError):
            return self._stores.holding(location)
        return None


class Delivery:
    """Brings data to stores, and takes away what has been brought in vain."""

    def __init__(self, images: Images, stores: Catalog) -> None:
        self._images = images
        self._stores = stores

    def bring(self, image: Image, source: Source, store_id: str, tell: Tell) -> Location:
        """Keep the data in a store; where it lies there, as the image's row is to say it.

        Replaces what a crash left. Raises what `Store.put` does.
        """
        entry = self._stores.entry(store_id)
        try:
            place = _bring(entry.store, image.id, source, tell)
        except errors.DataExists as found:
            if not found.url or not self._is_leftover(entry, image, Location(found.url)):
                raise
            LOG.warning("Image %s: replacing what a crash left in store %s", image.id, store_id)
            entry.store.delete(Location(found.url))
            place = _bring(entry.store, image.id, source, tell)
        size = entry.store.size(place)
        if size != source.size:
            entry.store.delete(place)
            raise errors.StoreError(f"The store kept {size} bytes of {source.size}")
        return self._labelled(place, entry)

    def take_away(self, image_id: str, image: Image | None, store_ids: Sequence[str]) -> None:
        """Remove what lies in stores for an image and no row names. What fails is logged."""
        for store_id in store_ids:
            try:
                self._take_away(self._stores.entry(store_id), image_id, image)
            except errors.DatabaseUnavailable:
                raise
            except errors.Error as error:
                LOG.error("Image %s: data is left in store %s: %s", image_id, store_id, error)

    def _take_away(self, entry: Entry, image_id: str, image: Image | None) -> None:
        if not isinstance(entry.store, Finds):
            return
        found = entry.store.find(image_id)
        if found is not None and self._is_leftover(entry, image, found):
            entry.store.delete(found)

    def _is_leftover(self, entry: Entry, image: Image | None, found: Location) -> bool:
        """Whether data under the image's id is none that any row names, by whatever path."""
        if self._images.named([found.url]):
            return False
        mine = Location(found.url, {"store": entry.id})
        return not any(self._same(mine, it) for it in (image.locations if image else ()))

    def _same(self, one: Location, other: Location) -> bool:
        """Whether two urls are, or may be, those of the same data."""
        if one.url == other.url:
            return True
        first, second = self._stores.holding(one), self._stores.holding(other)
        if not (isinstance(first, OpensFiles) and isinstance(second, OpensFiles)):
            return first is second
        try:
            with first.open(one) as here, second.open(other) as there:
                return os.path.sameopenfile(here.fileno(), there.fileno())
        except errors.StoreError:
            return True

    def _labelled(self, place: Location, entry: Entry) -> Location:
        if not self._stores.multi:
            return place
        return Location(place.url, {**place.metadata, "store": entry.id})


_BLOCK = 1 << 20


class _Blocks:
    """Blocks as something to read from, telling how much has been read."""

    def __init__(self, blocks: Iterator[bytes], tell: Tell) -> None:
        self._blocks = blocks
        self._tell = tell
        self._rest = b""
        self._size = 0

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = next(self._blocks, b"")
            self._size += len(self._rest)
            self._tell(self._size)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def _bring(store: Store, key: str, source: Source, tell: Tell) -> Location:
    if isinstance(store, TakesFiles):
        with suppress(errors.Unsupported):
            if source.path is not None:
                place = store.adopt(key, source.path)
                source.path = None  # further stores get copies of their own
                return place
        with suppress(errors.Unsupported):
            file = source.file()
            if file is not None:
                with file:
                    return store.copy_file(key, file, tell)
    return source.put(store, key, tell)
