"""The folder of the cache, laid out as Glance has it.

    <folder>/<image id>              an entry: the whole data of an image, verified
    <folder>/incomplete/<image id>   an image on its way here
    <folder>/invalid/<image id>      what was no image's data after all
    <folder>/queue/<image id>        an empty file: the image is wanted here

Only who holds the lock on a file in `incomplete` gives it another name or none (`growing.py`).
All methods raise OSError when the folder cannot be used.
"""

import errno
import fcntl
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC

from calotype.cache import growing
from calotype.cache.growing import Claim, Followed, State
from calotype.model.image import Image

#: What entries are called; a file of the books may lie beside them.
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
#: How often a file may slip away while it is being claimed; more would be no coincidence.
TRIES = 100


class Folder:
    """The folder of one node's cache."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._incomplete = os.path.join(path, "incomplete")
        self._invalid = os.path.join(path, "invalid")
        self._queue = os.path.join(path, "queue")

    def prepare(self) -> None:
        """Make sure that it is there."""
        for folder in (self.path, self._incomplete, self._invalid, self._queue):
            os.makedirs(folder, exist_ok=True)

    # -- entries -------------------------------------------------------------------------------

    def open(self, image: Image) -> io.FileIO | None:
        """The data of an image as an open file; None, and no entry any more, if it is not here."""
        try:
            file = io.FileIO(self.entry(image.id), "rb", opener=_open)
        except FileNotFoundError:
            return None
        found = os.fstat(file.fileno())
        # An id can be given again, after the database was purged, to an image with other data.
        made = image.created_at.replace(tzinfo=UTC).timestamp()
        if stat.S_ISREG(found.st_mode) and found.st_size == image.size and found.st_mtime >= made:
            return file
        with file:
            if _is_called(file.fileno(), self.entry(image.id)):
                os.unlink(self.entry(image.id))
        return None

    def has(self, image: Image) -> bool:
        """Whether an image is here."""
        file = self.open(image)
        if file is not None:
            file.close()
        return file is not None

    def entry(self, image_id: str) -> str:
        """The path of an entry, whether it is there or not."""
        return _path(self.path, image_id)

    def entries(self) -> dict[str, os.stat_result]:
        """All entries by image id."""
        return dict(_files(self.path))

    def remove(self, image_id: str) -> int:
        """Remove an entry; returns its size, 0 if there was none."""
        path = self.entry(image_id)
        with suppress(FileNotFoundError):
            size = os.lstat(path).st_size
            os.unlink(path)
            return size
        return 0

    # -- what is on its way --------------------------------------------------------------------

    def claim(self, image_id: str) -> Claim | Followed | None:
        """The file in which an image comes here: ours to fill, or filled by somebody.

        None when it is here by now.
        """
        path = _path(self._incomplete, image_id)
        for _ in range(TRIES):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, State.GROWING)
            mine = growing.lock(fd)
            if not _is_called(fd, path):
                os.close(fd)
            elif not mine:
                return Followed(fd)
            elif os.fstat(fd).st_size or growing.state(fd) != State.GROWING:
                # Left by a process that died, maybe with the machine: nothing of it is trusted.
                os.unlink(path)
                os.close(fd)
            elif os.path.lexists(self.entry(image_id)):
                os.unlink(path)
                os.close(fd)
                return None
            else:
                return Claim(fd, path)
        raise OSError(f"{path} is taken away all the time")

    def invalid(self, image_id: str) -> str:
        """The path for what turned out not to be the data of an image."""
        return _path(self._invalid, image_id)

    def room(self) -> int:
        """How many bytes would fit in."""
        free = os.statvfs(self._incomplete)
        return free.f_bavail * free.f_frsize

    def clean(self, older_than: float) -> int:
        """Remove what is invalid, and what nobody has filled since then (epoch seconds)."""
        removed = 0
        for image_id, _ in _files(self._invalid):
            os.unlink(self.invalid(image_id))
            removed += 1
        for image_id, found in _files(self._incomplete):
            if found.st_mtime < older_than and self._remove_deserted(image_id):
                removed += 1
        return removed

    def _remove_deserted(self, image_id: str) -> bool:
        path = _path(self._incomplete, image_id)
        with suppress(FileNotFoundError), _opened(path) as fd:
            if growing.lock(fd) and _is_called(fd, path):
                os.unlink(path)
                return True
        return False

    # -- what is wanted ------------------------------------------------------------------------

    def queue(self, image_id: str) -> None:
        """Note that an image is wanted here."""
        with _opened(_path(self._queue, image_id), os.O_WRONLY | os.O_CREAT):
            pass

    def unqueue(self, image_id: str) -> bool:
        """Forget that it is wanted; whether it was."""
        try:
            os.unlink(_path(self._queue, image_id))
        except FileNotFoundError:
            return False
        return True

    def queued(self) -> list[str]:
        """What is wanted here, what was asked for first before the rest."""
        found = sorted(_files(self._queue), key=lambda file: (file[1].st_mtime, file[0]))
        return [image_id for image_id, _ in found]

    # -- one at a time -------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Wait until no other process tidies up here, and keep others from it."""
        with _opened(self.path, os.O_RDONLY | os.O_DIRECTORY) as fd:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield


def _path(folder: str, image_id: str) -> str:
    if not UUID.fullmatch(image_id):
        raise OSError(errno.EINVAL, "no id of an image", image_id)
    return os.path.join(folder, image_id)


def _files(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """The regular files in a folder that are named after images."""
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            found = os.lstat(os.path.join(folder, name))
            if UUID.fullmatch(name) and stat.S_ISREG(found.st_mode):
                yield name, found


def _is_called(fd: int, path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


@contextmanager
def _opened(path: str, flags: int = os.O_RDWR) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        yield fd
    finally:
        os.close(fd)


def _open(path: str, flags: int) -> int:
    # Not blocking: somebody may have put a pipe there.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
