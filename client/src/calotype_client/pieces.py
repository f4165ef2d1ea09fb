"""A file that is filled over several connections at once, and hashed in order as it fills."""

import os
import threading
from collections.abc import Callable
from functools import partial

from calotype_client.errors import Error
from calotype_client.reading import Places, Stretch
from calotype_client.wire import BLOCK, Progress

MIB = 1 << 20
#: A piece is at least so large: less would not be worth a request.
SMALLEST = 16 * MIB
#: And at most so large: the digest is never far behind what has come.
LARGEST = 128 * MIB
#: How many pieces each connection reads, so that a slow one does not hold up the end.
TURNS = 4

Update = Callable[[bytes], object]


def worthwhile(size: int, connections: int) -> bool:
    """Whether an image has enough for more than one connection."""
    return connections > 1 and size >= 2 * SMALLEST


class Pieces:
    """One download. Workers read one piece after the other; they take them in order.

    The caller's thread reads back what is there without a gap, for the digest, and tells the
    progress.
    """

    def __init__(self, places: Places, file: int, size: int, connections: int) -> None:
        self._places = places
        self._file = file
        self._size = size
        self._length = min(LARGEST, max(SMALLEST, size // (connections * TURNS)))
        self._connections = connections
        self._changed = threading.Condition()
        self._taken = 0
        self._came = 0
        #: What each worker reads, up to where that is written, and its own descriptor of the file:
        #: one that is left behind in the middle must not write into what has ours later.
        self._stretches: dict[int, Stretch] = {}
        self._written: dict[int, int] = {}
        self._files: dict[int, int] = {}
        self._failure: BaseException | None = None

    def fill(self, update: Update, progress: Progress) -> None:
        """Bring all of it here; `update` is given it in order. Raises as `Stretch.read`."""
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
        finally:
            self._stop()

    def _start(self) -> None:
        """Begin with one connection: it shows whether there can be more."""
        first = self._take(0)
        if first is not None and not first.begin():
            first.extend(self._size)
            self._taken = self._size
        for number in range(self._connections):
            stretch = self._take(number) if number else first
            if stretch is not None:
                self._files[number] = os.dup(self._file)
                threading.Thread(target=self._work, args=(number, stretch), daemon=True).start()

    def _take(self, number: int) -> Stretch | None:
        """The next piece, for a worker; none when all are taken."""
        with self._changed:
            begin, end = self._taken, min(self._size, self._taken + self._length)
            if begin == end or self._failure:
                self._written.pop(number, None)
                self._changed.notify()
                return None
            self._taken, self._written[number] = end, begin
            stretch = Stretch(self._places, number, begin, end, partial(self._put, number))
            self._stretches[number] = stretch
            return stretch

    def _work(self, number: int, stretch: Stretch | None) -> None:
        try:
            while stretch is not None:
                stretch.read()
                stretch = self._take(number)
        except BaseException as error:
            with self._changed:
                self._failure = self._failure or error
                self._changed.notify()
        finally:
            os.close(self._files.pop(number))

    def _put(self, number: int, at: int, block: bytes) -> None:
        rest = memoryview(block)
        while rest:
            count = os.pwrite(self._files[number], rest, at)
            rest, at = rest[count:], at + count
        with self._changed:
            self._written[number] = at
            self._came += len(block)
            self._changed.notify()

    def _wait(self, at: int, told: int) -> tuple[int, int]:
        """Up to where all is there, and how much came: when one of both has become more."""
        with self._changed:
            while True:
                if self._failure:
                    raise self._failure
                ready = min([self._taken, *self._written.values()])
                if ready > at or self._came > told:
                    return ready, self._came
                self._changed.wait()

    def _back(self, begin: int, end: int) -> bytes:
        block = os.pread(self._file, min(BLOCK, end - begin), begin)
        if len(block) < min(BLOCK, end - begin):
            raise Error("Somebody else has changed the file")
        return block

    def _stop(self) -> None:
        with self._changed:
            self._failure = self._failure or Error("The download has ended")
        for stretch in self._stretches.values():
            stretch.stop()
