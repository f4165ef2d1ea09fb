"""What every store must do: the contract of `stores/store.py` as tests.

A driver's own test file inherits StoreSuite, and those of its powers, and gives a `store`;
`small_store`, one with room for less than 16 MiB, is asked for too. What the tests try, and how
much of it, are attributes of the class: where each piece of data costs seconds a driver's tests
choose fewer.
"""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import OpensFiles, Store, Sweeps
from calotype.streams import Intake
from tests.stores.sources import Gated, Long, Stream, content

MIB = 1 << 20
FAR_FUTURE = 2.0**40

#: Around the sizes in which sources and drivers hand on data.
SIZES = [0, 1, 4095, 65_536, MIB - 1, MIB, MIB + 1, 3 * MIB + 5]

FAILURES = [
    errors.ClientGone(),
    errors.UnsupportedMedia("refused"),
    OSError("the connection broke"),
    KeyboardInterrupt(),
]


def new_key() -> str:
    return str(uuid.uuid4())


def whole(store: Store, location: Location) -> bytes:
    return b"".join(store.read(location))


def held(store: Store) -> set[str]:
    """The URLs of all that lies in the store, finished or not."""
    assert isinstance(store, Sweeps), "without this power a test cannot see what was left behind"
    return {location.url for location in store.leftovers(FAR_FUTURE)}


