"""A digest that is calculated beside the work, in a thread of its own."""

import hashlib
import queue
import threading
from types import TracebackType
from typing import Any, Self

from calotype_client.model import Image

#: How many blocks may wait to be hashed.
BLOCKS = 8


class Digest:
    """The digest of all blocks that `put` was given; without an algorithm, nothing.

    Signals raise exceptions anywhere. `queue.Queue` can be left by one so that a waiting thread is
    never woken; a `SimpleQueue` cannot, but has no bound: `_room` is the one of `_blocks`.
    """

    def __init__(self, algorithm: str | None) -> None:
        self._hash: Any = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
        self._blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(BLOCKS):
            self._room.put(None)
        self._thread = threading.Thread(target=self._work, name="digest", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._blocks.put(b"")
        self._thread.join()

    def put(self, block: bytes) -> None:
        """Have a block hashed; waits while too many are waiting."""
        if block:
            self._room.get()
            self._blocks.put(block)

    def hexdigest(self) -> str | None:
        """The digest; after the end of `with`."""
        return None if self._hash is None else str(self._hash.hexdigest())

    def _work(self) -> None:
        while block := self._blocks.get():
            if self._hash is not None:
                self._hash.update(block)
            self._room.put(None)


def expected(image: Image) -> tuple[str | None, str | None]:
    """Algorithm and digest by which the data of an image can be judged here, if any."""
    algorithm, value = image.os_hash_algo, image.os_hash_value
    if algorithm and value and algorithm in hashlib.algorithms_available:
        return algorithm, value
    return ("md5", image.checksum) if image.checksum else (None, None)
