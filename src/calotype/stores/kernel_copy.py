"""Copies between files that the kernel makes: by sharing blocks where the file system can.

The bytes never come into this process. Holes stay holes.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator

from calotype import errors

#: The request FICLONE of Linux: make a file of the same blocks, copied only when one is changed.
FICLONE = 0x40049409
#: Bytes copied between two calls of `tell`.
PIECE = 32 << 20

#: What the kernel says where it cannot copy from one of the files to the other.
_CANNOT = {
    *(errno.EXDEV, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.ENOTTY),
    *(errno.EPERM, errno.ETXTBSY),
}


def copy(source: int, target: int, tell: Callable[[int], None]) -> int:
    """Copy an open file to an empty one; returns its size.

    `tell` hears after each piece how many bytes are done. Raises Unsupported when the kernel
    cannot do it, nothing being written then, and OSError.
    """
    size = os.fstat(source).st_size
    if not _clone(source, target):
        for start, end in _data(source, size):
            _copy_part(source, target, start, end, tell)
    tell(size)
    return size


def _clone(source: int, target: int) -> bool:
    try:
        fcntl.ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in _CANNOT:
            return False
        raise
    return True


def _copy_part(source: int, target: int, start: int, end: int, tell: Callable[[int], None]) -> None:
    while start < end:
        try:
            done = os.copy_file_range(source, target, min(PIECE, end - start), start, start)
        except OSError as error:
            if start == 0 and error.errno in _CANNOT:
                raise errors.Unsupported("The kernel cannot copy between these files") from error
            raise
        if done == 0:
            raise errors.StoreError("The file became shorter while it was copied")
        start += done
        tell(start)


def _data(source: int, size: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are no holes."""
    end = 0
    while end < size:
        try:
            start = os.lseek(source, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(source, start, os.SEEK_HOLE)
        yield start, end
