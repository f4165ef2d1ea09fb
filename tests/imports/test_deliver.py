"""Bringing data to stores that take no files, that are full, or that go away meanwhile."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from calotype import errors
from calotype.app import build
from calotype.db.engine import Database
from calotype.imports import journey, run
from calotype.imports.sources import StagedSource
from calotype.jobs import make_runner
from calotype.model.location import Location
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Source, Store
from tests.api.cases import Given
from tests.api.many_stores import ManyStores, many_stores
from tests.imports.conftest import Importing
from tests.imports.test_run import DATA, FAILED, TO, queued_again

MakeImporting = Callable[..., Importing]


@pytest.fixture
def make_importing(database: Database, tmp_path: Path) -> Iterator[MakeImporting]:
    """`make_importing(name=store, ...)`: a site with just these stores, the first the default."""
    made: list[Importing] = []

    def make(**stores: Store) -> Importing:
        parts = many_stores(database, tmp_path).parts
        entries = {name: Entry(name, store) for name, store in stores.items()}
        parts = replace(parts, stores=Catalog(entries, next(iter(stores)), multi=True))
        site = ManyStores(parts, build(parts, strategy=Given()), folder=tmp_path)
        made.append(Importing(site))
        return made[-1]

    yield make
    for importing in made:
        importing.site.parts.database.close()


def files(folder: Path) -> FilesystemStore:
    folder.mkdir(exist_ok=True)
    return FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(folder)),)))


class Listening(MemoryStore):
    """Calls back before it takes data."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], None] = lambda: None
        self.sizes: list[int | None] = []

    def put(self, key: str, source: Source, size: int | None) -> Location:
        self.sizes.append(size)
        self.before()
        return super().put(key, source, size)


def held(store: MemoryStore, image_id: str) -> bytes | None:
    place = store.find(image_id)
    return None if place is None else b"".join(store.read(place))


def test_data_is_read_into_stores_that_take_no_files(make_importing: MakeImporting) -> None:
    one, two = MemoryStore(), MemoryStore()
    importing = make_importing(one=one, two=two)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.client.image(image_id)["stores"] == "one,two"
    assert (held(one, image_id), held(two, image_id)) == (DATA, DATA)
    assert importing.held() == {}


class Counting(StagedSource):
    """Staged data that counts how often it is read."""

    readings = 0

    @contextmanager
    def reading(self) -> Iterator[Source]:
        type(self).readings += 1
        with super().reading() as body:
            yield body


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How often staged data was read since the test began."""
    monkeypatch.setattr(run, "StagedSource", Counting)
    before = Counting.readings
    return lambda: Counting.readings - before


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes were done, each time that imports said so."""
    told: list[int] = []
    tell = journey.Journey.tell

    def listened(it: journey.Journey, size: int) -> None:
        told.append(size)
        tell(it, size)

    monkeypatch.setattr(journey.Journey, "tell", listened)
    return told


def test_several_stores_are_filled_in_one_read(
    make_importing: MakeImporting,
    readings: Callable[[], int],
    told: list[int],
    small_folder: Path,
    tmp_path: Path,
) -> None:
    """Two that take no files, one on another file system, and one that the file is moved to."""
    one, two = MemoryStore(), MemoryStore()
    importing = make_importing(
        one=one, small=files(small_folder), here=files(tmp_path / "here"), two=two
    )
    image_id = importing.staged(DATA)
    inode = (importing.site.folder / "staging" / image_id).stat().st_ino
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert set(importing.client.image(image_id)["stores"].split(",")) == {
        "one", "small", "here", "two",
    }  # fmt: skip
    assert (held(one, image_id), held(two, image_id)) == (DATA, DATA)
    assert (small_folder / image_id).read_bytes() == DATA
    assert (tmp_path / "here" / image_id).stat().st_ino == inode
    assert readings() == 1
    assert told == sorted(told) and told[-1] == 4 * len(DATA)
    assert importing.held() == {}


def test_files_alone_are_not_read(
    make_importing: MakeImporting, readings: Callable[[], int], tmp_path: Path
) -> None:
    importing = make_importing(one=files(tmp_path / "one"), two=files(tmp_path / "two"))
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.client.image(image_id)["stores"] == "one,two"
    assert readings() == 0


