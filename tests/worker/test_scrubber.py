"""The scrubber: what it removes, what it leaves for the next time, and who may scrub when."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.engine import Database
from calotype.db.images import Images, now
from calotype.db.leases import Leases, exactly_now
from calotype.db.restores import Restores as Rows
from calotype.db.tables import calotype_leases, image_locations, images
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.services.removal import Removal
from calotype.services.restores import LEASE, Restores
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore
from calotype.worker.scrubber import Scrubbed, Scrubber
from tests.db.samples import new_image
from tests.stores.sources import Stream
from tests.stores.suite import held
from tests.worker.jobs import on_each_engine

TIME = 100


class Moody(MemoryStore):
    """A store that says about some data what it was told to say, and tells what is deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.troubles: dict[str, errors.StoreError] = {}
        self.before: Callable[[], object] = lambda: None

    def delete(self, location: Location) -> None:
        self.before()
        if location.url in self.troubles:
            raise self.troubles[location.url]
        super().delete(location)


class Scene:
    """A database and a store with images in it, and a scrubber."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.store = Moody()
        self.stores = Catalog({"main": Entry("main", self.store)}, "main", multi=False)
        self.rows, self.deletes = Images(database), Deletes(database)
        self.leases = Leases(database, 60)
        self.scrubber = self.make()
        self.stop = threading.Event()

    def make(self, scrub_time: int = TIME, threads: int = 3) -> Scrubber:
        """A scrubber, as if it ran in another process."""
        return Scrubber(
            self.deletes,
            Leases(self.database, 60),
            Removal(self.deletes, self.stores),
            scrub_time=scrub_time,
            threads=threads,
        )

    def restores(self) -> Restores:
        return Restores(Rows(self.database), Leases(self.database, 60), self.stores)

    def stored(self, copies: int = 1) -> Image:
        """An active image with data."""
        image = new_image(status=Status.ACTIVE, size=4)
        places = [self.store.put(f"{image.id}-{n}", Stream(b"data"), 4) for n in range(copies)]
        self.rows.add(image.with_(locations=tuple(places)))
        return self.rows.get(image.id)

    def deleted(self, seconds: int = TIME + 5, copies: int = 1) -> Image:
        """An image that was deleted so many seconds ago."""
        image = self.stored(copies)
        self.deletes.delay(image)
        then = now() - timedelta(seconds=seconds)
        self.write(update(images).where(images.c.id == image.id).values(deleted_at=then))
        return image

    def write(self, statement: object) -> None:
        with self.database.writing() as connection:
            connection.execute(statement)  # type: ignore[call-overload]

    def expire(self, name: str) -> None:
        """Let a lease run out and be taken by another one."""
        past = exactly_now() - timedelta(seconds=1)
        row = update(calotype_leases).where(calotype_leases.c.name == name)
        self.write(row.values(expires_at=past, holder="another"))

    def scrub(self) -> Scrubbed:
        with self.scrubber.alone() as lease:
            return self.scrubber.scrub(lease, self.stop)

    def status(self, image: Image) -> str:
        """The status in the row, of a deleted image too."""
        return Rows(self.database).find(image.id).status

    def copies(self, image: Image) -> list[str]:
        """The statuses of its locations."""
        columns = (image_locations.c.status,)
        wanted = image_locations.select().with_only_columns(*columns)
        with self.database.reading() as connection:
            mine = wanted.where(image_locations.c.image_id == image.id)
            return list(connection.scalars(mine.order_by(image_locations.c.id)))


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


# -- one pass --------------------------------------------------------------------------------------


@on_each_engine
def test_what_was_deleted_long_enough_ago_goes(scene: Scene) -> None:
    old = [scene.deleted(copies=2) for _ in range(5)]
    young, kept = scene.deleted(TIME - 5), scene.stored()
    assert scene.scrub() == Scrubbed(done=5)
    assert {scene.status(image) for image in old} == {"deleted"}
    assert scene.copies(old[0]) == ["deleted", "deleted"]
    assert scene.status(young) == "pending_delete"
    assert scene.rows.get(kept.id) == kept
    assert held(scene.store) == {place.url for it in (young, kept) for place in it.locations}
    assert scene.scrub() == Scrubbed()


def test_without_a_scrub_time_nothing_waits(scene: Scene) -> None:
    image = scene.deleted(0)
    scene.scrubber = scene.make(scrub_time=0)
    assert scene.scrub() == Scrubbed(done=1)
    assert scene.status(image) == "deleted"


@on_each_engine
@pytest.mark.parametrize("trouble", [errors.DataInUse(), errors.StoreUnavailable()], ids=repr)
def test_data_that_cannot_go_yet_keeps_its_row_and_the_image_alone(
    scene: Scene, trouble: errors.StoreError, caplog: pytest.LogCaptureFixture
) -> None:
    image, other = scene.deleted(copies=3), scene.deleted()
    used = image.locations[1].url
    scene.store.troubles[used] = trouble
    assert scene.scrub() == Scrubbed(done=1, left=1)
    assert scene.status(image) == "pending_delete"
    assert scene.copies(image) == ["deleted", "pending_delete", "deleted"]
    assert scene.status(other) == "deleted"
    assert held(scene.store) == {used}
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.getMessage() for record in warnings] == [
        "1 images cannot be scrubbed yet: trying again next time"
    ]
    scene.store.troubles.clear()
    assert scene.scrub() == Scrubbed(done=1)
    assert scene.status(image) == "deleted"
    assert held(scene.store) == set()


def test_missing_data_is_fine(scene: Scene) -> None:
    image = scene.deleted()
    scene.store.delete(image.locations[0])
    assert scene.scrub() == Scrubbed(done=1)
    assert scene.status(image) == "deleted"


def test_a_location_that_cannot_be_deleted_from_does_not_keep_an_image(scene: Scene) -> None:
    image = scene.deleted(copies=2)
    scene.store.troubles[image.locations[0].url] = errors.Unsupported()
    assert scene.scrub() == Scrubbed(done=1)
    assert scene.status(image) == "deleted"
    assert scene.copies(image) == ["deleted", "deleted"]


def test_an_image_whose_last_pass_was_cut_off_before_its_end(scene: Scene) -> None:
    """All of its locations are scrubbed; so may Glance's scrubber leave it, too."""
    image = scene.deleted()
    scene.deletes.lost(image.locations)
    assert scene.scrub() == Scrubbed(done=1)
    assert scene.status(image) == "deleted"


