"""Reads data once and gives it to several stores, each of which takes it on a thread of its own.

A store may be QUEUED blocks behind the reader, which then waits for it: so memory stays bounded,
and the slowest store sets the pace. One that fails stops taking; the others need not.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from calotype.model.location import Location
from calotype.stores.store import Source as Readable
from calotype.streams import BLOCK

#: Blocks that may wait in front of each store.
QUEUED = 3
#: Seconds of waiting for a slow store after which the reader gives a sign of life.
LOOK = 0.5

Block = bytes | memoryview


class Failed(Exception):
    """One of the stores failed, so the others need not go on."""


class Branch:
    """What one store reads from. `take` is to read it to the end and say where the data lies.

    Once it has ended, `place` says where, or `error` why not; neither when it was cut off.
    """

    def __init__(self, store_id: str, take: Callable[["Branch"], Location]) -> None:
        self.store_id = store_id
        self.place: Location | None = None
        self.error: BaseException | None = None
        self.ended = False
        self._take = take
        self._blocks: deque[Block] = deque()
        self._rest = memoryview(b"")
        self._whole = False
        self._cut: BaseException | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"to {store_id}", daemon=True)

    # -- the side of the store -------------------------------------------------------------------

    def read(self, size: int, /) -> memoryview:
        """Up to `size` bytes, empty at the end. Raises what the branch was cut off with."""
        if not self._rest:
            self._rest = memoryview(self._next_block())
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def _next_block(self) -> Block:
        with self._changed:
            self._changed.wait_for(lambda: self._blocks or self._whole or self._cut)
            if self._cut is not None:
                raise self._cut
            if not self._blocks:
                return b""
            self._changed.notify_all()
            return self._blocks.popleft()

    def _work(self) -> None:
        try:
            self.place = self._take(self)
        except BaseException as error:
            # Whatever a store makes of being cut off, it is no failure of its own.
            self.error = None if self._cut is not None else error
        with self._changed:
            self.ended = True
            self._blocks.clear()
            self._changed.notify_all()

    # -- the side of the reader ------------------------------------------------------------------

    def start(self) -> None:
        """Let the store begin."""
        self._thread.start()

    def give(self, block: Block, waiting: Callable[[], None]) -> None:
        """Hand on a block; `waiting` is called every LOOK seconds while there is no room for it."""
        while not self._give(block):
            waiting()

    def _give(self, block: Block) -> bool:
        with self._changed:
            room = self._changed.wait_for(
                lambda: len(self._blocks) < QUEUED or self.ended, timeout=LOOK
            )
            if room and not self.ended:
                self._blocks.append(block)
                self._changed.notify_all()
            return room

    def finish(self) -> None:
        """That was all."""
        with self._changed:
            self._whole = True
            self._changed.notify_all()

    def cut(self, error: BaseException) -> None:
        """End it early: the store reads no more and keeps nothing."""
        with self._changed:
            self._cut = error
            self._changed.notify_all()

    def join(self) -> None:
        """Wait for the store, if it has begun."""
        if self._thread.ident is not None:
            self._thread.join()


def pour(
    body: Readable, branches: Sequence[Branch], tell: Callable[[int], None], *, together: bool
) -> None:
    """Give all of `body` to all branches; returns when each has ended, well or not.

    `together`: when one fails the others are cut off. `tell` hears how many bytes were handed on,
    those of all branches counted together. What `body` and `tell` raise cuts all off and is raised.
    """
    try:
        for branch in branches:
            branch.start()
        _hand_on(body, branches, tell, together=together)
    except BaseException as error:
        for branch in branches:
            branch.cut(error)
        if not isinstance(error, Failed):
            raise
    finally:
        for branch in branches:
            branch.join()


def _hand_on(
    body: Readable, branches: Sequence[Branch], tell: Callable[[int], None], *, together: bool
) -> None:
    given = 0
    while block := body.read(BLOCK):
        if together and any(branch.error for branch in branches):
            raise Failed()
        taking = [branch for branch in branches if not branch.ended]
        if not taking:
            return
        for branch in taking:
            branch.give(block, partial(tell, given))
            given += len(block)
        tell(given)
    for branch in branches:
        branch.finish()