@pytest.mark.parametrize(("limit", "reads"), [(None, 1), (1, 3), (2, 2), (3, 1), (9, 1)])
def test_no_more_stores_are_written_at_once_than_the_operator_allows(
    make_importing: MakeImporting, readings: Callable[[], int], limit: int | None, reads: int
) -> None:
    stores = {name: MemoryStore() for name in ("one", "two", "three")}
    importing = make_importing(**stores)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    settings = importing.site.parts.settings
    wanted = replace(settings.imports, max_parallel_stores=limit)
    make_runner(
        replace(importing.site.parts, settings=replace(settings, imports=wanted))
    ).run_waiting()
    assert importing.task(image_id)[0] == "success"
    assert [held(store, image_id) for store in stores.values()] == [DATA] * 3
    assert readings() == reads


@pytest.mark.parametrize("must_succeed", [True, False])
def test_one_of_several_stores_is_full(
    make_importing: MakeImporting, readings: Callable[[], int], must_succeed: bool
) -> None:
    one, full, two = MemoryStore(), MemoryStore(capacity=1 << 20), MemoryStore()
    importing = make_importing(one=one, full=full, two=two)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True, all_stores_must_succeed=must_succeed).gave(202)
    importing.work()
    image = importing.client.image(image_id)
    assert (image[FAILED], image[TO], readings()) == ("full", "", 1)
    assert held(full, image_id) is None
    if must_succeed:
        assert importing.task(image_id)[0] == "failure"
        assert held(one, image_id) is held(two, image_id) is None
        queued_again(importing, image_id)
    else:
        assert importing.task(image_id)[0] == "success"
        assert (image["status"], image["stores"]) == ("active", "one,two")
        assert held(one, image_id) == held(two, image_id) == DATA


def test_what_a_crash_left_in_stores_that_take_no_files_is_replaced(
    make_importing: MakeImporting,
) -> None:
    one, two = MemoryStore(), MemoryStore()
    importing = make_importing(one=one, two=two)
    image_id = importing.staged(DATA)
    for store in (one, two):
        store.put(image_id, io.BytesIO(b"half of it"), None)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert held(one, image_id) == held(two, image_id) == DATA


def test_a_copy_to_several_stores_reads_the_image_once(make_importing: MakeImporting) -> None:
    class Counted(MemoryStore):
        reads = 0

        def read(
            self, location: Location, offset: int = 0, length: int | None = None
        ) -> Iterator[bytes]:
            self.reads += 1
            return super().read(location, offset, length)

    source, one, two = Counted(), MemoryStore(), MemoryStore()
    importing = make_importing(source=source, one=one, two=two)
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, all_stores=True).gave(202)
    importing.work()
    assert importing.client.image(image_id)["stores"] == "source,one,two"
    assert held(one, image_id) == held(two, image_id) == DATA
    assert source.reads == 1


def test_the_size_is_known_before_the_first_byte_goes_to_a_store(
    make_importing: MakeImporting,
) -> None:
    store, sizes = Listening(), []
    importing = make_importing(one=store)
    image_id = importing.staged(DATA)
    facts = importing.site.folder / "staging" / f"{image_id}.facts"
    facts.unlink()
    store.before = lambda: sizes.append(importing.client.image(image_id)["size"])
    importing.ask(image_id).gave(202)
    importing.work()
    assert sizes == [len(DATA)] == store.sizes


@pytest.mark.parametrize("method", ["glance-direct", "copy-image"])
def test_stores_are_told_the_size(make_importing: MakeImporting, method: str) -> None:
    first, one, two = MemoryStore(), Listening(), Listening()
    importing = make_importing(first=first, one=one, two=two)
    if method == "copy-image":
        image_id = importing.client.create_active(DATA)
    else:
        image_id = importing.staged(DATA)
    importing.ask(image_id, method, importing.admin, stores=["one", "two"]).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert one.sizes == two.sizes == [len(DATA)]