def test_as_many_threads_as_configured(scene: Scene) -> None:
    """Three images only go together: each waits for the others."""
    for _ in range(3):
        scene.deleted()
    scene.store.before = threading.Barrier(3, timeout=30).wait
    assert scene.scrub() == Scrubbed(done=3)


def test_a_stop_ends_a_pass_after_the_image_it_is_at(scene: Scene) -> None:
    for _ in range(5):
        scene.deleted()
    scene.scrubber = scene.make(threads=1)
    scene.store.before = scene.stop.set
    assert scene.scrub() == Scrubbed(done=1, left=4)


# -- who may ---------------------------------------------------------------------------------------


@on_each_engine
def test_one_scrubs_at_a_time(scene: Scene) -> None:
    image = scene.deleted()
    with (
        scene.make().alone(),
        pytest.raises(errors.Conflict, match="glance-scrubber is already running"),
    ):
        scene.scrub()
    assert scene.status(image) == "pending_delete"


def test_an_image_that_somebody_works_on_is_left(scene: Scene) -> None:
    image = scene.deleted()
    with scene.leases.hold(f"image:{image.id}"):
        assert scene.scrub() == Scrubbed(left=1)
    assert held(scene.store) == {image.locations[0].url}


def test_an_image_that_was_restored_meanwhile_keeps_its_data(scene: Scene) -> None:
    """The list of a pass is old when the turn of its last image comes."""
    first, second = scene.deleted(TIME + 6), scene.deleted()

    def restore() -> None:
        found = Rows(scene.database).find(second.id)
        Rows(scene.database).restore(found, lambda _connection: None, with_metadata=False)
        scene.store.before = lambda: None

    scene.store.before = restore
    scene.scrubber = scene.make(threads=1)
    assert scene.scrub() == Scrubbed(done=1, left=1)
    assert scene.status(first) == "deleted"
    assert scene.rows.get(second.id).locations == second.locations
    assert held(scene.store) == {second.locations[0].url}


