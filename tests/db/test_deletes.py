"""Deleting images on each engine: hidden first, then gone, or back again."""

from functools import partial

import pytest
from sqlalchemy import Table, func, select, true, update

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.members import Members
from calotype.db.tables import (
    image_locations,
    image_members,
    image_properties,
    image_tags,
    images,
)
from calotype.model.filter import Filter, Viewer
from calotype.model.image import MAY_FOLLOW, Image, Status
from calotype.model.location import Location
from tests.db.samples import at_once, new_image

ADMIN = Viewer(None, is_admin=True)
PLACES = (Location("file:///1", {"store": "one"}), Location("file:///2", {"store": "two"}))


@pytest.fixture
def rows(database: Database) -> Images:
    return Images(database)


@pytest.fixture
def members(database: Database) -> Members:
    return Members(database)


@pytest.fixture
def deletes(database: Database) -> Deletes:
    return Deletes(database)


def saved(rows: Images, status: Status = Status.ACTIVE, *places: Location) -> Image:
    image = new_image(status=status, properties={"a": "1"}, tags=("t",), locations=places)
    rows.add(image)
    return rows.get(image.id)


def statuses(database: Database, of: Table) -> list[tuple[str, bool]]:
    with database.reading() as connection:
        wanted = select(of.c.status, of.c.deleted).order_by(of.c.id)
        return [(status, bool(deleted)) for status, deleted in connection.execute(wanted)]


def left(database: Database) -> int:
    """How many rows of belongings are alive."""
    tables = (image_properties, image_tags, image_members, image_locations)
    with database.reading() as connection:
        return sum(
            connection.execute(
                select(func.count()).select_from(table).where(table.c.deleted.is_not(true()))
            ).scalar_one()
            for table in tables
        )


def test_an_image_goes_in_two_steps(
    rows: Images, deletes: Deletes, members: Members, database: Database
) -> None:
    image = saved(rows, Status.ACTIVE, *PLACES)
    members.add(image.id, "theirs")
    deletes.begin(image)
    with pytest.raises(errors.ImageNotFound):
        rows.get(image.id)
    assert rows.find(Filter(all_visibilities=True), ADMIN) == []
    assert statuses(database, images) == [("pending_delete", True)]
    assert statuses(database, image_locations) == [("pending_delete", True)] * 2
    assert deletes.pending(older_than=-5) == [image.id]
    assert deletes.pending(older_than=60) == []
    found = deletes.locations(image.id)
    assert {(place.url, place.store) for place in found} == {
        (place.url, place.store) for place in PLACES
    }
    assert rows.named([place.url for place in PLACES]) == {place.url for place in PLACES}

    deletes.finish(image.id, Status.PENDING_DELETE)
    assert statuses(database, images) == [("deleted", True)]
    assert statuses(database, image_locations) == [("deleted", True)] * 2
    assert left(database) == 0
    assert deletes.pending(older_than=-5) == deletes.locations(image.id) == []
    assert rows.named([place.url for place in PLACES]) == set()


def test_an_image_comes_back_as_it_was(rows: Images, deletes: Deletes, database: Database) -> None:
    image = saved(rows, Status.DEACTIVATED, *PLACES)
    before = left(database)
    deletes.begin(image)
    deletes.cancel(image)
    assert rows.get(image.id) == image
    assert left(database) == before
    assert deletes.pending(older_than=-5) == []


def test_an_image_comes_back_with_what_is_left_of_it(
    rows: Images, deletes: Deletes, database: Database
) -> None:
    image = saved(rows, Status.ACTIVE, *PLACES)
    deletes.begin(image)
    deletes.lost(image.locations[:1])
    deletes.cancel(image)
    assert rows.get(image.id) == image.with_(locations=image.locations[1:])
    assert statuses(database, image_locations) == [("deleted", True), ("active", False)]


@pytest.mark.parametrize("status", [status for status in Status if MAY_FOLLOW[status]])
def test_whatever_may_be_deleted_can_be(
    rows: Images, deletes: Deletes, database: Database, status: Status
) -> None:
    """Glance leaves data behind images that are queued, and images that were killed."""
    if status is Status.PENDING_DELETE:
        return
    image = saved(rows, status, *PLACES)
    deletes.begin(image)
    deletes.finish(image.id, Status.PENDING_DELETE)
    assert statuses(database, images) == [("deleted", True)]


def test_an_image_without_data_goes_at_once(
    rows: Images, deletes: Deletes, members: Members, database: Database
) -> None:
    image = saved(rows, Status.QUEUED)
    members.add(image.id, "theirs")
    deletes.finish(image.id, Status.QUEUED)
    assert statuses(database, images) == [("deleted", True)]
    assert left(database) == 0


def test_an_image_that_moved_on_is_not_deleted_for_what_it_was(
    rows: Images, deletes: Deletes
) -> None:
    image = saved(rows, Status.QUEUED)
    moved = rows.swap(image, image.moved_to(Status.SAVING))
    with pytest.raises(errors.ChangedMeanwhile):
        deletes.finish(image.id, Status.QUEUED)
    with pytest.raises(errors.ChangedMeanwhile):
        deletes.begin(image)
    assert rows.get(image.id) == moved


def test_of_many_who_delete_at_once_one_does(rows: Images, deletes: Deletes) -> None:
    image = saved(rows, Status.ACTIVE, *PLACES)
    results = at_once(*[partial(deletes.begin, image)] * 5)
    assert results.count(None) == 1, results
    assert sum(isinstance(r, errors.ImageNotFound | errors.ChangedMeanwhile) for r in results) == 4


def test_a_change_does_not_bring_a_deleted_image_back(rows: Images, deletes: Deletes) -> None:
    image = saved(rows, Status.ACTIVE, *PLACES)
    deletes.begin(image)
    for changed in (
        image.with_(name="new"),
        image.with_(properties={"new": "1"}),
        image.with_(tags=()),
        image.with_(locations=()),
        image.moved_to(Status.DEACTIVATED),
    ):
        with pytest.raises(errors.ImageNotFound):
            rows.swap(image, changed)
    assert [place.url for place in deletes.locations(image.id)] == ["file:///1", "file:///2"]


def test_only_pending_images_are_pending(
    rows: Images, deletes: Deletes, database: Database
) -> None:
    saved(rows, Status.QUEUED)
    gone = saved(rows, Status.QUEUED)
    deletes.finish(gone.id, Status.QUEUED)
    waiting = [saved(rows, Status.ACTIVE, PLACES[0]) for _ in range(2)]
    for image in waiting:
        deletes.begin(image)
    with database.writing() as connection:
        old = update(images).where(images.c.id == waiting[0].id)
        connection.execute(old.values(deleted_at=waiting[0].created_at.replace(year=2020)))
    assert deletes.pending(older_than=3600) == [waiting[0].id]
    assert set(deletes.pending(older_than=-5)) == {image.id for image in waiting}
