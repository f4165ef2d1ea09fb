"""What stores are fed with in the tests: data that can be made again, and sources that fail."""

import random
from collections.abc import Callable

#: One MiB and a bit of fixed noise; odd, so that no block boundary falls together with its end.
NOISE = random.Random(20).randbytes((1 << 20) + 17)


def content(size: int, shift: int = 0) -> bytes:
    """`size` bytes, always the same ones for the same shift."""
    shift %= len(NOISE)
    return (NOISE[shift:] + NOISE * (size // len(NOISE) + 1))[:size]


class Stream:
    """Gives `data` in pieces of at most `piece` bytes; at `fail_at` bytes it raises `error`."""

    def __init__(
        self,
        data: bytes,
        *,
        piece: int = 1 << 20,
        fail_at: int | None = None,
        error: BaseException | None = None,
    ) -> None:
        self._data = memoryview(data)
        self._piece = piece
        self._fail_at = fail_at
        self._error = error
        self.position = 0

    def read(self, size: int, /) -> memoryview:
        if self._error is not None and self._fail_at == self.position:
            raise self._error
        end = min(len(self._data), self.position + min(size, self._piece))
        if self._fail_at is not None and self.position < self._fail_at:
            end = min(end, self._fail_at)
        piece = self._data[self.position : end]
        self.position = end
        return piece


class Gated:
    """Gives `data` like Stream, but calls `gate` before each piece."""

    def __init__(self, data: bytes, gate: Callable[[], object]) -> None:
        self._stream = Stream(data, piece=len(data) // 2 or 1)
        self._gate = gate

    def read(self, size: int, /) -> memoryview:
        self._gate()
        return self._stream.read(size)


class Long:
    """Much data that is nowhere: of every `every` MiB one holds noise, the others zeros."""

    def __init__(self, size: int, *, every: int) -> None:
        self.size = size
        self.every = every
        self._position = 0

    def read(self, size: int, /) -> bytes:
        size = min(size, _MIB - self._position % _MIB, self.size - self._position)
        block = self.at(self._position, size)
        self._position += size
        return block

    def at(self, offset: int, length: int) -> bytes:
        """A part of it."""
        pieces, end = [], min(offset + length, self.size)
        while offset < end:
            number, inside = divmod(offset, _MIB)
            piece = self._mib(number)[inside : inside + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _mib(self, number: int) -> bytes:
        if number % self.every:
            return _ZEROS
        shift = number % len(NOISE)
        return (NOISE[shift:] + NOISE)[:_MIB]


_MIB = 1 << 20
_ZEROS = bytes(_MIB)
