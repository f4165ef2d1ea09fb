"""A file that is filled over several connections at once, and hashed in order as it fills."""

import os
import threading
import time
from collections.abc import Callable
from functools import partial

from calotype_client.errors import Error
from calotype_client.segments import BLOCK, Mirrors, Segment
from calotype_client.wire import Progress

MIB = 1 << 20
#: A segment is at least so large: less would not be worth a request.
SMALLEST = 16 * MIB
#: And at most so large: the digest is never far behind what has come.
LARGEST = 128 * MIB
#: How many segments each connection reads, so that a slow one does not hold up the end.
TURNS = 4
#: Connections, when nobody says how many.
USUAL = 4
#: Seconds for which one connection alone is watched then.
WATCHED = 2.0
#: Seconds that must be left for more to be worth it.
WORTH = 5.0
#: Seconds after which we look at it, though nothing came.
LOOK = 1.0

Update = Callable[[memoryview], object]


class ParallelDownload:
    """One download. Workers read one segment after the other; they take them in order.

    The caller's thread reads back what is there without a gap, for the digest, and tells the
    progress. `connections` None: one that reads it all, and more if the digest waits for that one.
    """

    def __init__(self, mirrors: Mirrors, file: int, size: int, connections: int | None) -> None:
        self._mirrors = mirrors
        self._file = file
        self._size = size
        self._connections = connections or USUAL
        self._alone = connections is None
        self._length = size if self._alone else self._length_of(size)
        self._changed = threading.Condition()
        self._taken = 0
        self._came = 0
        #: What each worker reads, up to where that is written, and its own descriptor of the file:
        #: one that is left behind in the middle must not write into what has ours later.
        self._segments: dict[int, Segment] = {}
        self._written: dict[int, int] = {}
        self._files: dict[int, int] = {}
        self._failure: BaseException | None = None
        self._room = memoryview(bytearray(BLOCK))
        self._began = time.monotonic()
        self._waited = 0.0

    def fill(self, update: Update, progress: Progress) -> None:
        """Bring all of it here; `update` is given it in order. Raises as `Segment.read`."""
        try:
            self._start()
            at, told = 0, 0
            while at < self._size:
                ready, came = self._wait(at, told)
                progress(came - told)
                told = came
                if ready > at:
                    update(self._back(at, ready))
                    at = min(ready, at + BLOCK)
                if self._slow():
                    self._spread()
        finally:
            self._stop()

    # -- in the caller's thread ------------------------------------------------------------------

    def _start(self) -> None:
        """Begin with one connection: it shows whether there can be more."""
        first = self._take(0)
        if first is None:
            return
        parts = first.begin()
        if not parts:
            first.end_at(self._size)
            self._taken = self._size
        self._launch(0, first)
        for number in range(1, self._connections if parts else 1):
            self._launch(number, self._take(number))

    def _slow(self) -> bool:
        """Whether the only connection keeps us waiting, with much still to come."""
        if not self._alone:
            return False
        took = time.monotonic() - self._began
        left = self._size - self._came
        return (
            took >= WATCHED
            and self._waited > took / 2
            and left >= 2 * SMALLEST
            and left * took > WORTH * self._came
        )

    def _spread(self) -> None:
        """Leave the rest to more connections, if parts can be had."""
        self._alone = False
        with self._changed:
            if 0 not in self._written:
                return
            at = self._written[0]
            self._length = self._length_of(self._size - at)
            border = self._taken = min(self._size, at + self._length)
            second = self._take(1)
        if second is None:
            return
        parts = second.begin()
        with self._changed:
            # Whoever is on the way to the border may have read a block already.
            if not parts or self._written.get(0, border) > border - 2 * BLOCK:
                del self._written[1]
                self._taken = self._size
                second.close()
                return
            self._segments[0].end_at(border)
        self._launch(1, second)
        for number in range(2, self._connections):
            self._launch(number, self._take(number))

    def _launch(self, number: int, segment: Segment | None) -> None:
        if segment is not None:
            self._files[number] = os.dup(self._file)
            threading.Thread(target=self._work, args=(number, segment), daemon=True).start()

    def _wait(self, at: int, told: int) -> tuple[int, int]:
        """Up to where all is there, and how much came; waits a while for one to become more."""
        began = time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._news(at, told), LOOK)
            self._waited += time.monotonic() - began
            if self._failure:
                raise self._failure
            return self._ready(), self._came

    def _news(self, at: int, told: int) -> bool:
        return bool(self._failure) or self._came > told or self._ready() > at

    def _ready(self) -> int:
        return min([self._taken, *self._written.values()])

    def _back(self, begin: int, end: int) -> memoryview:
        block = self._room[: end - begin]
        if os.preadv(self._file, [block], begin) < len(block):
            raise Error("Somebody else has changed the file")
        return block

    def _stop(self) -> None:
        with self._changed:
            self._failure = self._failure or Error("The download has ended")
        for segment in self._segments.values():
            segment.stop()

    # -- in the threads of the workers -------------------------------------------------------------

    def _work(self, number: int, segment: Segment | None) -> None:
        try:
            while segment is not None:
                segment.read()
                segment = self._take(number)
        except BaseException as error:
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify()
        finally:
            os.close(self._files.pop(number))

    def _take(self, number: int) -> Segment | None:
        """The next segment, for a worker; none when all are taken."""
        with self._changed:
            begin, end = self._taken, min(self._size, self._taken + self._length)
            if begin == end or self._came >= self._size or self._failure:
                self._written.pop(number, None)
                self._changed.notify()
                return None
            self._taken, self._written[number] = end, begin
            segment = Segment(self._mirrors, number, begin, end, partial(self._put, number))
            self._segments[number] = segment
            return segment

    def _put(self, number: int, at: int, block: memoryview) -> None:
        size = len(block)
        while block:
            count = os.pwrite(self._files[number], block, at)
            block, at = block[count:], at + count
        with self._changed:
            self._written[number] = at
            self._came += size
            self._changed.notify()

    def _length_of(self, size: int) -> int:
        """How long the segments of so much are."""
        return min(LARGEST, max(SMALLEST, size // (self._connections * TURNS)))
