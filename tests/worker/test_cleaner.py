"""What crashes leave behind is put right, and what lives is left alone."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from sqlalchemy import update

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.leases import Lease, Leases, exactly_now
from calotype.db.tables import calotype_leases, images
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore
from calotype.worker.cleaner import Cleaned, Cleaner
from tests.db.samples import new_image
from tests.stores.sources import Stream
from tests.stores.suite import held
from tests.worker.jobs import on_each_engine

PATIENCE = 100


class Moody(MemoryStore):
    """A store that can be out of reach."""

    trouble: errors.StoreError | None = None

    def delete(self, location: Location) -> None:
        if self.trouble is not None:
            raise self.trouble
        super().delete(location)


class Interrupted(Leases):
    """Leases before the first of which something happens."""

    def __init__(self, database: Database, happening: Callable[[], object]) -> None:
        super().__init__(database, 60)
        self._happenings = [happening]

    @contextmanager
    def hold(self, name: str) -> Iterator[Lease]:
        if self._happenings:
            self._happenings.pop()()
        with super().hold(name) as lease:
            yield lease


@dataclass
class Scene:
    """A database and a store with what is left there, and a cleaner."""

    database: Database
    store: Moody = field(default_factory=Moody)

    def __post_init__(self) -> None:
        self.rows = Images(self.database)
        self.deletes = Deletes(self.database)
        self.leases = Leases(self.database, 60)
        self.cleaner = self.make_cleaner(PATIENCE)

    def make_cleaner(
        self,
        patience: int | None,
        leases: Leases | None = None,
        kind: type[Cleaner] = Cleaner,
    ) -> Cleaner:
        stores = Catalog({"main": Entry("main", self.store)}, "main", multi=False)
        # As if it ran in another process.
        leases = leases or Leases(self.database, 60)
        return kind(self.rows, self.deletes, leases, stores, grace=0, patience=patience)

    def image(self, status: Status, **fields: object) -> Image:
        image = new_image(status=status, **fields)
        self.rows.add(image)
        return image

    def status(self, image: Image) -> Status:
        return self.rows.get(image.id).status

    def stored(self) -> Image:
        """An active image with data."""
        image = new_image(status=Status.ACTIVE, size=4)
        place = self.store.put(image.id, Stream(b"data"), 4)
        self.rows.add(image.with_(locations=(place,)))
        return self.rows.get(image.id)

    def pending(self, seconds: int) -> Image:
        """An image whose delete was cut off so many seconds ago, before its data went."""
        image = self.stored()
        self.deletes.begin(image)
        self.age(image, seconds)
        return image

    def age(self, image: Image, seconds: int) -> None:
        """Let it have been deleted so long ago."""
        then = exactly_now().replace(microsecond=0) - timedelta(seconds=seconds)
        row = update(images).where(images.c.id == image.id)
        with self.database.writing() as connection:
            assert connection.execute(row.values(deleted_at=then)).rowcount == 1

    def raw_status(self, image: Image) -> str:
        """The status in the row, of a deleted image too."""
        with self.database.reading() as connection:
            wanted = images.select().with_only_columns(images.c.status)
            return str(connection.scalar(wanted.where(images.c.id == image.id)))

    def expire(self, name: str) -> None:
        """Let a lease run out, as if its process had been silent."""
        row = update(calotype_leases).where(calotype_leases.c.name == name)
        past = exactly_now() - timedelta(seconds=1)
        with self.database.writing() as connection:
            assert connection.execute(row.values(expires_at=past)).rowcount == 1


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


# -- uploads that died -----------------------------------------------------------------------------


@on_each_engine
def test_an_upload_without_a_lease_is_dead(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    image = scene.image(Status.SAVING, size=5)
    assert scene.cleaner.requeue() == 1
    fresh = scene.rows.get(image.id)
    assert (fresh.status, fresh.size) == (Status.QUEUED, None)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert image.id in record.getMessage()
    assert scene.cleaner.requeue() == 0


@on_each_engine
def test_an_upload_that_lives_is_left_alone(scene: Scene) -> None:
    image = scene.image(Status.SAVING)
    with scene.leases.hold(f"image:{image.id}"):
        assert scene.cleaner.requeue() == 0
        assert scene.status(image) is Status.SAVING
    assert scene.cleaner.requeue() == 1


@on_each_engine
def test_an_upload_that_was_silent_too_long_is_dead(scene: Scene) -> None:
    image = scene.image(Status.SAVING)
    active = image.moved_to(Status.ACTIVE, size=4, locations=(Location("memory://x"),))
    with scene.leases.hold(f"image:{image.id}") as lease:
        scene.expire(f"image:{image.id}")
        assert scene.cleaner.requeue() == 1
        assert scene.status(image) is Status.QUEUED
        # It wakes up, and another upload has begun meanwhile: it can neither end nor undo that.
        saving = scene.rows.swap(scene.rows.get(image.id), image)
        for change in (active, saving.moved_to(Status.QUEUED)):
            with pytest.raises(errors.ChangedMeanwhile, match="took over"):
                scene.rows.swap(saving, change, lease.confirm)
        assert scene.status(image) is Status.SAVING


def test_only_uploads_are_queued_again(scene: Scene) -> None:
    others = [
        scene.image(status)
        for status in Status
        if status not in (Status.SAVING, Status.DELETED, Status.PENDING_DELETE)
    ]
    assert scene.cleaner.requeue() == 0
    assert [scene.status(image) for image in others] == [image.status for image in others]


def test_an_upload_that_ends_while_one_looks(scene: Scene) -> None:
    """The list of the dead is old when their turn comes."""
    ended, deleted, dead = (scene.image(Status.SAVING) for _ in range(3))

    def go_on() -> None:
        scene.rows.swap(ended, ended.moved_to(Status.ACTIVE, size=0))
        scene.deletes.finish(deleted.id, Status.SAVING)

    cleaner = scene.make_cleaner(PATIENCE, Interrupted(scene.database, go_on))
    assert cleaner.requeue() == 1
    assert scene.status(ended) is Status.ACTIVE
    assert scene.raw_status(deleted) == "deleted"
    assert scene.status(dead) is Status.QUEUED


# -- deletes that were cut off ---------------------------------------------------------------------


@on_each_engine
def test_a_delete_that_was_cut_off_is_finished(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    image, other = scene.pending(PATIENCE + 5), scene.stored()
    assert scene.cleaner.finish_deletes() == 1
    assert scene.raw_status(image) == "deleted"
    assert held(scene.store) == {other.locations[0].url}
    assert scene.deletes.pending(0) == []
    assert any(image.id in record.getMessage() for record in caplog.records)
    assert scene.status(other) is Status.ACTIVE


@on_each_engine
def test_a_delete_may_take_its_time(scene: Scene) -> None:
    image = scene.pending(PATIENCE - 5)
    assert scene.cleaner.finish_deletes() == 0
    assert scene.raw_status(image) == "pending_delete"
    assert held(scene.store) == {image.locations[0].url}


def test_a_delete_that_goes_on_is_left_alone(scene: Scene) -> None:
    image = scene.pending(PATIENCE + 5)
    with scene.leases.hold(f"image:{image.id}"):
        assert scene.cleaner.finish_deletes() == 0
    assert scene.raw_status(image) == "pending_delete"
    assert scene.cleaner.finish_deletes() == 1


def test_deletes_that_are_delayed_on_purpose(scene: Scene) -> None:
    image = scene.pending(10**6)
    assert scene.make_cleaner(None).finish_deletes() == 0
    assert scene.make_cleaner(None).clean() == Cleaned()
    assert scene.raw_status(image) == "pending_delete"
    assert held(scene.store) == {image.locations[0].url}


def test_data_that_is_gone_already(scene: Scene) -> None:
    image = scene.pending(PATIENCE + 5)
    scene.store.delete(image.locations[0])
    assert scene.cleaner.finish_deletes() == 1
    assert scene.raw_status(image) == "deleted"


def test_a_store_that_deletes_nothing(scene: Scene) -> None:
    image = scene.pending(PATIENCE + 5)
    scene.store.trouble = errors.Unsupported()
    assert scene.cleaner.finish_deletes() == 1
    assert scene.raw_status(image) == "deleted"


@pytest.mark.parametrize("trouble", [errors.StoreUnavailable(), errors.DataInUse()], ids=repr)
def test_a_store_in_trouble_is_asked_again_later(
    scene: Scene, trouble: errors.StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    pending = [scene.pending(PATIENCE + 5) for _ in range(3)]
    scene.store.trouble = trouble
    assert scene.cleaner.finish_deletes() == 0
    assert [scene.raw_status(image) for image in pending] == ["pending_delete"] * 3
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1, "one line, however many there are"
    scene.store.trouble = None
    assert scene.cleaner.finish_deletes() == 3
    assert held(scene.store) == set()


def test_an_image_that_came_back_keeps_its_data(scene: Scene) -> None:
    image = scene.pending(PATIENCE + 5)
    leases = Interrupted(scene.database, lambda: scene.deletes.cancel(image))
    assert scene.make_cleaner(PATIENCE, leases).finish_deletes() == 0
    assert scene.status(image) is Status.ACTIVE
    assert held(scene.store) == {image.locations[0].url}


# -- passes ----------------------------------------------------------------------------------------


@on_each_engine
def test_a_whole_pass(scene: Scene) -> None:
    scene.image(Status.SAVING)
    scene.pending(PATIENCE + 5)
    kept, crashed = scene.stored(), scene.image(Status.QUEUED)
    scene.store.put(crashed.id, Stream(b"stray"), 5)
    time.sleep(0.01)  # what is as old as the pass is young
    assert scene.cleaner.clean() == Cleaned(requeued=1, deleted=1, removed=1, bytes=5)
    assert held(scene.store) == {kept.locations[0].url}
    assert scene.cleaner.clean() == Cleaned()


def test_bytes_of_an_image_that_somebody_works_on_stay(scene: Scene) -> None:
    image = scene.image(Status.QUEUED)
    place = scene.store.put(image.id, Stream(b"stray"), 5)
    time.sleep(0.01)
    with scene.leases.hold(f"image:{image.id}"):
        assert scene.cleaner.clean() == Cleaned()
    assert held(scene.store) == {place.url}


def test_one_cleans_at_a_time(scene: Scene) -> None:
    with scene.leases.hold("sweeper"), pytest.raises(errors.Conflict):
        scene.cleaner.clean()


class Failing(Cleaner):
    """Fails in a different way each time."""

    stop = threading.Event()
    passes = 0

    def clean(self) -> Cleaned:
        self.passes += 1
        if self.passes == 4:
            self.stop.set()
        troubles = [errors.Conflict(), RuntimeError("a defect"), errors.DatabaseUnavailable()]
        raise troubles[self.passes % 3]


def test_it_goes_on_whatever_happens(scene: Scene) -> None:
    cleaner = scene.make_cleaner(PATIENCE, kind=Failing)
    assert isinstance(cleaner, Failing)
    cleaner.run(cleaner.stop, often=0.01, interval=0.001, orphaned=lambda: False)
    assert cleaner.passes == 4


def test_it_ends_with_the_process_that_started_it(scene: Scene) -> None:
    started = time.monotonic()
    answers = iter([False, False, True])
    scene.cleaner.run(threading.Event(), often=60, interval=0, orphaned=lambda: next(answers, True))
    assert time.monotonic() - started < 10


def test_between_the_passes_it_looks_for_what_died(scene: Scene) -> None:
    stop = threading.Event()
    arguments = {"often": 0.01, "interval": 0.0, "orphaned": lambda: False}
    thread = threading.Thread(target=scene.cleaner.run, args=(stop,), kwargs=arguments)
    thread.start()
    image, pending = scene.image(Status.SAVING), scene.pending(PATIENCE + 5)
    deadline = time.monotonic() + 20
    while scene.status(image) is Status.SAVING or scene.raw_status(pending) != "deleted":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stop.set()
    thread.join()
