"""A store tried with a small object: written, read, read in part, deleted, and nothing left."""

import logging
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Self

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import Store

LOG = logging.getLogger(__name__)

#: What is done, in this order. Only the first is done where nothing can be written.
STEPS = ("check", "write", "read", "range", "delete")
SIZE = 1 << 20
#: The part that is read again: it begins and ends within blocks of whatever size.
PART = slice(123_457, 654_321)


@dataclass(frozen=True)
class Outcome:
    """How it went: seconds by step, as far as it came, and what went wrong."""

    seconds: dict[str, float]
    trouble: str | None


class Trial:
    """One store, tried once. It leaves nothing, whatever happens."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._data = os.urandom(SIZE)
        self._key = str(uuid.uuid4())
        self._location: Location | None = None
        self._seconds: dict[str, float] = {}

    def run(self) -> Outcome:
        """Do all steps, up to the first that fails."""
        doing = {"check": self._store.check}
        if self._store.traits.writable:
            doing |= {
                "write": self._write,
                "read": self._read,
                "range": self._read_part,
                "delete": self._delete,
            }
        trouble = None
        with self:
            for step in filter(doing.__contains__, STEPS):
                trouble = self._do(step, doing[step])
                if trouble is not None:
                    break
        return Outcome(self._seconds, trouble)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Take away what is there after a failure, of whatever kind."""
        if self._location is None:
            return
        try:
            self._store.delete(self._location)
        except errors.DataNotFound:
            pass
        except Exception as error:
            LOG.error("%s is left in the store: %s", self._key, type(error).__name__)

    def _do(self, step: str, do: Callable[[], None]) -> str | None:
        begun = time.monotonic()
        try:
            do()
        except errors.Error as error:
            return f"{step}: {error.message}"
        except Exception as error:
            # Its text is a library's, which may hold what must not be shown.
            return f"{step}: failed unexpectedly with {type(error).__name__}"
        self._seconds[step] = time.monotonic() - begun
        return None

    def _write(self) -> None:
        self._location = self._store.put(self._key, BytesIO(self._data), SIZE)

    def _read(self) -> None:
        size = self._store.size(self._there)
        if size != SIZE:
            raise errors.StoreError(f"The store says {size} bytes of data that has {SIZE}")
        self._compare(0, None, self._data)

    def _read_part(self) -> None:
        self._compare(PART.start, PART.stop - PART.start, self._data[PART])

    def _compare(self, offset: int, length: int | None, expected: bytes) -> None:
        if b"".join(self._store.read(self._there, offset, length)) != expected:
            raise errors.StoreError("What was read is not what was written")

    def _delete(self) -> None:
        self._store.delete(self._there)
        try:
            self._store.size(self._there)
        except errors.DataNotFound:
            self._location = None
            return
        raise errors.StoreError("The data is still there after its delete")

    @property
    def _there(self) -> Location:
        assert self._location is not None, "nothing was written"
        return self._location
