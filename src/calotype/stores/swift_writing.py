"""An object of Swift as it is written: there when it is kept, and nothing of it otherwise."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from calotype import errors
from calotype.stores.resumed import BLOCK
from calotype.stores.store import Source
from calotype.stores.swift_objects import Objects, Piece

LOG = logging.getLogger(__name__)

#: Seconds until the listing of a container must show what was written; it may lag behind.
LISTED = 30.0
_LOOK = 0.2
#: Swift looks whether there is an object when a request for it begins, and not when it ends. So of
#: two in this process the second one ends after the first, and looks again before.
_TURNS = tuple(threading.Lock() for _ in range(64))


class Writing:
    """As a context manager: left without `keep`, all that was written is removed again.

    `container_is_ours`: the container, made for this object, goes with it.
    """

    def __init__(
        self, objects: Objects, container: str, key: str, *, container_is_ours: bool
    ) -> None:
        self._objects = objects
        self._container = container
        self._key = key
        self._container_is_ours = container_is_ours
        self._written: list[str] = []
        self._size = 0
        self._kept = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._kept:
            self._undo()

    def whole(self, source: Source, first: bytes | memoryview, size: int | None) -> None:
        """All of a source as one object."""
        # A byte more than was said lets the source notice that it has more.
        limit = len(first) if size is None else max(size, len(first)) + 1
        with ExitStack() as turn:
            self._put(self._key, self._piece(self._key, source, first, limit, turn))
        if not first:
            return
        if self._size == limit:
            raise errors.StoreError("The data is longer than was said")

    def segments(self, source: Source, first: bytes | memoryview, limit: int) -> None:
        """A source in segments of `limit` bytes, and the manifest that names them."""
        block, number = first, 0
        while block:
            number += 1
            name = self._segment(number)
            with ExitStack() as turn:
                self._put(name, self._piece(name, source, block, limit, turn))
            block = source.read(min(BLOCK, limit))
        self._manifest()

    def copy(self, container: str, name: str) -> None:
        """Another object of the account."""
        self._written.append(self._key)
        self._objects.copy(container, name, f"{self._container}/{self._key}")

    def copies(
        self, container: str, items: Sequence[dict[str, Any]], tell: Callable[[int], None]
    ) -> None:
        """The segments of another object, in their order, and the manifest."""
        for number, item in enumerate(sorted(items, key=lambda it: str(it["name"])), 1):
            name = self._segment(number)
            self._written.append(name)
            self._objects.copy(container, item["name"], f"{self._container}/{name}")
            self._size += item["bytes"]
            tell(self._size)
        self._manifest()

    def keep(self) -> None:
        """It is complete."""
        self._kept = True

    def _segment(self, number: int) -> str:
        return f"{self._key}-{number:05}"

    def _manifest(self) -> None:
        named = f"{self._container}/{self._key}-"
        self._put(self._key, None, **{"X-Object-Manifest": named})
        self._await_listing()

    def _piece(
        self, name: str, source: Source, first: bytes | memoryview, limit: int, turn: ExitStack
    ) -> Piece | None:
        """The body of an object; when all of it is there it takes its turn, given back by `turn`.

        Without data there is none: such a request is over before another one can begin.
        """

        def take_turn() -> None:
            turn.enter_context(_TURNS[hash((self._container, name)) % len(_TURNS)])
            if self._is_there(name):
                raise errors.DataExists()

        return Piece(source, first, limit, take_turn) if first else None

    def _put(self, name: str, piece: Piece | None, **headers: str) -> None:
        try:
            self._objects.put(self._container, name, piece, **headers)
        except errors.DataExists:
            raise  # what is there is another's
        except errors.StoreUnavailable:
            # The server may have all of it, though it did not say so; or have refused to hear it.
            if piece is None or piece.whole:
                self._written.append(name)
            elif self._is_there(name):
                raise errors.DataExists() from None
            raise
        self._written.append(name)
        self._size += piece.size if piece else 0

    def _is_there(self, name: str) -> bool:
        try:
            self._objects.head(self._container, name)
        except errors.StoreError:
            return False
        return True

    def _await_listing(self) -> None:
        """Return when the manifest gives all of the data, whose names it takes from a listing."""
        deadline = time.monotonic() + LISTED
        while (told := self._told()) != self._size:
            if time.monotonic() > deadline:
                raise errors.StoreError(f"Swift lists {told} bytes of {self._size}")
            time.sleep(_LOOK)

    def _told(self) -> int:
        return int(self._objects.head(self._container, self._key)["content-length"])

    def _undo(self) -> None:
        # The manifest goes first, so that nobody reads a part.
        for name in reversed(self._written):
            self._remove(name)
        if self._container_is_ours:
            try:
                self._objects.remove_container(self._container)
            except errors.StoreError as error:
                LOG.error("The container %s is left: %s", self._container, error)

    def _remove(self, name: str) -> None:
        try:
            self._objects.delete(self._container, name)
        except errors.DataNotFound:
            return
        except errors.StoreError as error:
            LOG.error("The object %s is left: %s", name, error)
