"""Bringing data to stores of one backend, which copies it there without its bytes coming here."""

import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from calotype import errors
from calotype.jobs import make_runner
from calotype.model.location import Location
from calotype.model.task import TaskStatus
from calotype.stores.memory import MemoryStore
from calotype.stores.store import CopiesWithin, Source, Store, Traits
from tests.imports.conftest import Importing
from tests.imports.test_deliver import (
    MakeImporting,
    held,
    make_importing,
    readings,
    told,
)
from tests.imports.test_run import DATA, FAILED, queued_again

__all__ = ["make_importing", "readings", "told"]

#: Bytes between two signs of life.
STEP = 1 << 20


class Pool(MemoryStore):
    """A store that copies from others of its kind which are said to be in the same backend."""

    def __init__(
        self, backend: str = "here", *, told: str = "", capacity: int | None = None
    ) -> None:
        super().__init__(capacity)
        self.backend = backend
        self.traits = Traits(type="pool", schemes=("memory",), backend=told)
        self.reads = self.writes = self.copies = 0
        self.trouble: errors.Error | None = None

    def put(self, key: str, source: Source, size: int | None) -> Location:
        self.writes += 1
        return super().put(key, source, size)

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        self.reads += 1
        return super().read(location, offset, length)

    def copy_within(
        self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
    ) -> Location:
        if not isinstance(holder, Pool) or holder.backend != self.backend:
            raise errors.Unsupported()
        if self.trouble is not None:
            raise self.trouble
        data = b"".join(MemoryStore.read(holder, location))
        for done in range(0, len(data), STEP):
            tell(done)
        place = MemoryStore.put(self, key, io.BytesIO(data), len(data))
        tell(len(data))
        self.copies += 1
        return place


def active(importing: Importing) -> str:
    """An image whose data is in the default store."""
    return importing.client.create_active(DATA)


def copied(importing: Importing, image_id: str, *stores: str, **more: object) -> None:
    importing.ask(image_id, "copy-image", importing.admin, stores=[*stores], **more).gave(202)
    importing.work()


def test_a_pool_has_the_power() -> None:
    assert isinstance(Pool(), CopiesWithin)
    assert not isinstance(MemoryStore(), CopiesWithin)


def test_an_image_is_copied_by_its_backend(make_importing: MakeImporting, told: list[int]) -> None:
    one, two, three = Pool(), Pool(), Pool()
    importing = make_importing(one=one, two=two, three=three)
    image_id = active(importing)
    copied(importing, image_id, "two", "three")
    assert importing.task(image_id)[0] == "success"
    assert importing.client.image(image_id)["stores"] == "one,two,three"
    assert (one.reads, one.writes, two.writes, three.writes) == (0, 1, 0, 0)
    assert [held(store, image_id) for store in (one, two, three)] == [DATA] * 3
    # How far it is, for all stores together, and often.
    assert told == sorted(told) and told[-1] == 2 * len(DATA)
    assert max(after - before for before, after in pairwise(told)) <= STEP


def test_the_backend_copies_from_whichever_copy_is_in_it(make_importing: MakeImporting) -> None:
    """The best copy is elsewhere, but the backend has one too."""
    one, two, three = MemoryStore(), Pool(), Pool()
    importing = make_importing(one=one, two=two, three=three)
    image_id = active(importing)
    copied(importing, image_id, "two")
    copied(importing, image_id, "three")
    assert (two.writes, three.writes, three.copies, two.reads) == (1, 0, 1, 0)
    assert held(three, image_id) == DATA


def test_staged_data_is_read_into_one_store_of_each_backend(
    make_importing: MakeImporting, readings: Callable[[], int], told: list[int]
) -> None:
    pools = {"one": Pool(), "two": Pool(), "three": Pool()}
    other = MemoryStore()
    importing = make_importing(**pools, other=other)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert set(importing.client.image(image_id)["stores"].split(",")) == {*pools, "other"}
    assert [held(store, image_id) for store in (*pools.values(), other)] == [DATA] * 4
    assert [(pool.writes, pool.copies) for pool in pools.values()] == [(1, 0), (0, 1), (0, 1)]
    assert readings() == 1
    assert told == sorted(told) and told[-1] == 4 * len(DATA)


def test_backends_that_are_known_to_be_several_are_filled_in_one_read(
    make_importing: MakeImporting, readings: Callable[[], int]
) -> None:
    pools = [Pool(site, told=site) for site in ("north", "north", "south", "west")]
    importing = make_importing(**{f"pool{number}": pool for number, pool in enumerate(pools)})
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert [held(pool, image_id) for pool in pools] == [DATA] * 4
    assert [(pool.writes, pool.copies) for pool in pools] == [(1, 0), (0, 1), (1, 0), (1, 0)]
    assert readings() == 1


