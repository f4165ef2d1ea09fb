"""Restoring images on each engine: what comes back, and what was removed before stays removed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, Table, insert, select, update

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.leases import Leases
from calotype.db.members import Members
from calotype.db.restores import Restores
from calotype.db.tables import image_locations, image_members, image_properties, image_tags, images
from calotype.model.image import Image, Status
from calotype.model.location import Location
from tests.db.samples import new_image

PLACES = (Location("file:///1", {"store": "one"}), Location("file:///2", {"store": "two"}))


class Scene:
    """A database with an image in it that has something of everything."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.rows, self.deletes = Images(database), Deletes(database)
        self.restores, self.members = Restores(database), Members(database)
        self.image = new_image(
            status=Status.ACTIVE,
            size=7,
            properties={"a": "1", "os_glance_import_task": "x"},
            tags=("t", "T"),
            locations=PLACES,
        )
        self.rows.add(self.image)
        self.members.add(self.image.id, "theirs")

    def now(self) -> Image:
        image = self.rows.get(self.image.id)
        return image.with_(tags=tuple(sorted(image.tags)))

    def delete(self) -> Image:
        image = self.now()
        self.deletes.delay(image)
        return image

    def restore(self, *, with_metadata: bool = False) -> None:
        found = self.restores.find(self.image.id)
        self.restores.restore(found, lambda _connection: None, with_metadata=with_metadata)

    def put(self, table: Table, **values: Any) -> None:
        """Write into all rows that a table has of the image."""
        key = table.c.id if table is images else table.c.image_id
        row = update(table).where(key == self.image.id)
        with self.database.writing() as connection:
            connection.execute(row.values(**values))

    def moments(self, table: Table) -> set[datetime | None]:
        key = table.c.id if table is images else table.c.image_id
        with self.database.reading() as connection:
            wanted = select(table.c.deleted_at).where(key == self.image.id)
            return set(connection.execute(wanted).scalars())


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database)


def test_a_delayed_delete_hides_everything_at_one_moment(scene: Scene) -> None:
    scene.delete()
    with pytest.raises(errors.ImageNotFound):
        scene.now()
    assert scene.members.of(scene.image.id) == []
    found = scene.restores.find(scene.image.id)
    assert found.status is Status.PENDING_DELETE
    assert [place.url for place in found.pending] == ["file:///1", "file:///2"]
    assert found.scrubbed == ()
    assert not found.has_data
    tables = (images, image_locations, image_properties, image_tags, image_members)
    assert {moment for table in tables for moment in scene.moments(table)} == {found.moment}


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING, Status.IMPORTING])
def test_only_what_may_be_pending_is_delayed(scene: Scene, status: Status) -> None:
    scene.put(images, status=status)
    with pytest.raises(errors.Conflict, match="pending_delete"):
        scene.delete()
    assert scene.now().status is status


def test_an_image_and_its_locations_come_back_without_the_rest(scene: Scene) -> None:
    old = scene.delete()
    assert scene.rows.usage("ours") == 0
    scene.restore()
    image = scene.now()
    assert image == replace(old, properties={}, tags=(), updated_at=image.updated_at)
    assert scene.members.of(image.id) == []
    assert scene.rows.usage("ours") == 14
    assert scene.moments(images) == scene.moments(image_locations) == {None}


def test_with_metadata_everything_comes_back(scene: Scene) -> None:
    members = scene.members.of(scene.image.id)
    old = scene.delete()
    scene.restore(with_metadata=True)
    image = scene.now()
    # What the service noted for work that has ended with the image is not wanted any more.
    assert image == replace(old, properties={"a": "1"}, updated_at=image.updated_at)
    assert scene.members.of(image.id) == members


def test_what_was_removed_before_stays_removed(scene: Scene) -> None:
    """Also when that was in the same second as the delete."""
    old = scene.now()
    changed = old.with_(properties={"b": "2"}, tags=("new",), locations=old.locations[1:])
    scene.rows.swap(old, changed)
    scene.members.remove(old.id, "theirs")
    scene.members.add(old.id, "others")
    scene.delete()
    scene.restore(with_metadata=True)
    image = scene.now()
    assert image.properties == {"b": "2"}
    assert image.tags == ("new",)
    assert image.locations == old.locations[1:]
    assert [member.member_id for member in scene.members.of(old.id)] == ["others"]


def test_what_a_cut_off_delete_left_alive_stays_away_without_metadata(scene: Scene) -> None:
    scene.deletes.begin(scene.now())
    scene.restore()
    assert (scene.now().properties, scene.now().tags) == ({}, ())
    scene.delete()
    scene.restore(with_metadata=True)
    assert (scene.now().properties, scene.now().tags) == ({}, ()), "these went before"


def test_what_a_cut_off_delete_left_alive_comes_with_metadata(scene: Scene) -> None:
    scene.deletes.begin(scene.now())
    scene.restore(with_metadata=True)
    assert scene.now().properties["a"] == "1"
    assert scene.now().tags == ("T", "t")


