"""Bytes to and from an image in Ceph, with several pieces under way at the same time."""

import struct
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from calotype import errors
from calotype.stores.rbd_library import rados
from calotype.stores.store import Source

#: Most bytes of one piece that is written.
PIECE = 4 << 20
#: Most bytes under way, for one image.
UNDER_WAY = 16 << 20
#: Bytes asked for at a time when reading, and how many such pieces at most. Larger ones are no
#: faster, but are given memory by each of the library's threads in turn, which keeps it.
READ, AHEAD = 1 << 20, 8
#: By how much an image of unknown size grows at first; doubled each time up to MOST_GROWTH.
FIRST_GROWTH, MOST_GROWTH = 64 << 20, 8 << 30
#: Over how much of an image one looks at a time for what holds data.
WINDOW = 1 << 30

Failed = Callable[[int], errors.StoreError]


def pieces(source: Source, size: int) -> Iterator[bytes]:
    """All that a source gives, in pieces of `size` bytes; only the last may be shorter."""
    gathered: list[bytes | memoryview] = []
    have = 0
    while block := source.read(size - have):
        gathered.append(block)
        have += len(block)
        if have == size:
            yield b"".join(gathered)
            gathered, have = [], 0
    if gathered:
        yield b"".join(gathered)


class Writer:
    """Fills a new image. `size`: what it has at first; it grows as needed and fits at the end.

    `room`: most bytes that may be written, None for any number. `thin`: leave out pieces of zeros.
    `failed` makes the error for an error number.
    """

    def __init__(
        self,
        image: Any,
        size: int,
        failed: Failed,
        *,
        piece: int,
        room: int | None = None,
        thin: bool = False,
    ) -> None:
        self.resizes = 0
        self._image = image
        self._size = size
        self._failed = failed
        self._most = max(1, UNDER_WAY // piece)
        self._room = room
        self._zeros = bytes(piece) if thin else b""
        self._growth = FIRST_GROWTH
        self._under_way: deque[Any] = deque()

    def write(self, piece: bytes, offset: int) -> None:
        """Begin to write a piece; waits while too many are under way. Raises StoreFull."""
        # A comparison of memory without a copy, over at the first byte that is not zero.
        if self._zeros.startswith(piece):
            return
        self._take_room(len(piece))
        self._reach(offset + len(piece))
        while len(self._under_way) >= self._most:
            self._land()
        # What is called at the end keeps the piece in memory until then, whatever happens here.
        self._under_way.append(self._image.aio_write(piece, offset, partial(_landed, piece)))

    def finish(self, size: int) -> None:
        """Wait until all is written, and make the image that long."""
        while self._under_way:
            self._land()
        if self._size != size:
            self._resize(size)

    def settle(self) -> None:
        """Wait until nothing is under way, whatever comes of it: before the image is closed."""
        try:
            while self._under_way:
                self._under_way.popleft().wait_for_complete_and_cb()
        finally:
            if self._under_way:  # interrupted; closing the image now would never end
                self.settle()

    def _land(self) -> None:
        completion = self._under_way.popleft()
        completion.wait_for_complete_and_cb()
        code = completion.get_return_value()
        if code < 0:
            raise self._failed(-code)

    def _take_room(self, length: int) -> None:
        if self._room is None:
            return
        self._room -= length
        if self._room < 0:
            raise errors.StoreFull("The pool has no room left, by its quota or its disks")

    def _reach(self, end: int) -> None:
        size = self._size
        while size < end:
            size += self._growth
            self._growth = min(2 * self._growth, MOST_GROWTH)
        if size != self._size:
            self._resize(size)

    def _resize(self, size: int) -> None:
        self._image.resize(size)
        self._size = size
        self.resizes += 1


class Reader(Iterator[tuple[int, bytes]]):
    """Reads ranges of an open image; gives pieces with their offsets, in order.

    An image that is deleted meanwhile reads as zeros, so each piece counts only if the snapshot is
    still there after it was read: it goes before any of the data does. Raises DataNotFound.
    """

    def __init__(
        self,
        pool: Any,
        image: Any,
        snapshot: str | None,
        ranges: Iterator[tuple[int, int]],
        failed: Failed,
    ) -> None:
        """`snapshot`: at which the image was opened; None when it is watched, so nobody deletes it.

        Pieces may be asked for only while `pool` and `image` are open.
        """
        self._image = image
        self._wanted = _split(ranges)
        self._failed = failed
        self._snapshot = _Snapshot(pool, image, snapshot) if snapshot else None
        self._under_way: deque[tuple[int, Any, list[bytes]]] = deque()

    def __next__(self) -> tuple[int, bytes]:
        self._read_ahead()
        if not self._under_way:
            raise StopIteration
        offset, completion, box = self._under_way.popleft()
        completion.wait_for_complete_and_cb()
        code = completion.get_return_value()
        if self._snapshot is not None:
            self._snapshot.require()
        if code < 0:
            raise self._failed(-code)
        return offset, box[0]

    def close(self) -> None:
        """Read no further, and wait until nothing is under way: before the image is closed."""
        self._wanted = iter(())
        try:
            while self._under_way:
                self._under_way.popleft()[1].wait_for_complete_and_cb()
        finally:
            if self._under_way:
                self.close()

    def _read_ahead(self) -> None:
        while len(self._under_way) < AHEAD:
            wanted = next(self._wanted, None)
            if wanted is None:
                return
            box: list[bytes] = []
            completion = self._image.aio_read(*wanted, partial(_arrived, box))
            self._under_way.append((wanted[0], completion, box))


class _Snapshot:
    """The snapshot of an open image that is read."""

    def __init__(self, pool: Any, image: Any, name: str) -> None:
        self._pool = pool
        self._id = image.snap_get_id(name)
        self._header = f"rbd_header.{image.id()}"

    def require(self) -> None:
        """Raise DataNotFound when it is not there any more."""
        try:
            # What librbd asks itself when it opens an image, at a fiftieth of the time of that.
            _, known = self._pool.execute(self._header, "rbd", "get_snapcontext", b"")
        except rados.ObjectNotFound:
            known = bytes(12)
        (count,) = struct.unpack_from("<I", known, 8)
        if self._id not in struct.unpack_from(f"<{count}Q", known, 12):
            raise errors.DataNotFound("The data was deleted while it was read")


def allocated(image: Any) -> Iterator[tuple[int, int]]:
    """Offset and length of all parts of an image that hold data."""
    size = image.size()
    for start in range(0, size, WINDOW):
        found: list[tuple[int, int]] = []

        def note(offset: int, length: int, exists: bool, to: list[Any] = found) -> None:
            if exists:
                to.append((offset, length))

        image.diff_iterate(start, min(WINDOW, size - start), None, note)
        yield from found


def _split(ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for start, length in ranges:
        position, end = start, start + length
        while position < end:
            # Up to the next border, so that no piece lies in more objects than it must.
            piece = min(READ - position % READ, end - position)
            yield position, piece
            position += piece


def _landed(piece: bytes, completion: Any) -> None:
    """A piece is written, or not: it need not stay in memory."""


def _arrived(box: list[bytes], completion: Any, data: bytes) -> None:
    box.append(data)
