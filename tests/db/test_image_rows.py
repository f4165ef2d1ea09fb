"""Properties, tags and locations on each engine: rows come, go, and are used again."""

from typing import Any

import pytest
from sqlalchemy import Table, select

from calotype import errors
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.tables import image_locations, image_properties, image_tags
from calotype.model.image import Image, Status
from calotype.model.location import Location
from tests.db.samples import new_image


@pytest.fixture
def rows(database: Database) -> Images:
    return Images(database)


def table(database: Database, of: Table, *columns: str) -> list[tuple[Any, ...]]:
    with database.reading() as connection:
        wanted = select(*(of.c[name] for name in columns)).order_by(of.c.id)
        return [tuple(row) for row in connection.execute(wanted)]


def with_properties(rows: Images, image: Image, **properties: str | None) -> Image:
    return rows.swap(image, image.with_(properties=properties))


# -- properties ----------------------------------------------------------------------------------


def test_a_property_that_comes_back_takes_its_old_row(rows: Images, database: Database) -> None:
    image = new_image(properties={"a": "1", "b": "1"})
    rows.add(image)
    numbers = table(database, image_properties, "id", "name")
    for value in ("2", "3"):
        image = with_properties(rows, image, b="1")
        image = with_properties(rows, image)
        assert [row for row in table(database, image_properties, "deleted")] == [(True,), (True,)]
        image = with_properties(rows, image, a=value, b=value)
        assert table(database, image_properties, "id", "name") == numbers
        assert table(database, image_properties, "value", "deleted") == [(value, False)] * 2
    assert rows.get(image.id).properties == {"a": "3", "b": "3"}


def test_removed_and_changed_in_one_go(rows: Images, database: Database) -> None:
    image = new_image(properties={"a": "1", "b": "1", "c": None})
    rows.add(image)
    image = with_properties(rows, image, b="2", c="", d="4")
    assert rows.get(image.id).properties == {"b": "2", "c": "", "d": "4"}
    assert table(database, image_properties, "name", "value", "deleted") == [
        ("a", "1", True),
        ("b", "2", False),
        ("c", "", False),
        ("d", "4", False),
    ]


def test_a_property_somebody_removed_meanwhile_comes_back_when_it_is_changed(rows: Images) -> None:
    first = new_image(properties={"a": "1", "b": "1"})
    rows.add(first)
    with_properties(rows, first, b="1")
    with_properties(rows, first, a="2", b="1")
    assert rows.get(first.id).properties == {"a": "2", "b": "1"}


def test_a_property_somebody_added_meanwhile_is_overwritten(rows: Images) -> None:
    first = new_image()
    rows.add(first)
    with_properties(rows, first, a="1")
    with_properties(rows, first, a="2")
    assert rows.get(first.id).properties == {"a": "2"}


def test_the_same_names_in_two_images(rows: Images) -> None:
    one, two = new_image(properties={"a": "1"}), new_image(properties={"a": "2"})
    rows.add(one)
    rows.add(two)
    with_properties(rows, one)
    with_properties(rows, one, a="3")
    assert rows.get(two.id).properties == {"a": "2"}
    assert rows.get(one.id).properties == {"a": "3"}


#: Pairs of names that MariaDB takes for the same.
ALIKE = [("os", "OS"), ("a", "ä"), ("x", "x "), ("ß", "s"), ("", " ")]


@pytest.mark.parametrize(("one", "two"), ALIKE)
def test_names_that_only_some_engines_tell_apart(
    rows: Images, database: Database, one: str, two: str
) -> None:
    same = database.dialect == "mysql"
    image = new_image(properties={one: "1", "other": "1"})
    rows.add(image)
    if same:
        with pytest.raises(errors.Conflict, match="A property of that name exists already"):
            rows.swap(image, image.with_(properties={one: "1", two: "2", "other": "2"}))
        assert rows.get(image.id) == image
    image = rows.swap(image, image.with_(properties={two: "2", "other": "2"}))
    assert rows.get(image.id).properties == {two: "2", "other": "2"}
    image = rows.swap(image, image.with_(properties={}))
    image = rows.swap(image, image.with_(properties={one: "3"}))
    assert rows.get(image.id).properties == {one: "3"}
    assert len(table(database, image_properties, "id")) == (2 if same else 3)


