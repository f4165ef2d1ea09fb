"""Bringing data to stores that take no files, that are full, or that go away meanwhile."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from calotype import errors
from calotype.app import build
from calotype.db.engine import Database
from calotype.imports import journey
from calotype.model.location import Location
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Source, Store
from tests.api.cases import Given
from tests.api.many_stores import ManyStores, many_stores
from tests.imports.conftest import Importing
from tests.imports.test_run import DATA, FAILED, queued_again

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

    def put(self, key: str, source: Source, size: int | None) -> Location:
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
    assert sizes == [len(DATA)]


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
            for _ in range(100):
                self.blocks += 1
                if self.blocks == 2:
                    importing.client.delete(f"/v2/images/{image_id}").gave(204)
                yield bytes(10)

    monkeypatch.setattr(journey, "LOOK", 0.0)
    store = Slow()
    importing = make_importing(one=store, two=MemoryStore())
    image_id = importing.client.create_active(bytes(1000))
    importing.ask(image_id, "copy-image", importing.admin, stores=["two"]).gave(202)
    importing.work()
    (task,) = importing.site.parts.tasks.of_image(image_id)
    assert "deleted" in task.message and store.blocks == 2
