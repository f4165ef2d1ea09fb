"""How data is cut for S3: how large the parts are, and where one lies while it is sent.

A part is sent again when a connection breaks, so all of it must be there until the server has it:
in memory, or, where it is larger than MEMORY, in a temporary file.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from calotype import errors
from calotype.stores.s3_settings import MIB, SMALLEST_PART, S3Settings
from calotype.stores.store import Source

#: Bytes of one upload that may be in memory.
MEMORY = 40 * MIB
#: The limits of S3.
MOST_PARTS = 10_000
LARGEST_PART = 5 << 30
LARGEST_OBJECT = 5 << 40
#: With data of unknown size the parts double after so many: 10,000 of them hold 5 TiB then.
DOUBLED_AFTER = 900
#: Parts in files at once: one is filled while the other is sent.
_FILES = 2
_BLOCK = MIB
#: Seconds of waiting after which somebody wants to hear of it.
_PATIENCE = 10


@dataclass(frozen=True)
class Cut:
    """Into which parts data is cut. `size` None: unknown. `part`: bytes wanted for one."""

    size: int | None
    part: int
    memory: int = MEMORY

    def length(self, number: int) -> int:
        """The bytes of a part, counted from 1, all but the last one."""
        least = max(self.part, SMALLEST_PART)
        if self.size is None:
            return int(min(LARGEST_PART, least << ((number - 1) // DOUBLED_AFTER)))
        needed = -(-self.size // MOST_PARTS)
        return max(least, -(-needed // MIB) * MIB)

    def at_once(self, threads: int) -> int:
        """How many parts may be on their way: one, when nobody knows how many there will be."""
        if self.size is None:
            return 1
        return min(threads, self.memory // self.length(1) or _FILES)


#: A part on its way.
Part = bytearray | IO[bytes]


def take(source: Source, length: int, memory: int = MEMORY) -> Part:
    """The next bytes of a source, or a file of them at its beginning; empty at the source's end."""
    if length <= memory:
        return _in_memory(source, length)
    with ExitStack() as undo:
        part = undo.enter_context(tempfile.TemporaryFile())
        part.writelines(_pieces(source, length))
        if not part.tell():
            return bytearray()
        part.seek(0)
        undo.pop_all()
    return part


def _in_memory(source: Source, length: int) -> bytearray:
    """The bytes in one place from the start: to join pieces would need the room twice."""
    part, end = bytearray(length), 0
    for piece in _pieces(source, length):
        part[end : end + len(piece)] = piece
        end += len(piece)
    del part[end:]
    return part


def _pieces(source: Source, length: int) -> Iterator[bytes | memoryview]:
    while length and (piece := source.read(min(_BLOCK, length))):
        yield piece
        length -= len(piece)


def length_of(part: Part) -> int:
    """How many bytes a part has."""
    if isinstance(part, bytearray):
        return len(part)
    length = part.seek(0, 2)
    part.seek(0)
    return length


@contextmanager
def closing(part: Part) -> Iterator[None]:
    """Let go of a part behind the block."""
    try:
        yield
    finally:
        if not isinstance(part, bytearray):
            part.close()


def checksum(settings: S3Settings) -> dict[str, str]:
    """What a request says that is to carry a checksum."""
    return {"ChecksumAlgorithm": "CRC32"} if settings.checksums else {}


class Sending:
    """Work on several threads, of which no more than `at_once` is begun; use as a context manager.

    What one of them raises is raised by `begin` or `finish`; leaving waits for all that has begun.
    `waiting` is called now and then while one has to wait.
    """

    def __init__(self, at_once: int, waiting: Callable[[], None] = lambda: None) -> None:
        self._at_once = at_once
        self._waiting = waiting
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="s3")
        self._running: set[Future[Any]] = set()

    def __enter__(self) -> "Sending":
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def begin(self, work: Any, *arguments: Any) -> None:
        """Do this as soon as there is a place for it, which is waited for."""
        self._running.add(self._threads.submit(work, *arguments))
        self._reap(self._at_once - 1)

    def finish(self) -> None:
        """Wait for all that has begun."""
        self._reap(0)

    def _reap(self, most: int) -> None:
        while len(self._running) > most:
            done, self._running = wait(self._running, _PATIENCE, FIRST_COMPLETED)
            if not done:
                self._waiting()
            for future in done:
                future.result()


def ranges(size: int, cut: Cut) -> Iterator[tuple[int, int, int]]:
    """The parts of an object: their numbers from 1, where they begin and end, both in them."""
    length = cut.length(1)
    for number, start in enumerate(range(0, size, length), 1):
        yield number, start, min(size, start + length) - 1


def need_possible(size: int | None) -> None:
    """Raise StoreFull for more than an object can be."""
    if size is not None and size > LARGEST_OBJECT:
        raise errors.StoreFull(f"An S3 store holds objects up to {LARGEST_OBJECT} bytes")


def need_possible_number(part: int) -> None:
    """Raise StoreFull for more parts than an object can have."""
    if part > MOST_PARTS:
        raise errors.StoreFull(f"An S3 store holds objects of up to {MOST_PARTS} parts")
