"""Bringing an image into the cache, and reading it while it comes.

One thread fills the file and is bound to no client: whoever leaves, it goes on. All clients, the
first one too, are followers who read the file as it grows, in this process or in another one. When
the filler dies, one of them takes its place; when the cache cannot keep the image, each goes on
from the store, from where it stands.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from calotype import errors
from calotype.cache.folder import Folder
from calotype.cache.growing import Claim, Followed, Unfinished
from calotype.model.image import Image
from calotype.streams import BLOCK, Intake

LOG = logging.getLogger(__name__)

#: Bytes that a follower reads at a time: little, for there may be hundreds of them.
PIECE = 128 << 10
#: The first pause while a follower waits for more, and the longest, in seconds.
PAUSE, LONGEST = 0.002, 0.05
#: Seconds without any progress after which a follower goes to the store itself.
PATIENCE = 60.0


class Source(Protocol):
    """Where the data of one image comes from as long as it is not here."""

    def stream(self, offset: int) -> Iterator[bytes] | None:
        """The data from there to its end; None when no store has any. Raises StoreError."""
        ...

    def wanted(self) -> bool:
        """Whether the image may still be kept: it is neither deleted nor deactivated by now."""
        ...


#: Gives the file to follow; None when the image cannot be kept here.
Join = Callable[[], Followed | None]


@dataclass(frozen=True)
class Fill:
    """One image on its way into the cache. `note` is called when it has become an entry."""

    claim: Claim
    folder: Folder
    image: Image
    source: Source
    blocks: Iterator[bytes]
    note: Callable[[Image], None]

    def run(self) -> None:
        """Fill the file to its end, whatever that is."""
        claim, image = self.claim, self.image
        try:
            self._fill()
        except errors.SizeMismatch as error:
            LOG.error("Image %s: what its store has is of another size: %s", image.id, error)
            claim.refuse(self.folder.invalid(image.id))
        except (errors.Error, OSError) as error:
            LOG.warning("Image %s cannot be brought into the cache: %s", image.id, error)
            claim.give_up()
        except Exception:  # nobody waits for this thread, but many for its file
            LOG.exception("Image %s: bringing it into the cache failed", image.id)
            claim.give_up()
        finally:
            claim.close()
            _close(self.blocks)

    def _fill(self) -> None:
        claim, image = self.claim, self.image
        if not _is_data_of(image, _copied(claim, image, self.blocks)):
            LOG.error("Image %s: what its store has does not match its digests", image.id)
            claim.refuse(self.folder.invalid(image.id))
            return
        claim.finish()
        if self.source.wanted():
            claim.keep(self.folder.entry(image.id))
            self.note(image)
        else:
            claim.drop()


def _copied(claim: Claim, image: Image, blocks: Iterator[bytes]) -> dict[str, str | None]:
    """Write all blocks; their digests by name. Raises SizeMismatch, StoreError, OSError."""
    algorithm = _algorithm(image)
    with Intake(
        _Body(blocks),
        algorithm=algorithm or "md5",
        md5=bool(image.checksum and algorithm),
        declared=image.size,
    ) as intake:
        while block := intake.read(BLOCK):
            claim.write(block)
        facts = intake.facts()
    if algorithm is None:
        return {"md5": facts.os_hash_value}
    return {"md5": facts.checksum, algorithm: facts.os_hash_value}


def _is_data_of(image: Image, found: dict[str, str | None]) -> bool:
    recorded = {"md5": image.checksum, _algorithm(image): image.os_hash_value}
    return all(
        value is None or name is None or found[name] == value.lower()
        for name, value in recorded.items()
    )


def _algorithm(image: Image) -> str | None:
    """That of the image's own hash, if it has one that can be computed here."""
    name = image.os_hash_algo if image.os_hash_value else None
    # Those of variable length do not say how much of it was recorded.
    known = name in hashlib.algorithms_available and not str(name).startswith("shake")
    return name if known else None


class _Body:
    """Blocks of any size as a body."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = memoryview(b"")

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, empty at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            if len(block) <= size:
                return block
            self._rest = memoryview(block)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)


class Follower(Iterator[bytes]):
    """The whole data of an image, as it comes in. Close it when it is not read to its end."""

    def __init__(self, image: Image, join: Join, source: Source) -> None:
        self._image = image
        self._size = image.size or 0
        self._join = join
        self._source = source
        self._position = 0
        self._file: Followed | None = join()
        self._direct: Iterator[bytes] | None = None

    def begun(self) -> bool:
        """Wait for the first bytes; False when the image cannot be had in this way.

        Raises StoreUnavailable.
        """
        try:
            if self._file is not None:
                self._await(0)
                return True
        except Unfinished:
            pass
        except BaseException:
            self.close()
            raise
        self.close()
        return False

    def arrived(self) -> bool:
        """Wait until the image is an entry; False when it has not become one."""
        try:
            self._await(self._size - 1)
        except errors.StoreError as error:
            LOG.info("Image %s is not in the cache: %s", self._image.id, error)
            return False
        while self._file is not None and not self._file.settled():
            time.sleep(LONGEST)
        return True

    def __next__(self) -> bytes:
        if self._position >= self._size:
            self.close()
            raise StopIteration
        block = self._next_block()
        self._position += len(block)
        return block

    def close(self) -> None:
        """Stop to follow."""
        if self._file is not None:
            self._file.close()
        _close(self._direct)

    def _next_block(self) -> bytes:
        left = self._size - self._position
        while self._direct is None:
            try:
                end = self._await(self._position)
                assert self._file is not None
                if block := self._file.read(min(PIECE, end - self._position), self._position):
                    return block
            except (Unfinished, OSError) as error:
                LOG.info("Image %s: going on from its store: %s", self._image.id, error)
                self._direct = self._source.stream(self._position) or iter(())
        block = next(self._direct, b"")
        if not block:
            raise errors.StoreUnavailable("The store has no more of the data of this image")
        return block[:left]

    def _await(self, beyond: int) -> int:
        """Wait until more than that may be read; how far. Raises Unfinished, StoreUnavailable."""
        pause, seen, since = PAUSE, -1, time.monotonic()
        while self._file is not None:
            end = self._file.ready(self._size)
            if end > beyond:
                return end
            if end > seen:
                seen, since = end, time.monotonic()
            if self._file.deserted():
                LOG.warning("Image %s: the process that brought it here has died", self._image.id)
                self._file.close()
                self._file = self._join()
                continue
            if time.monotonic() - since > PATIENCE:
                break
            time.sleep(pause)
            pause = min(2 * pause, LONGEST)
        raise Unfinished()


def _close(blocks: Iterator[bytes] | None) -> None:
    close = getattr(blocks, "close", None)
    if close is not None:
        close()
