"""Reading through the cache: from here what is here, and once from the store what is not."""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import BinaryIO

from calotype import errors
from calotype.cache.books import Books
from calotype.cache.filling import Fill, Follower, Source
from calotype.cache.folder import Folder
from calotype.cache.growing import Claim, Followed
from calotype.model.cached import CachedImage
from calotype.model.image import Image

LOG = logging.getLogger(__name__)

#: Images that one process brings here at the same time; each takes some 8 MiB of memory.
FILLS = 16


class Reader:
    """What downloads ask before they go to a store."""

    def __init__(self, folder: Folder, books: Books) -> None:
        self._folder = folder
        self._books = books
        self._fills = threading.Semaphore(FILLS)

    def open(self, image: Image) -> BinaryIO | None:
        """The data of an image as an open file, if it is here. Counts as a use."""
        try:
            file = self._folder.open(image)
        except OSError as error:
            LOG.warning("The image cache cannot be read: %s", error)
            return None
        if file is not None:
            self._used(image)
        return file

    def follow(self, image: Image, source: Source) -> Iterator[bytes] | None:
        """The data of an image, while it is brought here; None when it cannot be kept here.

        Raises StoreError as the source does, StoreUnavailable for data that is not the image's.
        """
        follower = Follower(image, partial(self._join, image, source), source)
        return follower if follower.begun() else None

    def begin(self, image: Image, source: Source) -> None:
        """Begin to bring an image here. Raises StoreError as the source does."""
        followed = self._join(image, source)
        if followed is not None:
            followed.close()

    def fetch(self, image: Image, source: Source) -> bool:
        """Bring an image here, or wait until somebody has; whether it is here then."""
        if not image.size:
            return True
        follower = Follower(image, partial(self._join, image, source), source)
        try:
            return follower.begun() and follower.arrived()
        finally:
            follower.close()

    def _join(self, image: Image, source: Source) -> Followed | None:
        """The file in which an image comes here; without it, what brings it here is begun."""
        try:
            claim = self._folder.claim(image.id)
            if claim is None:
                return self._kept(image)
            return claim if isinstance(claim, Followed) else self._begin(image, source, claim)
        except OSError as error:
            LOG.warning("The image cache cannot be used: %s", error)
            return None

    def _kept(self, image: Image) -> Followed | None:
        file = self._folder.open(image)
        if file is None:
            return None
        with file:
            return Followed(os.dup(file.fileno()), kept=True)

    def _begin(self, image: Image, source: Source, claim: Claim) -> Followed | None:
        """Begin to fill a claimed file, if there is room for it and a source."""
        with ExitStack() as undo:
            undo.callback(claim.close)
            undo.callback(claim.give_up)
            if not self._fills.acquire(blocking=False):
                return None
            undo.callback(self._fills.release)
            blocks = self._blocks(image, source)
            if blocks is None:
                return None
            undo.callback(getattr(blocks, "close", lambda: None))
            followed = claim.reader()
            filling = Fill(claim, self._folder, image, source, blocks, self._arrived)
            threading.Thread(target=self._run, args=(filling,), name="cache", daemon=True).start()
            undo.pop_all()
            return followed

    def _blocks(self, image: Image, source: Source) -> Iterator[bytes] | None:
        if self._folder.room() < (image.size or 0):
            LOG.warning("The image cache has no room for image %s", image.id)
            return None
        return source.stream(0)

    def _run(self, filling: Fill) -> None:
        try:
            filling.run()
        finally:
            self._fills.release()

    def _arrived(self, image: Image) -> None:
        """Note an entry. Failing that it is served all the same, and noted later."""
        try:
            self._folder.unqueue(image.id)
            self._books.add(_entry(image, hits=0))
        except (errors.Error, OSError) as error:
            LOG.warning("Image %s: its place in the cache is not noted: %s", image.id, error)
        LOG.info("Image %s is in the cache", image.id)

    def _used(self, image: Image) -> None:
        try:
            if not self._books.used(image.id):
                self._books.add(_entry(image, hits=1))
        except (errors.Error, OSError) as error:
            LOG.warning("Image %s: this use of the cache is not counted: %s", image.id, error)


def _entry(image: Image, hits: int) -> CachedImage:
    moment = datetime.now(UTC).replace(tzinfo=None)
    return CachedImage(image.id, image.size or 0, moment, moment, hits, image.checksum)