def test_backends_that_turn_out_to_be_several_are_filled_in_two_reads(
    make_importing: MakeImporting, readings: Callable[[], int]
) -> None:
    pools = [Pool(site) for site in ("north", "south", "north", "west")]
    importing = make_importing(**{f"pool{number}": pool for number, pool in enumerate(pools)})
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert [held(pool, image_id) for pool in pools] == [DATA] * 4
    assert [(pool.writes, pool.copies) for pool in pools] == [(1, 0), (1, 0), (0, 1), (1, 0)]
    assert readings() == 2


@pytest.mark.parametrize(
    "trouble",
    [errors.Unsupported(), errors.StoreUnavailable("away"), errors.DataNotFound()],
    ids=lambda trouble: type(trouble).__name__,
)
def test_what_the_backend_does_not_copy_is_read(
    make_importing: MakeImporting, trouble: errors.Error
) -> None:
    one, two = Pool(), Pool()
    importing = make_importing(one=one, two=two)
    image_id = active(importing)
    two.trouble = trouble
    copied(importing, image_id, "two")
    assert importing.task(image_id)[0] == "success"
    assert held(two, image_id) == DATA
    assert (one.reads, two.writes, two.copies) == (1, 1, 0)


def test_when_the_first_of_a_backend_fails_the_others_are_read_for(
    make_importing: MakeImporting, readings: Callable[[], int]
) -> None:
    full, one, two = Pool(capacity=1 << 20), Pool(), Pool()
    importing = make_importing(full=full, one=one, two=two)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True, all_stores_must_succeed=False).gave(202)
    importing.work()
    image = importing.client.image(image_id)
    assert (image["stores"], image[FAILED]) == ("one,two", "full")
    assert held(one, image_id) == held(two, image_id) == DATA
    assert readings() == 2


@pytest.mark.parametrize("must_succeed", [True, False])
def test_a_backend_without_room_for_a_copy(
    make_importing: MakeImporting, must_succeed: bool
) -> None:
    one, full, two = Pool(), Pool(capacity=1 << 20), Pool()
    importing = make_importing(one=one, full=full, two=two)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True, all_stores_must_succeed=must_succeed).gave(202)
    importing.work()
    assert (held(full, image_id), full.writes) == (None, 0)
    if must_succeed:
        assert held(one, image_id) is held(two, image_id) is None
        queued_again(importing, image_id)
    else:
        assert importing.client.image(image_id)["stores"] == "one,two"
        assert held(one, image_id) == held(two, image_id) == DATA


def test_what_a_crash_left_is_replaced(make_importing: MakeImporting) -> None:
    one, two = Pool(), Pool()
    importing = make_importing(one=one, two=two)
    image_id = importing.staged(DATA)
    MemoryStore.put(two, image_id, io.BytesIO(b"half of it"), None)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert (held(two, image_id), two.copies, two.writes) == (DATA, 1, 0)


def test_a_copy_that_is_not_as_long_as_the_image_is_not_kept(
    make_importing: MakeImporting,
) -> None:
    class Lossy(Pool):
        def copy_within(
            self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
        ) -> Location:
            return MemoryStore.put(self, key, io.BytesIO(DATA[:-1]), None)

    one, two = Pool(), Lossy()
    importing = make_importing(one=one, two=two)
    image_id = active(importing)
    copied(importing, image_id, "two")
    status, message = importing.task(image_id)
    assert status == "failure" and f"{len(DATA) - 1} bytes of {len(DATA)}" in message
    assert held(two, image_id) is None
    assert importing.client.image(image_id)["stores"] == "one"


def test_an_image_that_is_deleted_while_it_is_copied(make_importing: MakeImporting) -> None:
    class Deleting(Pool):
        def copy_within(
            self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
        ) -> Location:
            importing.client.delete(f"/v2/images/{key}").gave(204)
            return super().copy_within(key, one_more, Location(f"memory://{key}"), tell)

    one, one_more, two = Pool(), Pool(), Deleting()
    importing = make_importing(one=one, two=two)
    image_id = active(importing)
    MemoryStore.put(one_more, image_id, io.BytesIO(DATA), None)
    copied(importing, image_id, "two")
    (task,) = importing.site.parts.tasks.of_image(image_id)
    assert task.status is TaskStatus.FAILURE and "deleted" in task.message
    assert held(two, image_id) is None


def test_what_is_filled_one_after_the_other_is_copied_too(
    make_importing: MakeImporting, readings: Callable[[], int]
) -> None:
    pools = [Pool() for _ in range(3)]
    importing = make_importing(**{f"pool{number}": pool for number, pool in enumerate(pools)})
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    settings = importing.site.parts.settings
    wanted = replace(settings.imports, max_parallel_stores=1)
    make_runner(
        replace(importing.site.parts, settings=replace(settings, imports=wanted))
    ).run_waiting()
    assert [held(pool, image_id) for pool in pools] == [DATA] * 3
    assert [(pool.writes, pool.copies) for pool in pools] == [(1, 0), (0, 1), (0, 1)]
    assert readings() == 1
