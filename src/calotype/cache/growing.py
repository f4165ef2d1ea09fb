"""A file that is filled by one process while any number of others read it.

Rule 1: it grows only while its filler holds a lock (flock) on it. The kernel gives the lock back
when the process dies, however it dies, so a file that is not locked and not finished is deserted.
Rule 2: how it ended is told by its permissions, which belong to the file whatever its name is.
Rule 3: nobody is given its last byte before it is known to be whole.
"""

import fcntl
import os
from contextlib import suppress
from enum import IntEnum

from calotype import errors


class State(IntEnum):
    """How a file stands: its permissions."""

    GROWING = 0o600
    WHOLE = 0o640
    #: What came is not what the digests of the image say.
    REFUSED = 0o700
    #: It cannot be finished here, for the want of room or of a source.
    GIVEN_UP = 0o710


class Unfinished(errors.StoreError):
    """This copy was given up before it was whole."""


def lock(fd: int) -> bool:
    """Take the lock on an open file, if nobody has it. Closing the file gives it back."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def state(fd: int) -> int:
    """How an open file stands; of no value of `State` if it is none of ours."""
    return os.fstat(fd).st_mode & 0o777


class Claim:
    """A new file that is ours to fill: locked, empty, and under its name in `incomplete/`."""

    def __init__(self, fd: int, path: str) -> None:
        self._fd = fd
        self._path = path

    def reader(self) -> "Followed":
        """The same file for one who reads it."""
        return Followed(os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))

    def write(self, block: bytes | memoryview) -> None:
        """Append a block. Raises OSError."""
        rest = memoryview(block)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def finish(self) -> None:
        """Say that the file is whole, and bring it to the disk. Raises OSError."""
        os.fchmod(self._fd, State.WHOLE)
        try:
            os.fsync(self._fd)
        except OSError:
            # What was read of it so far came from memory; the rest may be lost.
            os.fchmod(self._fd, State.REFUSED)
            raise

    def keep(self, path: str) -> None:
        """Give a finished file the name of an entry."""
        os.rename(self._path, path)

    def refuse(self, path: str) -> None:
        """Say that this is not the data of the image, and put it aside."""
        os.fchmod(self._fd, State.REFUSED)
        with suppress(FileNotFoundError):
            os.rename(self._path, path)

    def give_up(self) -> None:
        """Remove the file, so that those who read it go elsewhere for the rest."""
        if state(self._fd) == State.GROWING:
            os.fchmod(self._fd, State.GIVEN_UP)
        self.drop()

    def drop(self) -> None:
        """Remove the file; those who read it go on."""
        with suppress(FileNotFoundError):  # somebody has tidied up by hand
            os.unlink(self._path)

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._fd)


class Followed:
    """A file as one sees it who reads while it grows. `kept`: it is an entry, and whole."""

    def __init__(self, fd: int, *, kept: bool = False) -> None:
        self._fd = fd
        self._kept = kept

    def ready(self, size: int) -> int:
        """How many bytes of `size` may be read by now. Raises StoreUnavailable, Unfinished."""
        found = os.fstat(self._fd)
        mode = found.st_mode & 0o777
        if self._kept or mode == State.WHOLE:
            return found.st_size
        if mode == State.REFUSED:
            raise errors.StoreUnavailable("The data of this image does not match its digests")
        if mode == State.GIVEN_UP:
            raise Unfinished()
        return min(found.st_size, size - 1)

    def read(self, length: int, offset: int) -> bytes:
        """A part of what is ready."""
        return os.pread(self._fd, length, offset)

    def deserted(self) -> bool:
        """Whether its filler has died. After that the file is of no use but to be closed."""
        # Whoever fills it holds the lock until after it has said how it ended.
        return self.settled() and not self._kept and state(self._fd) == State.GROWING

    def settled(self) -> bool:
        """Whether its filler is done with it, in one way or another."""
        if self._kept:
            return True
        free = lock(self._fd)
        if free:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
        return free

    def close(self) -> None:
        """Close the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
