"""What a restore asks of the data first, and what it says when it refuses."""

import uuid
from typing import Any

import pytest

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.leases import Leases
from calotype.db.restores import Restores as Rows
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.services.restores import LEASE, Restores
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore
from tests.db.samples import new_image
from tests.stores.sources import Stream
from tests.worker.jobs import on_each_engine

#: A login as Glance writes it into addresses; its secret has what else ends a host.
LOGIN = "key:sec/re?t@"


class Far(MemoryStore):
    """A store that can be out of reach."""

    trouble: errors.StoreError | None = None

    def size(self, location: Location) -> int:
        if self.trouble is not None:
            raise self.trouble
        return super().size(location)


class Scene:
    """A database, two stores, and restores as a process of its own would do them."""

    def __init__(self, database: Database) -> None:
        self.rows, self.deletes = Images(database), Deletes(database)
        self.leases = Leases(database, 60)
        self.one, self.two = Far(), Far()
        entries = {"one": Entry("one", self.one), "two": Entry("two", self.two)}
        stores = Catalog(entries, "one", multi=True)
        self.restores = Restores(Rows(database), Leases(database, 60), stores)

    def deleted(self, **fields: Any) -> Image:
        """An image with a copy in each store whose delete is delayed."""
        image = new_image(id=str(uuid.uuid4()), **{"status": Status.ACTIVE, "size": 4, **fields})
        key = f"{LOGIN}host/{image.id}"
        copies = [
            Location(store.put(key, Stream(b"data"), 4).url, {"store": name})
            for name, store in (("one", self.one), ("two", self.two))
        ]
        self.rows.add(image.with_(locations=tuple(copies)))
        image = self.rows.get(image.id)
        self.deletes.delay(image)
        return image

    def refuses(self, image: Image) -> str:
        """What it says when it does not restore an image, which stays as it is."""
        before = self.rows_of(image)
        with pytest.raises(errors.Conflict) as caught:
            self.restores.restore(image.id)
        assert self.rows_of(image) == before
        assert "sec" not in caught.value.message
        return caught.value.message

    def rows_of(self, image: Image) -> object:
        return self.restores._rows.find(image.id)


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a test is marked `on_each_engine`."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


@on_each_engine
def test_an_image_comes_back_with_all_its_copies(scene: Scene) -> None:
    image = scene.deleted()
    scene.restores.restore(image.id)
    back = scene.rows.get(image.id)
    assert (back.status, back.locations) == (Status.ACTIVE, image.locations)
    assert scene.leases.living("") == set()


def test_what_was_deactivated_comes_back_active(scene: Scene) -> None:
    """The rows do not say that it was."""
    image = scene.deleted(status=Status.DEACTIVATED)
    scene.restores.restore(image.id)
    assert scene.rows.get(image.id).status is Status.ACTIVE


@on_each_engine
@pytest.mark.parametrize(
    ("copy", "said"),
    [
        (0, "it is gone in store one (memory://host/{id})"),
        (1, "it is gone in store two (memory://host/{id})"),
    ],
)
def test_missing_data_is_named(scene: Scene, copy: int, said: str) -> None:
    image = scene.deleted()
    (scene.one, scene.two)[copy].delete(image.locations[copy])
    assert scene.refuses(image) == (
        f"cannot restore the image {image.id}: not all of its data is there, and nothing was "
        f"changed: {said.format(id=image.id)}"
    )


def test_data_that_was_scrubbed_already_is_named(scene: Scene) -> None:
    image = scene.deleted()
    scene.deletes.lost(image.locations[1:])
    said = f"it is scrubbed already in store two (memory://host/{image.id})"
    assert scene.refuses(image).endswith(f": {said}")


def test_everything_that_is_missing_is_named(scene: Scene) -> None:
    image = scene.deleted()
    scene.one.delete(image.locations[0])
    scene.two.trouble = errors.StoreUnavailable("the cluster does not answer")
    assert scene.refuses(image).endswith(
        f": it is gone in store one (memory://host/{image.id}); it cannot be looked for in store "
        f"two (memory://host/{image.id}): the cluster does not answer"
    )


def test_data_of_another_size_is_not_the_image(scene: Scene) -> None:
    image = scene.deleted(size=5)
    assert "it has 4 bytes, not 5, in store one" in scene.refuses(image)


def test_an_image_of_which_no_location_is_left(scene: Scene) -> None:
    image = new_image(status=Status.ACTIVE, size=4)
    scene.rows.add(image)
    scene.deletes.delay(image)
    assert scene.refuses(image).endswith(": nothing says where it was")


@pytest.mark.parametrize(
    "status", [s for s in Status if s not in (Status.PENDING_DELETE, Status.DELETED)]
)
def test_only_what_is_pending_comes_back(scene: Scene, status: Status) -> None:
    image = new_image(status=status, locations=(Location("memory://x"),))
    scene.rows.add(image)
    assert scene.refuses(image) == (
        f"cannot restore the image from {status.value} to active (wanted from_state=pending_delete)"
    )


def test_what_is_scrubbed_does_not_come_back(scene: Scene) -> None:
    image = scene.deleted()
    scene.deletes.finish(image.id, Status.PENDING_DELETE)
    assert "from deleted to active (wanted from_state=pending_delete)" in scene.refuses(image)


@pytest.mark.parametrize("image_id", ["", "nowhere", "x" * 300, "ä' --", str(uuid.UUID(int=7))])
@on_each_engine
def test_an_unknown_id(scene: Scene, image_id: str) -> None:
    with pytest.raises(errors.ImageNotFound) as caught:
        scene.restores.restore(image_id)
    assert caught.value.message == f"No image found with ID {image_id}"


def test_beside_a_scrubber_nothing_is_restored(scene: Scene) -> None:
    image = scene.deleted()
    with scene.leases.hold(LEASE):
        assert scene.refuses(image) == (
            "glance-scrubber is already running. Please ensure that the daemon is stopped."
        )


def test_an_image_that_somebody_works_on_is_not_restored(scene: Scene) -> None:
    """As one does that finishes its delete."""
    image = scene.deleted()
    with scene.leases.hold(f"image:{image.id}"):
        assert "Somebody else is working on" in scene.refuses(image)