def test_a_new_image_with_two_names_that_are_one(rows: Images, database: Database) -> None:
    image = new_image(properties={"os": "1", "OS": "2"})
    if database.dialect == "mysql":
        with pytest.raises(errors.Conflict, match="A property of that name exists already"):
            rows.add(image)
        with pytest.raises(errors.ImageNotFound):
            rows.get(image.id)
    else:
        rows.add(image)
        assert rows.get(image.id) == image


# -- tags ----------------------------------------------------------------------------------------


def test_a_tag_that_comes_back_has_a_new_row(rows: Images, database: Database) -> None:
    image = new_image(tags=("a", "b"))
    rows.add(image)
    image = rows.swap(image, image.with_(tags=("b",)))
    image = rows.swap(image, image.with_(tags=("b", "a")))
    assert table(database, image_tags, "value", "deleted") == [
        ("a", True),
        ("b", False),
        ("a", False),
    ]
    assert set(rows.get(image.id).tags) == {"a", "b"}


def test_tags_in_another_order_are_the_same_tags(rows: Images, database: Database) -> None:
    image = new_image(tags=("a", "b"))
    rows.add(image)
    rows.swap(image, image.with_(tags=("b", "a"), name="new"))
    assert table(database, image_tags, "value", "deleted") == [("a", False), ("b", False)]


@pytest.mark.parametrize(("one", "two"), ALIKE[:4])
def test_tags_that_are_alike_are_removed_one_by_one(rows: Images, one: str, two: str) -> None:
    image = new_image(tags=(one, two, "other"))
    rows.add(image)
    image = rows.swap(image, image.with_(tags=(two, "other")))
    assert set(rows.get(image.id).tags) == {two, "other"}
    image = rows.swap(image, image.with_(tags=("other", one)))
    assert set(rows.get(image.id).tags) == {one, "other"}


def test_a_tag_somebody_added_meanwhile_is_there_once(rows: Images, database: Database) -> None:
    first = new_image()
    rows.add(first)
    rows.swap(first, first.with_(tags=("a", "b")))
    rows.swap(first, first.with_(tags=("b", "c")))
    assert sorted(rows.get(first.id).tags) == ["a", "b", "c"]
    assert len(table(database, image_tags, "id")) == 3


# -- locations -----------------------------------------------------------------------------------


def test_locations_keep_their_order_and_their_rows(rows: Images, database: Database) -> None:
    image = new_image(status=Status.ACTIVE, locations=(Location("b:1"), Location("a:2")))
    rows.add(image)
    found = rows.get(image.id)
    first, second = found.locations
    assert (first.url, second.url) == ("b:1", "a:2")
    third = Location("c:3", {"store": "x"})
    found = rows.swap(found, found.with_(locations=(second, third)))
    assert [location.url for location in found.locations] == ["a:2", "c:3"]
    assert found.locations[0].id == second.id
    assert table(database, image_locations, "value", "status", "deleted") == [
        ("b:1", "deleted", True),
        ("a:2", "active", False),
        ("c:3", "active", False),
    ]


def test_the_metadata_of_a_location_changes_in_its_row(rows: Images, database: Database) -> None:
    rows.add(image := new_image(locations=(Location("a:1", {"store": "x"}), Location("b:2"))))
    found = rows.get(image.id)
    first, second = found.locations
    renamed = Location(first.url, {"store": "y", "ü": '"\\'}, id=first.id)
    found = rows.swap(found, found.with_(locations=(renamed, second)))
    assert found.locations == (renamed, second)
    assert len(table(database, image_locations, "id")) == 2


def test_addresses_of_any_length(rows: Images) -> None:
    url = "s3+https://key:secret%2F@host/" + "ä" * 20_000
    rows.add(image := new_image(locations=(Location(url, {"k" * 255: "v" * 20_000}),)))
    (location,) = rows.get(image.id).locations
    assert (location.url, location.metadata) == (url, {"k" * 255: "v" * 20_000})
