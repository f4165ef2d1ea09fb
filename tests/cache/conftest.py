"""A cache on disk with notes in memory, and sources that give data when a test says so."""

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from calotype.cache.folder import Folder
from calotype.cache.reader import Reader
from calotype.model.cached import CachedImage
from calotype.model.image import Image, Status, Visibility
from tests.stores.conftest import small_folder  # noqa: F401
from tests.stores.sources import content

MIB = 1 << 20
#: Seconds within which everything that is waited for happens, with much to spare.
SOON = 30.0


class Notes:
    """Books that are kept nowhere."""

    def __init__(self) -> None:
        self.kept: dict[str, CachedImage] = {}

    def add(self, entry: CachedImage) -> None:
        self.kept[entry.image_id] = entry

    def used(self, image_id: str) -> bool:
        entry = self.kept.get(image_id)
        if entry is not None:
            self.kept[image_id] = replace(entry, hits=entry.hits + 1)
        return entry is not None

    def remove(self, image_id: str) -> None:
        self.kept.pop(image_id, None)

    def entries(self) -> list[CachedImage]:
        return list(self.kept.values())


class Tap:
    """The data of an image in blocks of a MiB; with `open` false only so many as are let through.

    `fail`: what is raised after that many blocks.
    """

    def __init__(
        self, data: bytes, *, open: bool = True, fail: tuple[int, Exception] | None = None
    ) -> None:
        self.data = data
        self.streams: list[int] = []
        self.is_wanted = True
        self._fail = fail
        self._open = open
        self._let = threading.Semaphore(0)

    def let(self, blocks: int) -> None:
        """Let so many more blocks through."""
        for _ in range(blocks):
            self._let.release()

    def stream(self, offset: int) -> Iterator[bytes]:
        self.streams.append(offset)
        return self._blocks(offset)

    def wanted(self) -> bool:
        return self.is_wanted

    def _blocks(self, offset: int) -> Iterator[bytes]:
        for number, start in enumerate(range(offset, len(self.data), MIB)):
            if not self._open:
                assert self._let.acquire(timeout=SOON)
            if self._fail is not None and offset == 0 and number == self._fail[0]:
                raise self._fail[1]
            yield self.data[start : start + MIB]


def image_of(data: bytes, **fields: object) -> Image:
    """An active image with this data."""
    moment = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    image = Image(
        id=str(uuid.uuid4()),
        status=Status.ACTIVE,
        visibility=Visibility.PRIVATE,
        created_at=moment,
        updated_at=moment,
        size=len(data),
        checksum=hashlib.md5(data).hexdigest(),
        os_hash_algo="sha512",
        os_hash_value=hashlib.sha512(data).hexdigest(),
    )
    return image.with_(**fields)


def until(condition: Callable[[], object], what: str = "it") -> None:
    """Return when it is true."""
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about in {SOON:.0f} seconds"
        time.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(str(tmp_path / "cache"))
    made.prepare()
    return made


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def reader(folder: Folder, notes: Notes) -> Reader:
    return Reader(folder, notes)


@pytest.fixture
def data() -> bytes:
    """A bit more than four blocks."""
    return content(4 * MIB + 321, shift=3)
