"""A store in memory: the shortest implementation of the whole contract, and the tests' fake."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import Source, Traits

#: Bytes asked of a source, and given by `read`, at a time.
BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes
    since: float


class MemoryStore:
    """Keeps data in this process, at most `capacity` bytes of it when that is given."""

    traits = Traits(type="memory", schemes=("memory",))

    def __init__(self, capacity: int | None = None) -> None:
        self._capacity = capacity
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def put(self, key: str, source: Source, size: int | None) -> Location:
        url = f"memory://{key}"
        if url in self._kept:
            raise errors.DataExists(url=url)
        data = bytearray()
        while block := source.read(BLOCK):
            data += block
            self._need_room(len(data))
        with self._lock:
            if url in self._kept:
                raise errors.DataExists()
            self._need_room(len(data))
            self._kept[url] = _Kept(bytes(data), time.time())
        return Location(url)

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        data = self._find(location).data
        end = len(data) if length is None else min(len(data), offset + length)
        return (data[start : min(start + BLOCK, end)] for start in range(offset, end, BLOCK))

    def size(self, location: Location) -> int:
        return len(self._find(location).data)

    def delete(self, location: Location) -> None:
        if self._kept.pop(location.url, None) is None:
            raise errors.DataNotFound()

    def check(self) -> None:
        """Nothing can be wrong with it."""

    def find(self, key: str) -> Location | None:
        url = f"memory://{key}"
        return Location(url) if url in self._kept else None

    def leftovers(self, older_than: float) -> Iterator[Location]:
        for url, kept in list(self._kept.items()):
            if kept.since < older_than:
                yield Location(url)

    def _find(self, location: Location) -> _Kept:
        try:
            return self._kept[location.url]
        except KeyError as error:
            raise errors.DataNotFound() from error

    def _need_room(self, size: int) -> None:
        used = sum(len(kept.data) for kept in self._kept.copy().values())
        if self._capacity is not None and used + size > self._capacity:
            raise errors.StoreFull()
