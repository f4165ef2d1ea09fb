"""Many and long values in one JSON column, which no engine may cut."""

import pytest

from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.model.filter import Filter, Order, Viewer
from calotype.model.location import Location
from tests.db.samples import NASTY, new_image

ADMIN = Viewer(None, is_admin=True)


@pytest.fixture
def rows(database: Database) -> Images:
    return Images(database)


def test_a_hundred_long_properties(rows: Images) -> None:
    image = new_image(
        properties={f"p{n}": chr(97 + n % 26) * 60_000 for n in range(100)},
        tags=tuple(f"{n:03}" + "t" * 252 for n in range(100)),
        locations=tuple(
            Location(f"file:///{n}/" + "l" * 5_000, {"s": "m" * 5_000}) for n in range(10)
        ),
    )
    rows.add(image)
    for found in (rows.get(image.id), *rows.find(Filter(), ADMIN)):
        assert found.properties == image.properties
        assert sorted(found.tags) == sorted(image.tags)
        assert [place.url for place in found.locations] == [p.url for p in image.locations]
        assert [place.metadata for place in found.locations] == [
            p.metadata for p in image.locations
        ]


@pytest.mark.parametrize("filler", ['"', "\\", "\n", "\x01", "漢"], ids=ascii)
def test_what_grows_in_json(rows: Images, filler: str) -> None:
    value = filler * (60_000 // len(filler.encode()))
    image = new_image(properties={f"p{n}": value for n in range(20)})
    rows.add(image)
    assert rows.get(image.id).properties == image.properties


@pytest.mark.parametrize(("filler", "count"), [('"', 128), ("\x01", 60), ("x", 300)], ids=ascii)
def test_more_than_a_server_gives_in_one_column(rows: Images, filler: str, count: int) -> None:
    """MariaDB has no JSON larger than `max_allowed_packet`: one image must not hide the others."""
    image = new_image(
        properties={f"p{n}": filler * 65_535 for n in range(count)},
        tags=("a", "b"),
        locations=(Location("file:///1", {"store": "one"}), Location("file:///2")),
    )
    others = [new_image(name=str(number)) for number in range(3)]
    for each in (*others, image):
        rows.add(each)
    found = rows.get(image.id)
    assert found.properties == image.properties
    assert sorted(found.tags) == ["a", "b"]
    assert [location.url for location in found.locations] == ["file:///1", "file:///2"]
    order = (Order("name", descending=False), Order("id"))
    listed = rows.find(Filter(order=order), ADMIN)
    assert listed == [found, *(rows.get(other.id) for other in others)]
    assert rows.find(Filter(order=order, limit=2, marker=image.id), ADMIN) == listed[1:3]


def test_many_properties(rows: Images) -> None:
    image = new_image(properties={f"p{n}": str(n) for n in range(2_000)})
    rows.add(image)
    assert rows.get(image.id).properties == image.properties


def test_nasty_texts_all_together(rows: Images) -> None:
    properties = {f"{number} {text}": text for number, text in enumerate(NASTY)}
    tags = tuple(f"{number} {text}" for number, text in enumerate(NASTY))
    rows.add(image := new_image(properties=properties, tags=tags, name="".join(NASTY)))
    found = rows.get(image.id)
    assert (found.properties, sorted(found.tags)) == (properties, sorted(tags))
    assert found.name == "".join(NASTY)


def test_values_that_look_like_something_else(rows: Images) -> None:
    properties: dict[str, str | None] = {
        **{"null": "null", "number": "1", "true": "true", "list": "[1]", "object": '{"a": 1}'},
        **{"nothing": None, "empty": "", "1": "a", "2": "b", "-1": "c"},
    }
    rows.add(image := new_image(properties=properties, name="null", tags=("1", "null", "{}")))
    found = rows.get(image.id)
    assert found.properties == properties
    assert set(found.tags) == {"1", "null", "{}"}
