"""The reader that every upload goes through: it counts, limits, hashes and inspects what passes.

Blocks come from the body, are shown to the watchers, and only then handed to the store. The two
digests run on threads of their own beside the writer (hashlib frees the GIL), each at most QUEUED
blocks behind, so that the socket feels the slowest of them and memory stays bounded.

At the end of the data `read` itself decides: wrong size, refused format or a bad signature raise
*there*, inside the store's `put`, which then keeps nothing.
"""

import hashlib
import queue
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from calotype import errors

#: Bytes read from the body at a time: so many that handing them to the hashing threads is free.
BLOCK = 1 << 20
#: Blocks that may wait in front of each hashing thread.
QUEUED = 3


class Body(Protocol):
    """Where the data comes from, e.g. the body of a request."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, empty only at the end. Raises ClientGone when cut off."""
        ...


class Watcher(Protocol):
    """Something that looks at the data as it passes and may refuse it at the end."""

    def see(self, block: bytes) -> None:
        """Look at the next block, keep no more of it than needed; may refuse it already."""
        ...

    def finish(self) -> None:
        """The data is complete: raise if it is to be refused."""
        ...


@dataclass(frozen=True, slots=True)
class Facts:
    """What was learned about the data while it passed. Size in bytes, digests in lower-case hex."""

    size: int
    checksum: str | None
    os_hash_algo: str
    os_hash_value: str


class Hasher:
    """One digest, computed on a thread of its own once there is more than one block."""

    def __init__(self, algorithm: str) -> None:
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        self._queue: queue.Queue[bytes | None] = queue.Queue(maxsize=QUEUED)
        self._thread: threading.Thread | None = None
        self._first: bytes | None = None
        self._error: BaseException | None = None

    def see(self, block: bytes) -> None:
        """Take the next block; waits while QUEUED blocks are ahead of it."""
        if self._error is not None:
            raise self._error
        if self._thread is not None:
            self._queue.put(block)
        elif self._first is None:
            self._first = block
        else:
            self._thread = threading.Thread(target=self._work, name="hash", daemon=True)
            self._thread.start()
            self._queue.put(self._first)
            self._queue.put(block)
            self._first = None

    def hexdigest(self) -> str:
        """The digest of all blocks seen. Ends the thread; raises what went wrong on it."""
        self.close()
        if self._error is not None:
            raise self._error
        if self._first is not None:
            self._digest.update(self._first)
            self._first = None
        return self._digest.hexdigest()

    def close(self) -> None:
        """End the thread, after the blocks that wait."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (block := self._queue.get()) is not None:
            # After a failure the rest is only taken off the queue: a writer that waits in front
            # of it must wake up and learn of the failure.
            if self._error is None:
                try:
                    self._digest.update(block)
                except BaseException as error:
                    self._error = error


class Intake:
    """Reads `body` for a store, block by block, and knows at the end what passed.

    `declared`: the size the client promised, enforced while reading. `limit`: most bytes allowed,
    with `limit_name` for the message. Use as a context manager: leaving ends the hashing threads.
    """

    def __init__(
        self,
        body: Body,
        *,
        algorithm: str,
        md5: bool = True,
        declared: int | None = None,
        limit: int | None = None,
        limit_name: str = "the size limit",
        watchers: Iterable[Watcher] = (),
    ) -> None:
        self._body = body
        self._algorithm = algorithm
        self._secure = Hasher(algorithm)
        self._md5 = Hasher("md5") if md5 else None
        self._hashers = [h for h in (self._md5, self._secure) if h is not None]
        self._declared = declared
        self._limit = limit
        self._limit_name = limit_name
        self._watchers = tuple(watchers)
        bounds = [n for n in (declared, limit) if n is not None]
        self._most = max(0, min(bounds)) if bounds else None
        self._rest = memoryview(b"")
        self._ended = False
        self._error: BaseException | None = None
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for hasher in self._hashers:
            hasher.close()

    def read(self, size: int, /) -> memoryview:
        """Up to `size` bytes; empty at the end, which is reached only if nothing was wrong.

        Raises SizeMismatch, OverLimit, ClientGone, and whatever a watcher refuses with. What has
        failed once fails again in the same way, so a library that reads on cannot get past it.
        """
        if self._error is not None:
            raise self._error
        if not self._rest and not self._ended:
            try:
                self._rest = memoryview(self._next_block())
            except BaseException as error:
                self._error = error
                raise
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def facts(self) -> Facts:
        """What passed. Only after `read` came to the end; waits for the digests."""
        if not self._ended:
            raise errors.StoreError("The store stopped reading before the end of the data")
        return Facts(
            size=self.size,
            checksum=self._md5.hexdigest() if self._md5 else None,
            os_hash_algo=self._algorithm,
            os_hash_value=self._secure.hexdigest(),
        )

    def _next_block(self) -> bytes:
        block = self._gather()
        self.size += len(block)
        self._check_size(at_end=not block)
        if block:
            for hasher in self._hashers:
                hasher.see(block)
            for watcher in self._watchers:
                watcher.see(block)
        else:
            for watcher in self._watchers:
                watcher.finish()
            self._ended = True
        return block

    def _gather(self) -> bytes:
        """The next BLOCK bytes, fewer only at the end or when an excess byte has come."""
        # Some servers hand out a body in small pieces; handing those to threads would cost more
        # than hashing them. One byte more than allowed is enough to know.
        want = BLOCK if self._most is None else min(BLOCK, self._most - self.size + 1)
        block = self._body.read(want)
        if not block or len(block) >= want:
            return block
        pieces, have = [block], len(block)
        while have < want and (piece := self._body.read(want - have)):
            pieces.append(piece)
            have += len(piece)
        return b"".join(pieces)

    def _check_size(self, *, at_end: bool) -> None:
        declared = self._declared
        if declared is not None and self.size > declared:
            raise errors.SizeMismatch(
                f"Size exceeds: expected {declared} bytes, got {self.size} bytes or more"
            )
        if declared is not None and at_end and self.size < declared:
            raise errors.SizeMismatch(
                f"Size mismatch: expected {declared} bytes, got {self.size} bytes"
            )
        if self._limit is not None and self.size > self._limit:
            raise errors.OverLimit(
                f"The data is larger than {self._limit_name}, {self._limit} bytes"
            )


def blocks(source: Body, size: int = BLOCK) -> Iterator[bytes]:
    """Everything a body gives, as an iterator of blocks."""
    while block := source.read(size):
        yield block
