"""The rows of images on each engine: what is saved comes back, and who writes first wins."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select, update

from calotype import errors
from calotype.db.engine import Database
from calotype.db.images import Images, now
from calotype.db.tables import image_locations, image_properties, images
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location
from tests.db.samples import NASTY, at_once, new_image

#: More writers than a machine has processors.
WRITERS = 6


@pytest.fixture
def rows(database: Database) -> Images:
    return Images(database)


def saved(rows: Images, **fields: Any) -> Image:
    image = new_image(**fields)
    rows.add(image)
    return image


def comparable(image: Image) -> Image:
    """The image with what has no order of its own put in one, and without row numbers."""
    locations = tuple(replace(location, id=None) for location in image.locations)
    return image.with_(tags=tuple(sorted(image.tags)), locations=locations)


FULL = {
    "name": "Grüße 漢字",
    "status": Status.ACTIVE,
    "visibility": Visibility.COMMUNITY,
    "disk_format": "qcow2",
    "container_format": "bare",
    "size": 2**63 - 1,
    "virtual_size": 2**62,
    "checksum": "0" * 32,
    "os_hash_algo": "sha512",
    "os_hash_value": "f" * 128,
    "min_disk": 2**31 - 1,
    "min_ram": 1,
    "protected": True,
    "os_hidden": True,
    "properties": {"os": "debian", "empty": "", "nothing": None},
    "tags": ("b", "a"),
    "locations": (
        Location("file:///images/1", {"store": "one", "any": "Ünï \"'\\"}),
        Location("rbd://a:b@c/d?e=f%20g#h"),
    ),
}


@pytest.mark.parametrize("fields", [{}, FULL], ids=["bare", "full"])
def test_what_is_added_comes_back(rows: Images, fields: dict[str, Any]) -> None:
    image = saved(rows, **fields)
    found = rows.get(image.id)
    assert comparable(found) == comparable(image)
    assert [location.id is not None for location in found.locations] == [True] * len(
        image.locations
    )


def test_nobody_is_not_the_owner_none(rows: Images) -> None:
    image = saved(rows, owner=None, name=None)
    assert rows.get(image.id).owner is None


def test_an_id_is_taken_once_even_by_many_at_once(rows: Images) -> None:
    image = new_image()
    results = at_once(*[lambda: rows.add(image.with_(name="x"))] * WRITERS)
    assert results.count(None) == 1
    assert sum(isinstance(result, errors.Duplicate) for result in results) == WRITERS - 1


def test_what_is_not_there(rows: Images) -> None:
    for image_id in ("", "x", "x" * 4000, new_image().id):
        with pytest.raises(errors.ImageNotFound):
            rows.get(image_id)
        assert not rows.is_member(image_id, "ours")


def test_an_image_that_is_deleted_is_not_there(rows: Images, database: Database) -> None:
    image = saved(rows)
    with database.writing() as connection:
        connection.execute(update(images).values(deleted=True))
    with pytest.raises(errors.ImageNotFound):
        rows.get(image.id)
    with pytest.raises(errors.ImageNotFound):
        rows.swap(image, image.with_(name="new"))


# -- swap --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts(rows: Images, text: str) -> None:
    texts = {"name": text, "properties": {f"key {text}": text, "other": text}, "tags": (text, "t")}
    image = saved(rows, **texts)
    assert comparable(rows.get(image.id)) == comparable(image)
    changed = image.with_(properties={f"key {text}": text * 2}, tags=(text * 2 + "x",))
    rows.swap(image, changed)
    found = rows.get(image.id)
    assert (found.properties, found.tags) == (changed.properties, changed.tags)


def test_swap_writes_what_differs_and_nothing_else(rows: Images) -> None:
    image = saved(rows, **FULL)
    first = rows.get(image.id)
    # Two who saw the same, and change different things:
    rows.swap(first, first.with_(name="new", properties={**first.properties, "one": "1"}))
    rows.swap(first, first.with_(min_ram=7, tags=("a", "b", "c")))
    properties = {name: value for name, value in first.properties.items() if name != "os"}
    rows.swap(first, first.with_(properties=properties))
    found = rows.get(image.id)
    assert (found.name, found.min_ram, set(found.tags)) == ("new", 7, {"a", "b", "c"})
    assert found.properties == {"empty": "", "nothing": None, "one": "1"}
    assert found.locations == first.locations


def test_swap_returns_what_is_saved(rows: Images) -> None:
    image = saved(rows)
    location = Location("file:///images/1", {"store": "one"})
    swapped = rows.swap(image, image.moved_to(Status.SAVING, locations=(location,)))
    assert swapped == rows.get(image.id)
    again = rows.swap(swapped, swapped.with_(name="new"))
    assert again == rows.get(image.id)


def test_swap_never_sets_the_time_of_change_back(rows: Images) -> None:
    later = now() + timedelta(days=1)  # as a neighbour's clock says
    image = saved(rows, updated_at=later)
    assert rows.swap(image, image.with_(name="new")).updated_at == later


def test_who_comes_second_learns_it(rows: Images) -> None:
    image = saved(rows)
    rows.swap(image, image.moved_to(Status.SAVING))
    with pytest.raises(errors.ChangedMeanwhile):
        rows.swap(image, image.moved_to(Status.SAVING))
    with pytest.raises(errors.ChangedMeanwhile):
        rows.swap(image, image.with_(name="new"))
    assert rows.get(image.id).name is None


def test_of_many_who_move_an_image_at_once_one_does(rows: Images) -> None:
    image = saved(rows)
    results = at_once(
        *(
            partial(rows.swap, image, image.moved_to(Status.SAVING, name=f"writer {number}"))
            for number in range(WRITERS)
        )
    )
    winners = [result for result in results if isinstance(result, Image)]
    losers = [result for result in results if isinstance(result, errors.ChangedMeanwhile)]
    assert (len(winners), len(losers)) == (1, WRITERS - 1), results
    assert rows.get(image.id).name == winners[0].name


def test_of_many_who_add_something_at_once_nothing_is_lost(rows: Images) -> None:
    image = saved(rows, properties={"there": "0"}, tags=("there",))
    results = at_once(
        *(
            partial(
                rows.swap,
                image,
                image.with_(
                    properties={**image.properties, f"p{number}": "v", "same": str(number)},
                    tags=(*image.tags, f"t{number}", "same"),
                ),
            )
            for number in range(WRITERS)
        )
    )
    assert [result for result in results if not isinstance(result, Image)] == []
    found = rows.get(image.id)
    expected = {"there": "0", "same": found.properties["same"]}
    assert found.properties == expected | {f"p{number}": "v" for number in range(WRITERS)}
    assert sorted(found.tags) == sorted(["there", "same", *(f"t{n}" for n in range(WRITERS))])


def test_of_a_change_and_a_move_at_once_each_is_whole_or_did_not_happen(rows: Images) -> None:
    for _ in range(5):
        image = saved(rows, properties={"a": "1"})
        changed, moved = at_once(
            partial(rows.swap, image, image.with_(properties={"a": "2", "b": "2"}, name="n")),
            partial(rows.swap, image, image.moved_to(Status.SAVING)),
        )
        assert isinstance(moved, Image)
        found = rows.get(image.id)
        assert found.status is Status.SAVING
        if isinstance(changed, Image):
            assert (found.name, found.properties) == ("n", {"a": "2", "b": "2"})
        else:
            assert isinstance(changed, errors.ChangedMeanwhile)
            assert (found.name, found.properties) == (None, {"a": "1"})


def test_a_guard_that_refuses_keeps_everything_as_it_was(rows: Images) -> None:
    def refuse(_connection: object) -> None:
        raise errors.ChangedMeanwhile("not mine any more")

    image = saved(rows, tags=("t",))
    with pytest.raises(errors.ChangedMeanwhile, match="not mine"):
        rows.swap(image, image.with_(name="new", tags=(), properties={"a": "b"}), refuse)
    assert rows.get(image.id) == image


def test_what_the_tables_cannot_keep_is_refused_and_nothing_is_half_written(
    rows: Images, database: Database
) -> None:
    """What the API refuses before must not break anything here."""
    image = saved(rows, properties={"a": "1"}, tags=("t",))
    for text in ("\ud800", "x" * 256, "\N{GRINNING FACE}", "a\0b"):
        for fields in (
            {"name": text},
            {"properties": {"a": "2", text: "v"}},
            {"tags": ("t", text)},
        ):
            before = rows.get(image.id)
            try:
                rows.swap(before, before.with_(**{"owner": "new", **fields}))
            except errors.Invalid:
                assert rows.get(image.id) == before
            else:  # an engine that keeps it
                found = rows.get(image.id)
                assert all(_found(found, name, value) for name, value in fields.items())
                rows.swap(found, before)


def _found(image: Image, name: str, value: Any) -> bool:
    found = getattr(image, name)
    return set(found) == set(value) if name == "tags" else bool(found == value)


# -- what else is asked ------------------------------------------------------------------------


def test_usage_counts_each_copy(rows: Images) -> None:
    one, two = Location("file:///1"), Location("file:///2")
    assert rows.usage("ours") == 0
    saved(rows, size=100, locations=(one, two))
    saved(rows, size=2**40, locations=(one,))
    saved(rows, size=7)
    saved(rows, size=None, locations=(one,))
    saved(rows, size=10_000, locations=(one,), owner="theirs")
    saved(rows, size=10_000, locations=(one,), status=Status.KILLED)
    assert rows.usage("ours") == 200 + 2**40
    assert rows.usage("theirs") == 10_000
    assert rows.usage("nobody") == 0


def test_usage_forgets_what_is_deleted(rows: Images, database: Database) -> None:
    image = saved(rows, size=5, locations=(Location("file:///1"), Location("file:///2")))
    assert rows.usage("ours") == 10
    found = rows.get(image.id)
    rows.swap(found, found.with_(locations=found.locations[:1]))
    assert rows.usage("ours") == 5
    with database.writing() as connection:
        connection.execute(update(images).values(deleted=True))
    assert rows.usage("ours") == 0


def test_urls_that_some_image_names(rows: Images, database: Database) -> None:
    image = saved(rows, locations=(Location("file:///1"), Location("file:///2")))
    assert rows.named([]) == set()
    assert rows.named(["file:///1", "file:///3"]) == {"file:///1"}
    assert rows.located([image.id, new_image().id]) == {image.id: {"file:///1", "file:///2"}}
    bare = saved(rows)
    assert rows.located([bare.id]) == {bare.id: set()}
    found = rows.get(image.id)
    rows.swap(found, found.with_(locations=found.locations[1:]))
    assert rows.named(["file:///1", "file:///2"]) == {"file:///2"}
    with database.writing() as connection:
        connection.execute(update(image_locations).values(status="pending_delete", deleted=True))
    assert rows.named(["file:///1", "file:///2"]) == {"file:///1", "file:///2"}


def test_images_in_a_status(rows: Images) -> None:
    queued, saving = saved(rows), saved(rows, status=Status.SAVING)
    assert rows.in_status(Status.SAVING) == [saving.id]
    assert rows.in_status(Status.QUEUED) == [queued.id]
    assert rows.in_status(Status.ACTIVE) == []


def test_rows_as_glance_leaves_them(rows: Images, database: Database) -> None:
    """Properties that shadow fields or are deleted, locations of other statuses, no metadata."""
    image = saved(rows, properties={"os_hash_algo": "md5", "gone": "1"})
    at = now()
    with database.writing() as connection:
        gone = update(image_properties).where(image_properties.c.name == "gone")
        connection.execute(gone.values(deleted=True, deleted_at=at))
        for url, status, metadata, deleted in [
            ("file:///1", "active", None, False),
            ("file:///2", "pending_delete", "{}", True),
            ("file:///3", "deleted", "{}", True),
            ("file:///4", "queued", "{}", False),
            ("file:///5", "active", "", False),
        ]:
            row = {"value": url, "status": status, "meta_data": metadata, "deleted": deleted}
            times = {"created_at": at, "updated_at": None}
            connection.execute(image_locations.insert().values(image_id=image.id, **row, **times))
    found = rows.get(image.id)
    assert found.properties == {"os_hash_algo": "md5"}
    assert [location.url for location in found.locations] == ["file:///1", "file:///5"]
    assert [location.metadata for location in found.locations] == [{}, {}]


def test_a_row_without_a_time_of_change(rows: Images, database: Database) -> None:
    image = saved(rows)
    with database.writing() as connection:
        connection.execute(update(images).values(updated_at=None))
    assert rows.get(image.id).updated_at == image.created_at
    with database.reading() as connection:
        assert connection.execute(select(images.c.updated_at)).scalar_one() is None
