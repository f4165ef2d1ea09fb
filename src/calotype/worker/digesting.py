"""Digests of data that is read from a store: several in one read, each on a thread of its own."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack

from calotype.streams import Hasher

MIB = 1 << 20


def known(algorithm: str | None) -> bool:
    """Whether digests of that algorithm can be computed here."""
    if not algorithm:
        return False
    try:
        return hashlib.new(algorithm, usedforsecurity=False).digest_size > 0
    except ValueError:
        return False


def digests(
    blocks: Iterator[bytes], algorithms: Collection[str], see: Callable[[bytes], None]
) -> tuple[int, dict[str, str]]:
    """How many bytes there are, and their digests by algorithm. Ends the iterator in any case.

    `see` is shown each block first and may end it all by raising.
    """
    size = 0
    with ExitStack() as ends:
        if hasattr(blocks, "close"):
            ends.callback(blocks.close)
        hashers = {algorithm: Hasher(algorithm) for algorithm in algorithms}
        for hasher in hashers.values():
            ends.callback(hasher.close)
        for block in blocks:
            see(block)
            size += len(block)
            for hasher in hashers.values():
                hasher.see(block)
        return size, {algorithm: hasher.hexdigest() for algorithm, hasher in hashers.items()}
