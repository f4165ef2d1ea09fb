"""Removing old deleted rows: which go, which stay, and how many at a time."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from calotype import errors
from calotype.db import purge as purging
from calotype.db.purge import held, purge, purge_images
from calotype.db.tables import (
    image_locations,
    image_members,
    image_properties,
    image_tags,
    images,
    task_info,
    tasks,
)

NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
OLD = {"created_at": NOW, "deleted": True, "deleted_at": NOW - timedelta(days=400)}
RECENT = {"created_at": NOW, "deleted": True, "deleted_at": NOW - timedelta(days=5)}
LIVING = {"created_at": NOW, "deleted": False}
REVIVED = OLD | {"deleted": False}
NOTHING = dict.fromkeys(
    ["image_properties", "image_tags", "image_members", "image_locations", "tasks"], 0
)


@pytest.fixture
def put(database):
    """`put(table, rows of the same shape...)`"""

    def put(table, *rows):
        with database.writing() as connection:
            connection.execute(insert(table), list(rows))

    return put


def image(image_id, life, status="deleted"):
    return {"id": image_id, "status": status, "min_disk": 0, "min_ram": 0, **life}


def prop(name, life):
    return {"image_id": "i", "name": name, **life}


def task(task_id, life):
    return {"id": task_id, "type": "import", "status": "success", "owner": "me", **life}


def left(database, column):
    with database.reading() as connection:
        return list(connection.scalars(select(column).order_by(column)))


def test_old_deleted_rows_go_and_all_others_stay(database, put):
    put(images, image("i", OLD))
    lives = (("old", OLD), ("recent", RECENT))
    put(image_properties, *(prop(name, life) for name, life in lives))
    put(image_tags, *({"image_id": "i", "value": name, **life} for name, life in lives))
    put(image_locations, *(loc(name, life) for name, life in lives))
    put(image_members, *(member(name, life) for name, life in lives))
    put(tasks, *(task(name, life) for name, life in lives))
    put(task_info, {"task_id": "old"}, {"task_id": "recent"})
    put(image_properties, prop("living", LIVING))
    put(tasks, task("living", LIVING))

    assert purge(database, age_in_days=30) == dict.fromkeys(NOTHING, 1)

    assert left(database, image_properties.c.name) == ["living", "recent"]
    assert left(database, image_tags.c.value) == ["recent"]
    assert left(database, image_locations.c.value) == ["recent"]
    assert left(database, image_members.c.member) == ["recent"]
    assert left(database, tasks.c.id) == ["living", "recent"]
    assert left(database, task_info.c.task_id) == ["recent"]
    assert left(database, images.c.id) == ["i"]


def loc(url, life, status="deleted"):
    return {"image_id": "i", "value": url, "status": status, **life}


def member(project, life):
    return {"image_id": "i", "member": project, "can_share": False, **life}


def test_a_row_in_use_again_is_kept_although_it_has_an_old_date(database, put):
    put(images, image("i", LIVING, "active"))
    put(image_properties, prop("os_distro", REVIVED))
    put(image_members, member("them", REVIVED))

    assert purge(database, age_in_days=0) == NOTHING
    assert left(database, image_properties.c.name) == ["os_distro"]
    assert left(database, image_members.c.member) == ["them"]


def test_what_the_scrubber_has_still_to_do_is_kept(database, put):
    put(images, image("i", OLD, "pending_delete"))
    put(image_locations, loc("file:///i", OLD, "pending_delete"))

    assert purge(database) == NOTHING
    assert left(database, image_locations.c.value) == ["file:///i"]
    assert purge_images(database) == {"images": 0}
    put(images, image("scrubbed later", OLD, "pending_delete"))
    assert purge_images(database) == {"images": 0}


def test_images_go_once_nothing_refers_to_them(database, put):
    put(images, image("i", OLD), image("free", OLD), image("recent", RECENT))
    put(images, image("living", LIVING, "active"))
    put(image_tags, {"image_id": "i", "value": "t", **RECENT})

    assert held(database, 180) == 1
    assert purge_images(database) == {"images": 1}
    assert left(database, images.c.id) == ["i", "living", "recent"]

    purge(database, age_in_days=1)
    assert held(database, 180) == 0
    assert purge_images(database) == {"images": 1}
    assert left(database, images.c.id) == ["living", "recent"]


@pytest.mark.parametrize("child", ["properties", "tags", "members", "locations"])
def test_any_row_that_refers_to_an_image_keeps_it(database, put, child):
    put(images, image("i", OLD))
    {
        "properties": lambda: put(image_properties, prop("p", OLD)),
        "tags": lambda: put(image_tags, {"image_id": "i", "value": "t", **OLD}),
        "members": lambda: put(image_members, member("m", OLD)),
        "locations": lambda: put(image_locations, loc("l", OLD)),
    }[child]()

    assert purge_images(database) == {"images": 0}


@pytest.mark.parametrize(("max_rows", "removed"), [(0, 0), (3, 3), (7, 7), (100, 12), (-1, 12)])
def test_max_rows_holds_for_each_table(database, put, monkeypatch, max_rows, removed):
    monkeypatch.setattr(purging, "BATCH", 5)
    put(images, image("i", LIVING, "active"))
    put(image_tags, *({"image_id": "i", "value": f"t{i}", **OLD} for i in range(12)))
    put(tasks, *(task(f"{i:02}", OLD) for i in range(12)))

    gone = purge(database, max_rows=max_rows)

    assert gone == NOTHING | {"image_tags": removed, "tasks": removed}
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(image_tags)) == 12 - removed


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"age_in_days": -1}, "age_in_days"),
        ({"age_in_days": 100_000}, "age_in_days"),
        ({"max_rows": -2}, "max_rows"),
    ],
)
@pytest.mark.parametrize("verb", [purge, purge_images])
def test_impossible_numbers_are_refused(database, verb, arguments, field):
    with pytest.raises(errors.Invalid, match=field):
        verb(database, **arguments)
