"""Data that comes by a connection, block by block; goes on where it was when one breaks."""

import logging
from collections.abc import Callable, Iterator
from typing import Protocol

from calotype import errors

LOG = logging.getLogger(__name__)

#: Bytes given at a time.
BLOCK = 1 << 20
#: How often in a row a broken connection is replaced without a byte having come.
ATTEMPTS = 3


class Body(Protocol):
    """What a server sends."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; empty at the end."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


#: Asks for the data from a position (bytes) to an end, or to its own: a body and its length in
#: bytes, None where there is nothing at that position.
Ask = Callable[[int, int | None], tuple[Body, int] | None]


class Resumed(Iterator[bytes]):
    """Asks at once, so that what `ask` raises is known before the first block.

    `broken`: what a body raises whose connection broke, after which it is asked for the rest.
    """

    def __init__(
        self,
        ask: Ask,
        broken: tuple[type[BaseException], ...],
        offset: int,
        length: int | None,
        *,
        attempts: int = ATTEMPTS,
    ) -> None:
        self._ask = ask
        self._broken = broken
        self._position = offset
        self._end = None if length is None else offset + length
        self._attempts = attempts
        self._tries = 0
        self._body: Body | None = None
        self._left = 0
        self._begin()

    def __next__(self) -> bytes:
        while self._body is not None and self._left:
            try:
                block = self._body.read(min(BLOCK, self._left))
            except self._broken as error:
                self._begin_again(error)
                continue
            except BaseException:
                self.close()
                raise
            if block:
                self._position += len(block)
                self._left -= len(block)
                self._tries = 0
                return block
            self._begin_again(None)
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Let go of the connection, also before the end."""
        body, self._body = self._body, None
        if body is not None:
            body.close()

    def _begin(self) -> None:
        found = self._ask(self._position, self._end)
        if found is not None:
            self._body, self._left = found
            self._end = self._position + self._left

    def _begin_again(self, error: BaseException | None) -> None:
        self.close()
        self._tries += 1
        if self._tries > self._attempts:
            raise errors.StoreUnavailable(
                f"The store ended {self._left} bytes too early"
            ) from error
        LOG.info("A connection broke %d bytes before the end, reading on", self._left)
        self._begin()
        if self._body is None:
            raise errors.StoreError("The data became shorter while it was read")
