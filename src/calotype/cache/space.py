"""Keeping the cache in order: what it may hold, and what nobody needs any more.

Of an entry the note goes first and the file after it, so a crash in between leaves a file without
a note, which is found again, and no note that names nothing.
"""

import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from calotype.cache.books import Books
from calotype.cache.folder import Folder
from calotype.model.cached import CachedImage

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken out of a cache."""

    files: int = 0
    bytes: int = 0


class Space:
    """What the folder of one node holds. All methods raise OSError and Error.

    `max_size`: bytes that pruning leaves. `stall_time`: seconds after which what has not come
    further is given up.
    """

    def __init__(self, folder: Folder, books: Books, *, max_size: int, stall_time: int) -> None:
        self._folder = folder
        self._books = books
        self._max_size = max_size
        self._stall_time = stall_time

    def entries(self) -> list[CachedImage]:
        """All images that are here."""
        return self._books.entries()

    def remove(self, image_id: str) -> int:
        """Take one image out; returns its bytes, 0 if it was not here."""
        self._books.remove(image_id)
        return self._folder.remove(image_id)

    def clear(self) -> int:
        """Take everything out; how many images that was."""
        noted = {entry.image_id for entry in self._books.entries()}
        here = noted | self._folder.entries().keys()
        for image_id in here:
            self.remove(image_id)
        return len(here)

    def prune(self) -> Pruned:
        """Take out what was used least recently, until the rest fits."""
        with self._folder.alone():
            self.compare()
            entries = sorted(self._books.entries(), key=lambda entry: entry.last_accessed)
            excess = sum(entry.size for entry in entries) - self._max_size
            files = taken = 0
            for entry in entries:
                if taken >= excess:
                    break
                self.remove(entry.image_id)
                files, taken = files + 1, taken + entry.size
        if files:
            LOG.info("Pruned the image cache of %d images, %d bytes", files, taken)
        return Pruned(files, taken)

    def clean(self, living: Callable[[Collection[str]], Collection[str]]) -> int:
        """Remove what is invalid, stalled, or of an image that is gone; how many that was.

        `living` tells which of some images there are.
        """
        with self._folder.alone():
            removed = self._folder.clean(time.time() - self._stall_time)
            # Asked before the rows are: an image that is here by now has had its row for long.
            here = {*self._folder.entries(), *self._folder.queued()}
            gone = here - set(living(here)) if here else set()
            for image_id in gone:
                self._folder.unqueue(image_id)
                removed += bool(self.remove(image_id))
            self.compare()
        return removed

    def take_over(self, entries: Iterable[CachedImage]) -> None:
        """Note what another driver had noted of images that are here and not noted yet."""
        noted = {entry.image_id for entry in self._books.entries()}
        missing = self._folder.entries().keys() - noted
        for entry in entries:
            if entry.image_id in missing:
                self._books.add(entry)

    def compare(self) -> None:
        """Make the notes say what is here: after a crash, or when Glance kept this folder."""
        # The notes first: whatever is noted has its file, and keeps it unless it is taken out.
        noted = {entry.image_id for entry in self._books.entries()}
        files = self._folder.entries()
        for image_id in noted - files.keys():
            self._books.remove(image_id)
        for image_id in files.keys() - noted:
            found = files[image_id]
            accessed, modified = _moment(found.st_atime), _moment(found.st_mtime)
            self._books.add(CachedImage(image_id, found.st_size, accessed, modified))


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)
