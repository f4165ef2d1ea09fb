"""One reader and several stores that take what it reads."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from calotype import errors
from calotype.imports import tee
from calotype.imports.tee import QUEUED, Branch, pour
from calotype.model.location import Location
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Source
from calotype.streams import BLOCK

BLOCKS = 20
DATA = b"".join(bytes([number]) * BLOCK for number in range(BLOCKS)) + b"end"


class Counted:
    """Data that counts how often it is read; `fails_at`: the read that raises."""

    def __init__(self, data: bytes = DATA, fails_at: int | None = None) -> None:
        self._data = data
        self._position = 0
        self._fails_at = fails_at
        self.reads = 0

    def read(self, size: int, /) -> bytes:
        self.reads += 1
        if self.reads == self._fails_at:
            raise errors.StoreUnavailable("The source went away")
        piece = self._data[self._position : self._position + size]
        self._position += len(piece)
        return piece


def into(store: MemoryStore, name: str = "store") -> Branch:
    return Branch(name, lambda branch: store.put("key", branch, None))


def failing_after(blocks: int) -> Branch:
    """A store that breaks down after some blocks."""

    def take(source: Source) -> Location:
        for _ in range(blocks):
            source.read(BLOCK)
        raise errors.StoreFull()

    return Branch("failing", take)


def kept(store: MemoryStore) -> bytes | None:
    place = store.find("key")
    return None if place is None else b"".join(store.read(place))


def silent(_size: int) -> None:
    """Tell nobody."""


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("to ")}


@pytest.mark.parametrize("data", [DATA, b"", b"x", DATA[:BLOCK]])
def test_all_get_all_in_one_read(data: bytes) -> None:
    stores, source, told = [MemoryStore() for _ in range(3)], Counted(data), [0]
    branches = [into(store) for store in stores]
    pour(source, branches, told.append, together=True)
    assert [kept(store) for store in stores] == [data] * 3
    assert [branch.place for branch in branches] == [Location("memory://key")] * 3
    assert source.reads == -(-len(data) // BLOCK) + 1
    assert told == sorted(told) and told[-1] == 3 * len(data)
    assert threads() == set()


@pytest.mark.parametrize("blocks", [0, 1, BLOCKS // 2, BLOCKS + 1])
def test_one_that_fails_does_not_stop_the_others(blocks: int) -> None:
    store, failing = MemoryStore(), failing_after(blocks)
    branch = into(store)
    pour(Counted(), [failing, branch], silent, together=False)
    assert isinstance(failing.error, errors.StoreFull) and failing.place is None
    assert kept(store) == DATA and branch.error is None


def test_one_that_fails_ends_the_others_where_all_are_wanted() -> None:
    store, failing, source = MemoryStore(), failing_after(2), Counted()
    branch = into(store)
    pour(source, [branch, failing], silent, together=True)
    assert isinstance(failing.error, errors.StoreFull)
    assert (branch.place, branch.error, kept(store)) == (None, None, None)
    assert source.reads <= 2 + QUEUED + 2
    assert threads() == set()


def test_nothing_is_read_for_nobody() -> None:
    source = Counted()
    branches = [failing_after(1), failing_after(2)]
    pour(source, branches, silent, together=False)
    assert all(branch.error for branch in branches)
    assert source.reads <= 2 + QUEUED + 2


def test_a_source_that_fails_leaves_nothing_anywhere() -> None:
    stores = [MemoryStore(), MemoryStore()]
    branches = [into(store) for store in stores]
    with pytest.raises(errors.StoreUnavailable, match="went away"):
        pour(Counted(fails_at=10), branches, silent, together=False)
    assert [kept(store) for store in stores] == [None, None]
    assert [(branch.place, branch.error) for branch in branches] == [(None, None)] * 2
    assert threads() == set()


class Stopped(Exception):
    """The process is to end."""


def refusing(limit: int, size: int) -> None:
    if size > limit:
        raise Stopped


def test_what_is_told_may_end_it() -> None:
    store = MemoryStore()
    with pytest.raises(Stopped):
        pour(Counted(), [into(store)], partial(refusing, 4 * BLOCK), together=False)
    assert kept(store) is None and threads() == set()


class Slow:
    """A store that takes nothing until it may; `asked`: how often the reader gave a sign."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def take(self, source: Source) -> Location:
        assert self.may.wait(60)
        while source.read(BLOCK):
            pass
        return Location("slow://key")


def waiting_for(slow: Slow, source: Counted, found: list[int]) -> Callable[[int], None]:
    """Let the slow store go on once the reader tells the same number again: it waits."""
    last = [-1]

    def tell(size: int) -> None:
        if size == last[0] and not found:
            found.append(source.reads)
            slow.may.set()
        last[0] = size

    return tell


def test_the_reader_waits_for_the_slowest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tee, "LOOK", 0.05)
    slow, store, source, found = Slow(), MemoryStore(), Counted(), list[int]()
    branches = [Branch("slow", slow.take), into(store)]
    pour(source, branches, waiting_for(slow, source, found), together=True)
    assert found == [QUEUED + 1]  # those that wait, and the one in hand
    assert kept(store) == DATA and branches[0].place == Location("slow://key")


def test_a_store_that_is_stuck_does_not_keep_the_reader_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tee, "LOOK", 0.05)
    slow, other = Slow(), MemoryStore()
    told: list[int] = []

    def tell(size: int) -> None:
        if told and told[-1] == size:
            slow.may.set()  # or this would wait for it for good
            raise Stopped
        told.append(size)

    with pytest.raises(Stopped):
        pour(Counted(), [Branch("slow", slow.take), into(other)], tell, together=False)
    assert kept(other) is None and threads() == set()


def test_a_store_that_makes_something_else_of_being_cut_off() -> None:
    """A library may wrap what reading raised: that is still no failure of the store."""

    def take(source: Source) -> Location:
        try:
            while source.read(BLOCK):
                pass
        except Exception as error:
            raise errors.StoreError("The library gave up") from error
        raise AssertionError

    branch = Branch("wrapping", take)
    with pytest.raises(errors.StoreUnavailable, match="went away"):
        pour(Counted(fails_at=3), [branch], silent, together=False)
    assert branch.error is None