def test_who_was_asleep_too_long_deletes_nothing_more(scene: Scene) -> None:
    """Its leases ran out at the first copy; the image may be restored by now."""
    image = scene.deleted(copies=2)
    scene.store.before = lambda: scene.expire(f"image:{image.id}")
    assert scene.scrub() == Scrubbed(left=1)
    assert held(scene.store) == {image.locations[1].url}


def test_who_has_lost_the_lease_begins_no_pass(scene: Scene) -> None:
    image = scene.deleted()
    with scene.scrubber.alone() as lease, pytest.raises(errors.ChangedMeanwhile):
        scene.scrubber.scrub(replace(lease, holder="me, before"), scene.stop)
    assert scene.status(image) == "pending_delete"


# -- pass after pass -------------------------------------------------------------------------------


def run(scene: Scene, *, keep: bool) -> threading.Thread:
    thread = threading.Thread(
        target=scene.scrubber.run, args=(scene.stop,), kwargs={"interval": 0.01, "keep": keep}
    )
    thread.start()
    return thread


def waits(happens: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2000):
        if happens():
            return
        pause.wait(0.01)
    raise AssertionError("it does not happen")


@pytest.mark.parametrize("keep", [True, False], ids=["daemon", "worker"])
def test_pass_after_pass_whatever_one_meets(scene: Scene, keep: bool) -> None:
    troubles: list[Exception] = [RuntimeError("a defect"), errors.DatabaseUnavailable()]

    def fail() -> None:
        if troubles:
            raise troubles.pop()

    scene.store.before = fail
    thread = run(scene, keep=keep)
    for _ in range(4):
        image = scene.deleted()
        waits(lambda gone=image: scene.status(gone) == "deleted")  # type: ignore[misc]
    scene.stop.set()
    thread.join()
    assert troubles == []


def test_a_daemon_keeps_others_out_between_its_passes(scene: Scene) -> None:
    thread = run(scene, keep=True)
    waits(lambda: LEASE in scene.leases.living(LEASE))
    for _ in range(2):
        with pytest.raises(errors.Conflict, match="already running"):
            scene.restores().restore("any")
    scene.stop.set()
    thread.join()
    assert scene.leases.living(LEASE) == set()


def test_a_daemon_ends_when_another_one_has_taken_over(scene: Scene) -> None:
    scene.store.before = lambda: scene.expire(LEASE)
    scene.deleted()
    limit = threading.Timer(60, scene.stop.set)
    limit.start()
    with pytest.raises(errors.Conflict, match="already running"):
        scene.scrubber.run(scene.stop, interval=0.01, keep=True)
    limit.cancel()


def test_the_worker_leaves_it_to_a_daemon_and_comes_back(scene: Scene) -> None:
    image = scene.deleted()
    with scene.make().alone():
        thread = run(scene, keep=False)
        assert not threading.Event().wait(0.1)
        assert scene.status(image) == "pending_delete"
    waits(lambda: scene.status(image) == "deleted")
    scene.stop.set()
    thread.join()


def test_beside_a_worker_images_can_be_restored(scene: Scene) -> None:
    """It holds the lease only while a pass runs."""
    image, marker = scene.deleted(TIME - 50), scene.deleted()
    thread = threading.Thread(
        target=scene.scrubber.run, args=(scene.stop,), kwargs={"interval": 60, "keep": False}
    )
    thread.start()
    waits(lambda: scene.status(marker) == "deleted" and not scene.leases.living(LEASE))
    scene.restores().restore(image.id)
    assert scene.rows.get(image.id).locations == image.locations
    scene.stop.set()
    thread.join()