def test_an_image_that_is_deleted_while_its_data_is_stored(make_importing: MakeImporting) -> None:
    store = Listening()
    importing = make_importing(one=store)
    image_id = importing.staged(DATA)
    store.before = lambda: importing.client.delete(f"/v2/images/{image_id}").gave(204) and None
    importing.ask(image_id).gave(202)
    importing.work()
    (task,) = importing.site.parts.tasks.of_image(image_id)
    assert (task.status, task.message) == (
        "failure", "The image was deleted while it was imported",
    )  # fmt: skip
    assert held(store, image_id) is None and importing.held() == {}


def test_a_full_store_takes_nothing(make_importing: MakeImporting) -> None:
    one, full = MemoryStore(), MemoryStore(capacity=1 << 20)
    importing = make_importing(one=one, full=full)
    image_id = importing.staged(DATA)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "failure"
    assert importing.client.image(image_id)[FAILED] == "full"
    assert held(one, image_id) is held(full, image_id) is None
    queued_again(importing, image_id)


def test_a_full_file_system_takes_nothing(
    make_importing: MakeImporting, small_folder: Path
) -> None:
    one, small = MemoryStore(), files(small_folder)
    importing = make_importing(one=one, small=small)
    data = DATA * 6
    image_id = importing.staged(data)
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    status, message = importing.task(image_id)
    assert status == "failure" and "no room" in message
    assert held(one, image_id) is None and list(small_folder.iterdir()) == []
    importing.ask(image_id).gave(409, "queued")


def test_staged_data_is_copied_to_another_file_system(
    make_importing: MakeImporting, small_folder: Path
) -> None:
    importing = make_importing(small=files(small_folder))
    image_id = importing.staged(DATA)
    importing.ask(image_id).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert (small_folder / image_id).read_bytes() == DATA
    assert importing.held() == {}


def test_a_copy_is_compared_with_what_is_recorded(
    make_importing: MakeImporting, tmp_path: Path
) -> None:
    one, two = MemoryStore(), MemoryStore()
    importing = make_importing(one=one, two=two, fast=files(tmp_path / "fast"))
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, stores=["two"]).gave(202)
    importing.work()
    assert held(two, image_id) == DATA
    for store in (one, two):
        kept = store._kept[f"memory://{image_id}"]
        store._kept[f"memory://{image_id}"] = replace(kept, data=DATA[:-1] + b"?")
    importing.ask(image_id, "copy-image", importing.admin, stores=["fast"]).gave(202)
    importing.work()
    ends = {(task["status"], task["message"]) for task in importing.tasks(image_id)}
    assert ("failure", "stored data does not match its recorded hash") in ends
    assert importing.held() == {}


def test_a_source_that_goes_away_leaves_nothing(
    make_importing: MakeImporting, tmp_path: Path
) -> None:
    class Vanishing(MemoryStore):
        def read(
            self, location: Location, offset: int = 0, length: int | None = None
        ) -> Iterator[bytes]:
            yield DATA[:1000]
            raise errors.StoreUnavailable("The store went away")

    importing = make_importing(one=Vanishing(), fast=files(tmp_path / "fast"))
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, stores=["fast"]).gave(202)
    importing.work()
    assert importing.task(image_id) == ("failure", "The store went away")
    assert importing.client.image(image_id)["stores"] == "one"
    assert importing.held() == {}


def test_a_delete_is_noticed_while_bytes_move(
    make_importing: MakeImporting, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(MemoryStore):
        blocks = 0

        def read(
            self, location: Location, offset: int = 0, length: int | None = None
        ) -> Iterator[bytes]:
            for _ in range(20):
                self.blocks += 1
                if self.blocks == 2:
                    importing.client.delete(f"/v2/images/{image_id}").gave(204)
                yield bytes(1 << 20)

    monkeypatch.setattr(journey, "LOOK", 0.0)
    store = Slow()
    importing = make_importing(one=store, two=MemoryStore())
    image_id = importing.client.create_active(bytes(20 << 20))
    importing.ask(image_id, "copy-image", importing.admin, stores=["two"]).gave(202)
    importing.work()
    (task,) = importing.site.parts.tasks.of_image(image_id)
    assert "deleted" in task.message and store.blocks == 2
