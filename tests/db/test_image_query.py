"""What a filter asks of each engine, where HTTP cannot show it: see also tests/api/test_list.py."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from calotype import errors
from calotype.db import image_query
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.tables import images
from calotype.model.filter import SORT_KEYS, Condition, Filter, Order, Test, Viewer
from calotype.model.image import Image, Status, Visibility
from tests.db.samples import new_image

ADMIN = Viewer(None, is_admin=True)
OURS = Viewer("ours", is_admin=False)
NOBODY = Viewer(None, is_admin=False)


@pytest.fixture
def rows(database: Database) -> Images:
    return Images(database)


def saved(rows: Images, **fields: object) -> Image:
    image = new_image(**fields)
    rows.add(image)
    return image


def ids(rows: Images, viewer: Viewer = ADMIN, **wanted: object) -> list[str]:
    return [image.id for image in rows.find(Filter(**wanted), viewer)]  # type: ignore[arg-type]


def test_tags_are_compared_each_for_itself(rows: Images, database: Database) -> None:
    """Also where the engine takes some of them for the same."""
    lower, upper, both = (
        saved(rows, tags=("a",)),
        saved(rows, tags=("A",)),
        saved(rows, tags=("a", "A")),
    )
    same = database.dialect == "mysql"
    everything = {lower.id, upper.id, both.id}
    assert set(ids(rows, tags=("a",))) == (everything if same else {lower.id, both.id})
    assert set(ids(rows, tags=("a", "A"))) == (everything if same else {both.id})
    assert ids(rows, tags=("a", "A", "b")) == []


def test_a_removed_tag_or_property_does_not_match(rows: Images) -> None:
    image = saved(rows, tags=("a", "b"), properties={"x": "1", "y": "2"})
    rows.swap(image, image.with_(tags=("b",), properties={"x": "1"}))
    assert ids(rows, tags=("a",)) == ids(rows, tags=("a", "b")) == []
    assert ids(rows, properties={"y": "2"}) == ids(rows, properties={"x": "1", "y": "2"}) == []
    assert ids(rows, tags=("b",), properties={"x": "1"}) == [image.id]


def test_all_of_several_properties(rows: Images) -> None:
    image = saved(rows, properties={"x": "1", "y": "2", "z": None})
    saved(rows, properties={"x": "1", "y": "1"})
    saved(rows, properties={"x": "2", "y": "2"})
    assert ids(rows, properties={"x": "1", "y": "2"}) == [image.id]
    assert ids(rows, properties={"x": "2", "y": "1"}) == []
    assert ids(rows, properties={"z": ""}) == []


#: Numbers at and beyond the edges of the columns.
@pytest.mark.parametrize("field", ["size", "min_ram", "min_disk"])
@pytest.mark.parametrize("number", [0, 2**31 - 1, 2**31, 2**63 - 1, -1, -(2**31) - 1, -(2**63) + 1])
def test_numbers_of_any_size(rows: Images, field: str, number: int) -> None:
    image = saved(rows, size=5, min_ram=5, min_disk=5)
    for test, is_found in [
        (Test.GTE, number <= 5),
        (Test.LTE, number >= 5),
        (Test.GT, number < 5),
        (Test.LT, number > 5),
        (Test.EQ, False),
        (Test.NEQ, True),
    ]:
        found = ids(rows, conditions=(Condition(field, test, number),))
        assert found == ([image.id] if is_found else []), test


def test_times_of_any_age(rows: Images) -> None:
    image = saved(rows)
    for moment in (datetime(1, 1, 1), datetime(1000, 1, 1), datetime(9999, 12, 31, 23, 59, 59)):
        later = moment.year > 3000
        for test, is_found in [(Test.GT, not later), (Test.LT, later), (Test.EQ, False)]:
            found = ids(rows, conditions=(Condition("created_at", test, moment),))
            assert found == ([image.id] if is_found else []), (moment, test)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("moment", [datetime(1000, 1, 1), datetime(9998, 12, 31, 23, 59, 59)])
def test_no_image_is_too_old_or_too_new_for_the_first_page(
    rows: Images, descending: bool, moment: datetime
) -> None:
    image = saved(rows, created_at=moment)
    order = (Order("created_at", descending), Order("id", descending))
    assert ids(rows, order=order) == [image.id]


def test_a_walk_in_each_order_of_two_keys(rows: Images) -> None:
    """With what sorts in odd places: nothing, empty text, equal values."""
    start = datetime(2026, 1, 1)
    for number in range(8):
        saved(
            rows,
            name=(None, "", "a", "B")[number % 4],
            size=(None, 0, 2**40)[number % 3],
            disk_format=(None, "raw")[number % 2],
            created_at=start + timedelta(seconds=number // 3),
            status=(Status.QUEUED, Status.ACTIVE)[number // 4],
        )
    for first in SORT_KEYS:
        for second in ("name", "size", "created_at"):
            for ways in ((True, True), (True, False), (False, True), (False, False)):
                keys = dict(zip((first, second), ways, strict=True))
                order = tuple(Order(key, way) for key, way in {**keys, "id": True}.items())
                _walk(rows, order)


def _walk(rows: Images, order: tuple[Order, ...]) -> None:
    whole = rows.find(Filter(order=order, limit=100), ADMIN)
    assert len(whole) == 8
    marker: str | None = None
    for expected in [whole[start : start + 3] for start in (0, 3, 6)]:
        page = rows.find(Filter(order=order, limit=3, marker=marker), ADMIN)
        assert [image.id for image in page] == [image.id for image in expected], order
        marker = page[-1].id


def test_no_project_is_not_the_owner_of_what_nobody_owns(rows: Images) -> None:
    mine, nobodys = saved(rows), saved(rows, owner=None)
    public = saved(rows, owner=None, visibility=Visibility.PUBLIC)
    assert set(ids(rows, NOBODY)) == {public.id}
    assert set(ids(rows, NOBODY, all_visibilities=True)) == {public.id}
    assert set(ids(rows, OURS)) == {mine.id, public.id}
    assert set(ids(rows, ADMIN)) == {mine.id, nobodys.id, public.id}
    for image, is_seen in ((mine, False), (nobodys, False), (public, True)):
        if is_seen:
            rows.find(Filter(marker=image.id), NOBODY)
        else:
            with pytest.raises(errors.Invalid, match="marker"):
                rows.find(Filter(marker=image.id), NOBODY)


def test_community_images_of_an_admin_without_a_project(rows: Images) -> None:
    theirs = saved(rows, visibility=Visibility.COMMUNITY)
    nobodys = saved(rows, visibility=Visibility.COMMUNITY, owner=None)
    assert ids(rows, ADMIN) == [nobodys.id]
    assert set(ids(rows, ADMIN, all_visibilities=True)) == {theirs.id, nobodys.id}


def test_a_page_of_nothing_asks_nothing(rows: Images) -> None:
    saved(rows)
    assert rows.find(Filter(limit=0, marker="no such image"), ADMIN) == []


def test_a_statement_does_not_grow_with_the_depth_of_the_page() -> None:
    order = (Order("name"), Order("created_at"), Order("id"))
    first = image_query.page(select(images.c.id), Filter(order=order), OURS, None)
    later = image_query.page(
        select(images.c.id), Filter(order=order), OURS, ("x", datetime(2026, 1, 1), "y")
    )
    assert len(str(later)) < len(str(first)) + 1000
    assert "OFFSET" not in str(later)
