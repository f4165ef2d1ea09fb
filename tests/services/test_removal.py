"""Data goes with the last location that names it, and not before."""

from collections.abc import Callable

import pytest

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.services.removal import Removal
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore
from tests.db.samples import at_once, new_image
from tests.stores.sources import Stream

on_each_engine = pytest.mark.parametrize(
    "engine_name", ("sqlite", "mariadb", "postgresql"), indirect=True
)


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a test is marked `on_each_engine`."""
    return str(getattr(request, "param", "sqlite"))


class Shelf(MemoryStore):
    """Counts what it is asked to delete; `before` is called first."""

    def __init__(self) -> None:
        super().__init__()
        self.deleted = 0
        self.before: Callable[[], None] = lambda: None

    def delete(self, location: Location) -> None:
        self.before()
        self.deleted += 1
        super().delete(location)


class Desk:
    """Images whose data is the same, and who removes it."""

    def __init__(self, database: Database) -> None:
        self.shelf = Shelf()
        self.images, self.deletes = Images(database), Deletes(database)
        stores = Catalog({"shelf": Entry("shelf", self.shelf)}, "shelf", multi=False)
        self.removal = Removal(self.deletes, stores)
        self.place = self.shelf.put("key", Stream(b"data"), None)

    def image(self) -> Image:
        self.images.add(
            image := new_image(status=Status.ACTIVE, size=4, locations=(Location(self.place.url),))
        )
        return self.images.get(image.id)

    def hide(self, image: Image) -> None:
        self.deletes.begin(image)

    def remove(self, image: Image) -> None:
        for location in image.locations:
            self.removal.remove(image.id, location)

    def end(self, image: Image) -> None:
        self.deletes.finish(image.id, Status.PENDING_DELETE)

    @property
    def there(self) -> bool:
        return self.shelf.find("key") is not None


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@on_each_engine
def test_data_stays_while_another_image_has_it(desk: Desk) -> None:
    first, second = desk.image(), desk.image()
    desk.hide(first)
    desk.remove(first)
    desk.end(first)
    assert desk.there and desk.shelf.deleted == 0
    desk.hide(second)
    desk.remove(second)
    desk.end(second)
    assert not desk.there


def test_an_image_that_may_come_back_keeps_its_data(desk: Desk) -> None:
    """Its delete is delayed: until the scrubber has been there it can be restored."""
    delayed, other = desk.image(), desk.image()
    desk.hide(delayed)
    desk.hide(other)
    desk.remove(other)
    desk.end(other)
    assert desk.there
    desk.remove(delayed)
    assert not desk.there


@on_each_engine
def test_of_two_that_go_together_one_removes_the_data(desk: Desk) -> None:
    for _ in range(10):
        images = [desk.image() for _ in range(3)]
        for image in images:
            desk.hide(image)
        jobs = [lambda image=image: desk.remove(image) for image in images]  # type: ignore[misc]
        assert not [it for it in at_once(*jobs) if isinstance(it, BaseException)]
        assert not desk.there
        desk.place = desk.shelf.put("key", Stream(b"data"), None)
        for image in images:
            desk.end(image)


def test_an_image_that_names_its_data_twice(desk: Desk) -> None:
    image = new_image(status=Status.ACTIVE, size=4, locations=(Location(desk.place.url),) * 2)
    desk.images.add(image)
    saved = desk.images.get(image.id)
    desk.hide(saved)
    desk.remove(saved)
    assert not desk.there and desk.shelf.deleted == 1


def test_data_that_is_gone_is_no_trouble(desk: Desk) -> None:
    image = desk.image()
    desk.shelf.delete(desk.place)
    desk.hide(image)
    desk.remove(image)


def test_what_the_store_refuses_is_told(desk: Desk) -> None:
    def refuse() -> None:
        raise errors.DataInUse()

    image = desk.image()
    desk.shelf.before = refuse
    desk.hide(image)
    with pytest.raises(errors.DataInUse):
        desk.remove(image)
    desk.deletes.cancel(image)
    assert desk.images.get(image.id) == image


def test_what_the_store_refuses_the_last_of_two_that_go_together(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had let go of the data already when it learned that nobody else deletes it."""

    def refuse() -> None:
        raise errors.DataInUse()

    image, answers = desk.image(), [True, False]
    monkeypatch.setattr(desk.deletes, "is_shared", lambda location: answers.pop(0))
    desk.shelf.before = refuse
    desk.hide(image)
    with pytest.raises(errors.DataInUse):
        desk.remove(image)
    desk.deletes.cancel(image)
    assert desk.images.get(image.id) == image