def test_a_scrubbed_part_is_known(scene: Scene) -> None:
    old = scene.delete()
    scene.deletes.lost(old.locations[:1])
    found = scene.restores.find(old.id)
    assert [place.url for place in found.scrubbed] == ["file:///1"]
    assert [place.url for place in found.pending] == ["file:///2"]
    assert scene.deletes.locations(old.id) == list(found.pending)


def test_a_copy_that_was_removed_before_is_not_missed(scene: Scene) -> None:
    old = scene.now()
    scene.rows.swap(old, old.with_(locations=old.locations[1:]))
    scene.delete()
    assert scene.restores.find(old.id).scrubbed == ()


def test_nothing_is_restored_of_what_changes_meanwhile(scene: Scene) -> None:
    old = scene.delete()
    found = scene.restores.find(old.id)
    changes: list[Callable[[], object]] = [
        lambda: scene.deletes.lost(old.locations[:1]),
        lambda: scene.deletes.finish(old.id, Status.PENDING_DELETE),
    ]
    for change in changes:
        change()
        with pytest.raises(errors.ChangedMeanwhile):
            scene.restores.restore(found, lambda _connection: None, with_metadata=True)
        with pytest.raises(errors.ImageNotFound):
            scene.now()
    assert scene.members.of(old.id) == []


def test_who_has_lost_the_lease_restores_nothing(scene: Scene, database: Database) -> None:
    scene.delete()
    with Leases(database, 60).hold("image:x") as lease:
        lost = replace(lease, holder="another")
    found = scene.restores.find(scene.image.id)
    with pytest.raises(errors.ChangedMeanwhile):
        scene.restores.restore(found, lost.confirm, with_metadata=False)
    assert scene.restores.find(scene.image.id) == found


def test_an_unknown_id(scene: Scene) -> None:
    with pytest.raises(errors.ImageNotFound, match=r"^No image found with ID nowhere$"):
        scene.restores.find("nowhere")


# -- images that Glance has deleted or restored ----------------------------------------------------


def left_by_glance(scene: Scene) -> datetime:
    """Rows as Glance leaves them: locations and properties go just before the image."""
    scene.delete()
    moment = datetime(2026, 3, 4, 5, 6, 7, 300_000)
    for table, before in (
        (images, 0), (image_tags, 0), (image_members, 0), (image_properties, 20),
        (image_locations, 90),
    ):  # fmt: skip
        scene.put(table, deleted_at=moment - timedelta(milliseconds=before))
    return moment


def test_an_image_that_glance_left_comes_back_whole(scene: Scene) -> None:
    members = scene.members.of(scene.image.id)
    old, moment = scene.now(), left_by_glance(scene)
    earlier = moment - timedelta(seconds=5)

    def remove_before(connection: Connection) -> None:
        common = {"image_id": old.id, "created_at": earlier, "deleted": True, "deleted_at": earlier}
        connection.execute(insert(image_tags).values(value="removed", **common))
        connection.execute(insert(image_properties).values(name="r", value="", **common))

    scene.database.transaction(remove_before)
    scene.restore(with_metadata=True)
    image = scene.now()
    assert image == replace(old, properties={"a": "1"}, updated_at=image.updated_at)
    assert scene.members.of(old.id) == members


def restored_by_glance(scene: Scene) -> None:
    """What Glance's restore changes: the row of the image alone."""
    left_by_glance(scene)
    scene.put(images, status="active", deleted=False)


def test_an_image_that_glance_restored_gets_its_data_back(scene: Scene) -> None:
    old = scene.now()
    restored_by_glance(scene)
    assert scene.now().locations == ()
    found = scene.restores.find(old.id)
    assert (found.status, found.has_data, len(found.pending)) == (Status.ACTIVE, False, 2)
    scene.rows.swap(scene.now(), scene.now().with_(tags=("fresh",), properties={"a": "fresh"}))
    scene.restore()
    assert scene.now().locations == old.locations
    assert (scene.now().properties, scene.now().tags) == ({"a": "fresh"}, ("fresh",))


def test_metadata_does_not_replace_what_was_given_since(scene: Scene) -> None:
    old = scene.now()
    restored_by_glance(scene)
    scene.rows.swap(scene.now(), scene.now().with_(tags=("t",), properties={"a": "fresh"}))
    scene.members.add(old.id, "theirs")
    scene.restore(with_metadata=True)
    assert scene.now().properties == {"a": "fresh"}
    assert scene.now().tags == ("T", "t")
    assert [member.member_id for member in scene.members.of(old.id)] == ["theirs"]


def test_an_image_in_use_has_its_data(scene: Scene) -> None:
    found = scene.restores.find(scene.image.id)
    assert (found.status, found.has_data, found.pending) == (Status.ACTIVE, True, ())
