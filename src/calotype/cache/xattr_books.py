"""The driver `xattr`: notes on the files themselves, as Glance keeps them.

The hits are the extended attribute `user.hits`; the last use is the time of access of the file, the
rest what the file system says of it.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from calotype.cache.folder import Folder
from calotype.model.cached import CachedImage

HITS = "user.hits"
_TRY = "user.calotype_try"


class XattrBooks:
    """Notes on the entries of a folder. All methods raise OSError."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def check(self) -> None:
        """Return if the file system keeps such attributes, else raise OSError."""
        os.setxattr(self._folder.path, _TRY, b"")
        os.removexattr(self._folder.path, _TRY)

    def add(self, entry: CachedImage) -> None:
        """Note an entry, whose file must be there."""
        with self._opened(entry.image_id) as fd:
            os.setxattr(fd, HITS, str(entry.hits).encode())
            os.utime(fd, (_epoch(entry.last_accessed), _epoch(entry.last_modified)))

    def used(self, image_id: str) -> bool:
        """Count a use of an entry; False when there is no note of it."""
        with self._opened(image_id) as fd:
            hits = _hits(fd)
            if hits is None:
                return False
            os.setxattr(fd, HITS, str(hits + 1).encode())
            os.utime(fd, (datetime.now(UTC).timestamp(), os.fstat(fd).st_mtime))
            return True

    def remove(self, image_id: str) -> None:
        """Nothing: the notes go with the file."""

    def entries(self) -> list[CachedImage]:
        """All entries that have notes."""
        return list(self._noted())

    def _noted(self) -> Iterator[CachedImage]:
        for image_id, found in sorted(self._folder.entries().items()):
            try:
                hits = _hits(self._folder.entry(image_id))
            except FileNotFoundError:
                continue
            if hits is not None:
                accessed, modified = _moment(found.st_atime), _moment(found.st_mtime)
                yield CachedImage(image_id, found.st_size, accessed, modified, hits)

    @contextmanager
    def _opened(self, image_id: str) -> Iterator[int]:
        """An entry, for one process at a time."""
        # The lock on the file itself belongs to whoever is bringing it here, who notes it too.
        path, turn = self._folder.entry(image_id), os.path.join(self._folder.path, "queue")
        with _fd(turn, os.O_DIRECTORY) as other, _fd(path, os.O_NOFOLLOW) as fd:
            fcntl.flock(other, fcntl.LOCK_EX)
            yield fd


@contextmanager
def _fd(path: str, flags: int) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        yield fd
    finally:
        os.close(fd)


def _hits(file: int | str) -> int | None:
    try:
        text = os.getxattr(file, HITS)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return None
        raise
    return int(text) if text.isdigit() else 0


def _epoch(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)
