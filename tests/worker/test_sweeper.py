"""What the sweeper removes, and above all what it leaves alone."""

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Source, Store, Traits
from calotype.worker.sweeper import BATCH, Swept, sweep
from tests.stores.sources import Stream, content
from tests.stores.suite import held, new_key

#: A moment after everything the tests write.
LATER = 2.0**40


@dataclass
class Rows:
    """What a database would answer. `images`: the URLs that each image's locations name."""

    images: dict[str, list[str]] = field(default_factory=dict)
    writing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def known(self, urls: Sequence[str]) -> Collection[str]:
        self.asked.append("known")
        assert 0 < len(urls) <= BATCH
        return {url for named in self.images.values() for url in named} & set(urls)

    def busy(self, image_ids: Sequence[str]) -> Collection[str]:
        self.asked.append("busy")
        assert len(image_ids) <= BATCH
        return self.writing & set(image_ids)

    def located(self, image_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        self.asked.append("located")
        assert len(image_ids) <= BATCH
        return {key: self.images[key] for key in image_ids if key in self.images}


def swept(store: Store, rows: Rows, older_than: float = LATER) -> Swept:
    return sweep(
        [("main", store)],
        known=rows.known,
        busy=rows.busy,
        located=rows.located,
        older_than=older_than,
    )


def put(store: Store, key: str, size: int = 10) -> str:
    return store.put(key, Stream(content(size)), size).url


def files(folder: Path) -> FilesystemStore:
    return FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(folder)),), durable=False))


# -- one thing at a time ---------------------------------------------------------------------------


def test_what_a_row_names_stays() -> None:
    store, key = MemoryStore(), new_key()
    url = put(store, key)
    assert swept(store, Rows({key: [url]})) == Swept()
    assert held(store) == {url}


def test_what_the_row_of_another_image_names_stays() -> None:
    store, key = MemoryStore(), new_key()
    url = put(store, key)
    assert swept(store, Rows({key: [], new_key(): [url]})) == Swept()
    assert held(store) == {url}


def test_what_no_row_names_goes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    store, key = MemoryStore(), new_key()
    put(store, key, 1234)
    assert swept(store, Rows({key: []})) == Swept(count=1, bytes=1234)
    assert held(store) == set()
    lines = [r.getMessage() for r in caplog.records if r.name == "calotype.worker.sweeper"]
    assert lines == [f"Swept unnamed data of {key} from store main: 1234 bytes"]


def test_what_is_young_stays() -> None:
    store, key = MemoryStore(), new_key()
    url = put(store, key)
    assert swept(store, Rows({key: []}), older_than=time.time() - 60) == Swept()
    assert held(store) == {url}


def test_what_is_being_written_stays() -> None:
    store, key = MemoryStore(), new_key()
    url = put(store, key)
    assert swept(store, Rows({key: []}, writing={key})) == Swept()
    assert held(store) == {url}


def test_what_the_database_never_heard_of_stays(caplog: pytest.LogCaptureFixture) -> None:
    """It may be the wrong database: then everything in the store is somebody's image."""
    store = MemoryStore()
    urls = {put(store, new_key()) for _ in range(3)}
    assert swept(store, Rows()) == Swept(doubtful=3)
    assert held(store) == urls
    assert "main holds 3 things" in caplog.text


def test_what_lies_under_another_name_too_stays(tmp_path: Path) -> None:
    """The folder was configured by another path when the image was made."""
    images, link = tmp_path / "images", tmp_path / "old"
    images.mkdir()
    link.symlink_to(images)
    key = new_key()
    old_url = put(files(link), key)
    store = files(images)
    assert swept(store, Rows({key: [old_url]})) == Swept(doubtful=1)
    assert (images / key).exists()


def test_a_copy_in_another_kind_of_store_does_not_matter(tmp_path: Path) -> None:
    key = new_key()
    store = files(tmp_path)
    put(store, key)
    assert swept(store, Rows({key: [f"rbd://fsid/images/{key}/snap"]})) == Swept(1, 10)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("other", ["filesystem:///old/", "file:///old/"])
def test_schemes_of_one_kind_are_alike(tmp_path: Path, other: str) -> None:
    key = new_key()
    store = files(tmp_path)
    put(store, key)
    assert swept(store, Rows({key: [other + key]})).doubtful == 1


def test_what_has_no_id_stays() -> None:
    store = MemoryStore()
    put(store, "not-an-id")
    assert swept(store, Rows({"not-an-id": []})) == Swept(doubtful=1)
    assert len(held(store)) == 1


def test_the_last_id_of_a_url_is_the_image() -> None:
    """Pools and projects may have ids too."""
    store, pool, key = MemoryStore(), new_key(), new_key()
    put(store, f"{pool}/images/{key}/snap")
    assert swept(store, Rows({pool: []})).count == 0
    assert swept(store, Rows({key: []}, writing={pool})).count == 1


# -- data that was never completed -----------------------------------------------------------------


def unfinished(folder: Path, key: str) -> Path:
    file = folder / f".calotype-{key}-0123abcd"
    file.write_bytes(content(77))
    return file


def test_unfinished_data_goes_whatever_the_database_knows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    key, active = new_key(), new_key()
    unfinished(tmp_path, key)
    unfinished(tmp_path, active)
    store = files(tmp_path)
    url = put(store, active)
    assert swept(store, Rows({active: [url]})) == Swept(count=2, bytes=154)
    assert os.listdir(tmp_path) == [active]
    assert f"Swept unfinished data of {key} from store main: 77 bytes" in caplog.text


def test_unfinished_data_of_an_upload_that_runs_stays(tmp_path: Path) -> None:
    key = new_key()
    file = unfinished(tmp_path, key)
    assert swept(files(tmp_path), Rows(writing={key})) == Swept()
    assert swept(files(tmp_path), Rows(), older_than=time.time() - 60) == Swept()
    assert file.exists()