class StoreSuite:
    """The contract. Each test may use the store of the ones before it.

    `held`, where a driver's tests replace it, asks the backend itself, by other means than the
    driver, for names of all that lies there: finished or not, snapshots, parts and segments too.
    A name holds the key.
    """

    SIZES: ClassVar = SIZES
    PIECES: ClassVar = [1, 1000, 65_537]
    #: Offset and length in data of 2 MiB and 5 bytes.
    PARTS: ClassVar = [
        (0, None), (0, 0), (0, 1), (1, 1), (5, None), (MIB - 1, 2), (MIB, MIB), (100, 2 * MIB),
        (2 * MIB + 4, None), (2 * MIB + 4, 1), (2 * MIB, 10 * MIB),
        (2 * MIB + 5, None), (2 * MIB + 5, 1), (9 * MIB, None), (9 * MIB, 5),
    ]  # fmt: skip
    FAILURES: ClassVar = FAILURES
    #: Of 3 MiB: the last failure comes when all data was given.
    FAIL_AT: ClassVar = [0, 1000, MIB, 3 * MIB]
    #: Where 2 MiB were declared.
    SENT: ClassVar = [0, MIB, 2 * MIB - 1, 2 * MIB + 1, 9 * MIB]
    #: How many put at once.
    MANY = 8

    def held(self, store: Store) -> set[str]:
        return held(store)

    # -- put and read ----------------------------------------------------------------------------

    @pytest.mark.parametrize("declared", [True, False], ids=["declared", "unknown"])
    def test_gives_back_what_was_put(self, store: Store, size: int, declared: bool) -> None:
        data = content(size)
        location = store.put(new_key(), Stream(data), size if declared else None)
        assert whole(store, location) == data
        assert store.size(location) == size

    def test_takes_pieces_of_any_size(self, store: Store, piece: int) -> None:
        data = content(3 * piece + piece // 2)
        location = store.put(new_key(), Stream(data, piece=piece), None)
        assert whole(store, location) == data

    def test_gives_back_large_data(self, store: Store) -> None:
        data = content(64 * MIB)
        location = store.put(new_key(), Stream(data), len(data))
        position = 0
        for block in store.read(location):
            assert block == data[position : position + len(block)]
            position += len(block)
        assert position == len(data)

    def test_gives_back_zeros_between_data(self, store: Store) -> None:
        data = bytes(MIB) + b"x" + bytes(3 * MIB) + b"y" + bytes(2 * MIB)
        location = store.put(new_key(), Stream(data), len(data))
        assert whole(store, location) == data
        assert store.size(location) == len(data)

    def test_keeps_images_apart(self, store: Store) -> None:
        locations = {
            shift: store.put(new_key(), Stream(content(100, shift)), 100) for shift in (1, 2)
        }
        assert len({location.url for location in locations.values()}) == 2
        for shift, location in locations.items():
            assert whole(store, location) == content(100, shift)

    def test_a_location_is_enough_to_find_the_data(self, store: Store) -> None:
        location = store.put(new_key(), Stream(b"data"), 4)
        assert whole(store, Location(location.url)) == b"data"
        assert location.url.partition("://")[0] in store.traits.schemes

    # -- ranges ----------------------------------------------------------------------------------

    def test_gives_a_part(self, store: Store, part: tuple[int, int | None]) -> None:
        offset, length = part
        data = content(2 * MIB + 5)
        location = store.put(new_key(), Stream(data), len(data))
        end = None if length is None else offset + length
        assert b"".join(store.read(location, offset, length)) == data[offset:end]

    def test_reading_may_stop_anywhere(self, store: Store) -> None:
        location = store.put(new_key(), Stream(content(3 * MIB)), 3 * MIB)
        blocks = store.read(location)
        assert next(blocks)
        close = getattr(blocks, "close", None)
        assert close is not None, "a server closes what it stops sending"
        close()
        store.delete(location)

    # -- what is not there -----------------------------------------------------------------------

    def test_deleted_data_is_gone(self, store: Store) -> None:
        key = new_key()
        location = store.put(key, Stream(b"data"), 4)
        store.delete(location)
        with pytest.raises(errors.DataNotFound):
            next(store.read(location))
        with pytest.raises(errors.DataNotFound):
            store.size(location)
        with pytest.raises(errors.DataNotFound):
            store.delete(location)
        assert not any(key in name for name in self.held(store))

    def test_a_deleted_key_can_be_put_again(self, store: Store) -> None:
        key = new_key()
        store.delete(store.put(key, Stream(b"old"), 3))
        assert whole(store, store.put(key, Stream(b"newer"), 5)) == b"newer"

    # -- what is there already -------------------------------------------------------------------

    def test_data_is_never_replaced(self, store: Store) -> None:
        key = new_key()
        location = store.put(key, Stream(b"first"), 5)
        before = self.held(store)
        second = Stream(b"second")
        with pytest.raises(errors.DataExists) as refusal:
            store.put(key, second, 6)
        # Who may remove what lies there must know where, and still have all of the new data.
        assert refusal.value.url == (location.url if second.position == 0 else None)
        assert whole(store, location) == b"first"
        assert self.held(store) == before

    def test_of_two_puts_of_one_key_one_wins_whole(self, store: Store) -> None:
        key = new_key()
        together = threading.Barrier(4)

        def put(shift: int) -> Location | None:
            meet = once(together.wait)
            try:
                return store.put(key, Gated(content(MIB, shift), meet), MIB)
            except errors.DataExists:
                meet()  # who is refused before the first byte is not waited for
                return None

        with ThreadPoolExecutor(4) as threads:
            results = list(threads.map(put, range(4)))
        won = [(shift, place) for shift, place in enumerate(results) if place is not None]
        assert len(won) == 1
        shift, location = won[0]
        assert whole(store, location) == content(MIB, shift)
        store.delete(location)
        assert not any(key in name for name in self.held(store))

    def test_many_may_put_at_once(self, store: Store) -> None:
        together = threading.Barrier(self.MANY)

        def put(shift: int) -> Location:
            size = MIB + shift
            return store.put(new_key(), Gated(content(size, shift), once(together.wait)), size)

        with ThreadPoolExecutor(self.MANY) as threads:
            locations = list(threads.map(put, range(self.MANY)))
        for shift, location in enumerate(locations):
            assert whole(store, location) == content(MIB + shift, shift)

    # -- failures leave nothing ------------------------------------------------------------------

    def test_a_failing_source_leaves_nothing(
        self, store: Store, fail_at: int, error: BaseException
    ) -> None:
        key, before = new_key(), self.held(store)
        data = content(3 * MIB)
        with pytest.raises(type(error)) as caught:
            store.put(key, Stream(data, fail_at=fail_at, error=error), len(data))
        assert caught.value is error, "the error of the source passes unchanged"
        assert self.held(store) == before
        assert whole(store, store.put(key, Stream(data), len(data))) == data

    def test_data_of_another_size_than_declared_leaves_nothing(
        self, store: Store, sent: int
    ) -> None:
        key, before = new_key(), self.held(store)
        with (
            Intake(Bytes(content(sent)), algorithm="sha256", declared=2 * MIB) as intake,
            pytest.raises(errors.SizeMismatch),
        ):
            store.put(key, intake, 2 * MIB)
        assert self.held(store) == before

    @pytest.mark.parametrize("declared", [True, False], ids=["declared", "unknown"])
    def test_a_full_store_says_so_and_keeps_nothing(
        self, small_store: Store, declared: bool
    ) -> None:
        key, data = new_key(), content(16 * MIB)
        with pytest.raises(errors.StoreFull):
            small_store.put(key, Stream(data), len(data) if declared else None)
        assert self.held(small_store) == set()
        assert whole(small_store, small_store.put(key, Stream(b"small"), 5)) == b"small"

    # -- the rest --------------------------------------------------------------------------------

    def test_is_usable(self, store: Store) -> None:
        store.check()
        assert store.traits.type
        assert store.traits.writable

    def test_tells_what_lies_there_by_age(self, store: Store) -> None:
        assert isinstance(store, Sweeps)
        location = store.put(new_key(), Stream(b"data"), 4)
        now = time.time()
        assert location.url not in {old.url for old in store.leftovers(now - 60)}
        found = [place for place in store.leftovers(now + 60) if place.url == location.url]
        assert [store.size(place) for place in found] == [4]
        store.delete(found[0])
        assert location.url not in held(store)


class LargeSuite:
    """What every store must do with more data than 32 bits can count."""

    #: The kind of data, and whether its size is declared.
    LARGE: ClassVar = [("dense", False), ("sparse", True)]

    def test_gives_back_3_gib(self, store: Store, large: tuple[str, bool]) -> None:
        kind, declared = large
        source = Long(3 << 30, every=1 if kind == "dense" else 64)
        location = store.put(new_key(), source, source.size if declared else None)
        try:
            assert store.size(location) == source.size
            again, position = Long(source.size, every=source.every), 0
            for block in store.read(location):
                for start in range(0, len(block), MIB):
                    piece = block[start : start + MIB]
                    assert again.at(position, len(piece)) == piece, position
                    position += len(piece)
            assert position == source.size
            far = (2 << 30) + 12_345
            part = b"".join(store.read(location, far, 3 * MIB))
            assert part == again.at(far, 3 * MIB)
        finally:
            store.delete(location)


class OpensFilesSuite:
    """What those stores must do that keep data as files."""

    def test_opens_files_at_their_beginning(self, store: Store) -> None:
        assert isinstance(store, OpensFiles)
        location = store.put(new_key(), Stream(b"0123456789"), 10)
        with store.open(location) as file:
            assert file.fileno() > 0
            assert file.tell() == 0
            file.seek(3)
            assert file.read() == b"3456789"
        store.delete(location)
        with pytest.raises(errors.DataNotFound):
            store.open(location)


#: What a class says in place of these arguments of the tests above.
_CHOSEN = {
    "size": "SIZES",
    "piece": "PIECES",
    "part": "PARTS",
    "error": "FAILURES",
    "fail_at": "FAIL_AT",
    "sent": "SENT",
    "large": "LARGE",
}


def chosen(metafunc: pytest.Metafunc) -> None:
    """Give the tests of the suites what their class has chosen."""
    named = metafunc.function.__qualname__.partition(".")[0]
    suite = {one.__name__: one for one in (StoreSuite, LargeSuite)}.get(named)
    if suite is not None:
        for name in sorted(_CHOSEN.keys() & set(metafunc.fixturenames)):
            # A class that has but borrowed a test chooses nothing.
            values = getattr(metafunc.cls, _CHOSEN[name], getattr(suite, _CHOSEN[name]))
            metafunc.parametrize(name, values, ids=_shown)


def _shown(value: object) -> str:
    if isinstance(value, BaseException):
        return type(value).__name__
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


class Bytes:
    """A body in memory."""

    def __init__(self, data: bytes) -> None:
        self._stream = Stream(data)

    def read(self, size: int, /) -> bytes:
        return bytes(self._stream.read(size))


def once(function: Callable[[], object]) -> Callable[[], None]:
    """Calls `function` the first time only."""
    left = [function]

    def call() -> None:
        if left:
            left.pop()()

    return call
