"""A file that gets its name only when it is complete and on disk.

It is written under a temporary name in the folder of the final one, so that giving it its name
needs neither a copy nor a second file system, and is flushed before that: whatever moment the
power goes, a file under a final name is whole. A temporary name begins with a dot and carries the
key, so it is never taken for an image, and the sweeper can tell what it was meant for.
"""

import ctypes
import errno
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self

from calotype import errors
from calotype.stores import kernel_copy

LOG = logging.getLogger(__name__)

#: What temporary names look like: the key, then some random digits.
TEMPORARY = re.compile(r"\.calotype-(?P<key>.+)-[0-9a-f]{8}")
#: Bytes after which the kernel is told to begin writing them to the disk.
FLUSH_EVERY = 64 << 20

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NOT_NOW = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENODEV),
    *(errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EHOSTUNREACH),
}


@contextmanager
def translated(doing: str, path: str) -> Iterator[None]:
    """Raise the operating system's errors inside as StoreFull, StoreUnavailable or StoreError.

    The path goes to the log only: these errors are shown to users.
    """
    try:
        yield
    except OSError as error:
        LOG.warning("%s: %s: %s", path, doing, error)
        text = f"{doing}: {error.strerror or error}"
        if error.errno in _FULL:
            raise errors.StoreFull(f"The store has no room left for this data ({text})") from error
        if error.errno in _NOT_NOW:
            raise errors.StoreUnavailable(f"The store is not usable now ({text})") from error
        raise errors.StoreError(f"The store failed ({text})") from error


class AtomicFile:
    """A new file `folder`/`key`, there whole after `keep` and not at all without it.

    `mode`: its permissions, None to leave them to the umask. `durable` false leaves the flushing
    to the kernel. Use as a context manager: leaving without `keep` removes everything.
    All methods raise StoreFull, StoreUnavailable, StoreError.
    """

    def __init__(
        self, folder: str, key: str, *, mode: int | None = None, durable: bool = True
    ) -> None:
        self._folder = folder
        self._final = os.path.join(folder, key)
        self._temporary = os.path.join(folder, f".calotype-{key}-{secrets.token_hex(4)}")
        self._mode = mode
        self._durable = durable
        self._position = 0
        self._flushed = 0
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with translated("cannot create a file", folder):
            # With permissions of its own the file is closed to others until it has them.
            self._fd = os.open(self._temporary, flags, 0o666 if mode is None else 0o600)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, and remove the temporary name; after `keep` there is none any more."""
        with suppress(OSError):
            os.close(self._fd)
        with suppress(OSError):
            os.unlink(self._temporary)

    def write(self, block: bytes | memoryview) -> None:
        """Append a block."""
        with translated("cannot write", self._folder):
            rest = memoryview(block)
            while rest:
                written = os.pwrite(self._fd, rest, self._position)
                self._position += written
                rest = rest[written:]
            if self._durable and self._position - self._flushed >= FLUSH_EVERY:
                start_flush(self._fd, self._flushed, self._position - self._flushed)
                self._flushed = self._position

    def skip(self, length: int) -> None:
        """Append `length` zero bytes as a hole that takes no room."""
        self._position += length

    def copy_of(self, source: int, tell: Callable[[int], None]) -> None:
        """Fill the file, empty as yet, with another open file. Raises Unsupported."""
        with translated("cannot copy", self._folder):
            self._position = kernel_copy.copy(source, self._fd, tell)

    def keep(self) -> None:
        """Flush, then give the file its name. Raises DataExists when the name is taken."""
        with translated("cannot write", self._folder):
            os.ftruncate(self._fd, self._position)
            if self._mode is not None:
                os.fchmod(self._fd, self._mode)
            if self._durable:
                # Never tried again after a failure: the kernel may have dropped the data by then
                # and would report success.
                os.fsync(self._fd)
        with translated("cannot name a file", self._folder):
            try:
                # Unlike a rename, a link never replaces what is there.
                os.link(self._temporary, self._final)
            except FileExistsError as error:
                raise errors.DataExists() from error
        try:
            with translated("cannot write", self._folder):
                os.unlink(self._temporary)
                if self._durable:
                    flush_folder(self._folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(self._final)
            raise


def flush_folder(folder: str) -> None:
    """Bring the names in a folder to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_file_range() -> Callable[[int, int, int, int], int] | None:
    function = getattr(ctypes.CDLL(None), "sync_file_range", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
    return function


_SYNC_FILE_RANGE = _sync_file_range()
_SYNC_FILE_RANGE_WRITE = 2


def start_flush(fd: int, offset: int, length: int) -> None:
    """Have the kernel begin to write a part of a file to the disk; does not wait for it.

    It keeps the flush at the end short. Only that flush tells whether the data arrived, so this
    one's outcome does not matter, and neither does a platform that lacks it.
    """
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(fd, offset, length, _SYNC_FILE_RANGE_WRITE)