def test_without_the_question_for_locations_only_unfinished_data_goes(tmp_path: Path) -> None:
    key, rows = new_key(), Rows()
    unfinished(tmp_path, new_key())
    store = files(tmp_path)
    put(store, key)
    done = sweep([("main", store)], known=rows.known, busy=rows.busy, older_than=LATER)
    assert done == Swept(count=1, bytes=77, doubtful=1)
    assert os.listdir(tmp_path) == [key]


# -- many, and failures ----------------------------------------------------------------------------


def test_asks_in_batches_and_in_an_order_that_loses_no_race() -> None:
    store, rows = MemoryStore(), Rows()
    named = set()
    for number in range(2 * BATCH + 10):
        key = new_key()
        url = put(store, key, 1)
        rows.images[key] = [url] if number % 2 else []
        named |= set(rows.images[key])
    assert swept(store, rows) == Swept(count=BATCH + 5, bytes=BATCH + 5)
    assert held(store) == named
    # An upload that ends meanwhile is either still busy at the first or named at the second. Then
    # each thing that goes is asked for once more.
    half = BATCH // 2
    assert rows.asked == [
        word
        for removed in (half, half, 5)
        for word in ["busy", "known", "located", *["known"] * removed]
    ]


def test_what_an_upload_has_replaced_since_it_was_found_stays() -> None:
    store, rows, key = MemoryStore(), Rows(), new_key()
    url = put(store, key)
    rows.images[key] = []

    @contextmanager
    def alone(image_id: str) -> Iterator[None]:
        assert image_id == key
        rows.images[key] = [url]  # just before it was our turn, an upload ended
        yield

    done = sweep(
        [("main", store)],
        known=rows.known,
        busy=rows.busy,
        located=rows.located,
        alone=alone,
        older_than=LATER,
    )
    assert (done, held(store)) == (Swept(), {url})


def test_what_somebody_works_on_is_left_for_the_next_pass() -> None:
    store, rows, keys = MemoryStore(), Rows(), [new_key(), new_key()]
    urls = [put(store, key) for key in keys]
    rows.images = {key: [] for key in keys}

    @contextmanager
    def alone(image_id: str) -> Iterator[None]:
        if image_id == keys[0]:
            raise errors.Conflict()
        yield

    done = sweep(
        [("main", store)],
        known=rows.known,
        busy=rows.busy,
        located=rows.located,
        alone=alone,
        older_than=LATER,
    )
    assert (done, held(store)) == (Swept(count=1, bytes=10), {urls[0]})


class Troubled(MemoryStore):
    """Cannot delete some of its data, has lost some, and may fail to list it."""

    def __init__(self) -> None:
        super().__init__()
        self.stuck: set[str] = set()
        self.lost: set[str] = set()
        self.dead = False

    def delete(self, location: Location) -> None:
        if location.url in self.stuck:
            raise errors.DataInUse()
        if location.url in self.lost:
            raise errors.DataNotFound()
        super().delete(location)

    def leftovers(self, older_than: float) -> Iterator[Location]:
        yield from super().leftovers(older_than)
        if self.dead:
            raise errors.StoreUnavailable()


def test_one_failure_does_not_stop_the_rest() -> None:
    store, rows = Troubled(), Rows()
    keys = [new_key() for _ in range(6)]
    urls = [put(store, key) for key in keys]
    rows.images = {key: [] for key in keys}
    store.stuck, store.lost = {urls[1]}, {urls[2]}
    assert swept(store, rows) == Swept(count=4, bytes=40, errors=1)
    assert held(store) == {urls[1], urls[2]}


def test_a_store_that_cannot_be_listed_does_not_stop_the_others() -> None:
    dead, healthy, rows = Troubled(), MemoryStore(), Rows()
    dead.dead = True
    key = new_key()
    put(healthy, key)
    rows.images = {key: []}
    done = sweep(
        [("dead", dead), ("healthy", healthy)],
        known=rows.known,
        busy=rows.busy,
        located=rows.located,
        older_than=LATER,
    )
    assert done == Swept(count=1, bytes=10, errors=1)


def test_a_database_that_fails_means_nothing_is_removed() -> None:
    store, key = MemoryStore(), new_key()
    url = put(store, key)

    def fail(_values: Sequence[str]) -> Collection[str]:
        raise errors.StoreUnavailable("the database is away")

    rows = Rows({key: []})
    for questions in ((fail, rows.busy), (rows.known, fail)):
        done = sweep(
            [("main", store)],
            known=questions[0],
            busy=questions[1],
            located=rows.located,
            older_than=LATER,
        )
        assert done == Swept(errors=1)
    assert held(store) == {url}


class Unsweepable:
    """A store that cannot tell what it holds."""

    traits = Traits("dumb", ("dumb",))

    def put(self, key: str, source: Source, size: int | None) -> Location:
        raise errors.Unsupported()

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        raise errors.Unsupported()

    def size(self, location: Location) -> int:
        raise errors.Unsupported()

    def delete(self, location: Location) -> None:
        raise errors.Unsupported()

    def check(self) -> None:
        raise errors.Unsupported()


def test_a_store_without_the_power_is_passed_over() -> None:
    rows = Rows()
    assert swept(Unsweepable(), rows) == Swept()
    assert rows.asked == []


def test_urls_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """They may hold credentials."""
    caplog.set_level("DEBUG")
    store, key = Troubled(), new_key()
    url = put(store, f"user:secret@host/{key}")
    store.stuck = {url}
    swept(store, Rows({key: []}))
    store.stuck = set()
    swept(store, Rows({key: []}))
    assert key in caplog.text
    assert "secret" not in caplog.text
