"""The static limits."""

from datetime import datetime

import pytest

from calotype import errors
from calotype.caller import Caller
from calotype.model.image import Image, Status, Visibility
from calotype.quota import Quota

MOMENT = datetime(2026, 11, 21)
CALLER = Caller(project_id="ours")


def quota(used: int = 0, **limits: int) -> Quota:
    return Quota(usage=lambda project: used if project == "ours" else 1 << 60, **limits)


def image(properties: int = 0, tags: int = 0, own: int = 0) -> Image:
    names = [f"p{n}" for n in range(properties)] + [f"os_glance_{n}" for n in range(own)]
    return Image(
        "id", Status.QUEUED, Visibility.SHARED, MOMENT, MOMENT,
        properties=dict.fromkeys(names, "v"),
        tags=tuple(f"t{n}" for n in range(tags)),
    )  # fmt: skip


#: Limits, an image, and what the message says when it is too much.
IMAGES = [
    ({"image_property_quota": 2}, image(properties=2), None),
    ({"image_property_quota": 2}, image(properties=3), "properties: at most 2 are allowed"),
    ({"image_property_quota": 2}, image(properties=2, own=5), None),
    ({"image_property_quota": 0}, image(properties=1), "this would make 1"),
    ({"image_property_quota": -1}, image(properties=1000), None),
    ({"image_tag_quota": 2}, image(tags=2), None),
    ({"image_tag_quota": 2}, image(tags=3), "tags: at most 2 are allowed"),
    ({"image_tag_quota": -1}, image(tags=1000), None),
    ({}, image(properties=128, tags=128), None),
    ({}, image(properties=129), "properties: at most 128"),
    ({}, image(tags=129), "tags: at most 128"),
]


@pytest.mark.parametrize(("limits", "given", "says"), IMAGES)
def test_an_image(limits: dict[str, int], given: Image, says: str | None) -> None:
    if says is None:
        quota(**limits).check_image(given)
    else:
        with pytest.raises(errors.OverLimit, match=says):
            quota(**limits).check_image(given)


#: Before and after a change of an image that may have two of each, and whether it is too much.
CHANGES = [
    (image(2, 2), image(3, 2), True),
    (image(2, 2), image(2, 3), True),
    (image(4, 4), image(4, 4).with_(name="new"), False),
    (image(4, 4), image(3, 3), False),
    (image(4, 0), image(4, 0).with_(properties=dict.fromkeys("abcd", "v")), True),
    (image(4, 0), image(4, 0).with_(properties=dict.fromkeys(image(4).properties, "w")), False),
    (image(4, 0), image(4, 2), False),  # too many properties, but only tags are added
    (image(0, 4), image(2, 4), False),
    (image(0, 4), image(0, 4).with_(tags=("new",)), False),
    (image(0, 4), image(0, 4).with_(tags=("x", "y", "z")), True),
]


@pytest.mark.parametrize(("old", "new", "is_over"), CHANGES)
def test_a_change_is_judged_by_what_it_adds(old: Image, new: Image, is_over: bool) -> None:
    limited = quota(image_property_quota=2, image_tag_quota=2)
    if is_over:
        with pytest.raises(errors.OverLimit):
            limited.check_change(old, new)
    else:
        limited.check_change(old, new)


@pytest.mark.parametrize(
    ("limit", "count", "is_over"), [(2, 2, False), (2, 3, True), (0, 1, True), (-1, 9999, False)]
)
def test_members(limit: int, count: int, is_over: bool) -> None:
    limited = quota(image_member_quota=limit)
    if is_over:
        with pytest.raises(errors.OverLimit, match=f"members: at most {limit}"):
            limited.check_members(count)
    else:
        limited.check_members(count)


#: Used bytes, limits, and the room that is left.
ROOM = [
    (0, {}, 1 << 40),
    (1 << 50, {}, 1 << 40),
    (0, {"image_size_cap": 7}, 7),
    (0, {"user_storage_quota": 10}, 10),
    (3, {"user_storage_quota": 10}, 7),
    (11, {"user_storage_quota": 10}, 0),
    (0, {"user_storage_quota": 10, "image_size_cap": 7}, 7),
    (9, {"user_storage_quota": 10, "image_size_cap": 7}, 1),
]


@pytest.mark.parametrize(("used", "limits", "room"), ROOM)
def test_room(used: int, limits: dict[str, int], room: int) -> None:
    left, name = quota(used, **limits).room(CALLER)
    assert left == room
    bound_by_project = room < limits.get("image_size_cap", 1 << 40)
    assert ("user_storage_quota" in name) == bound_by_project


def test_who_has_no_project_is_bound_by_the_size_of_one_image_only() -> None:
    limited = quota(user_storage_quota=5)
    assert limited.room(Caller(is_admin=True)) == (1 << 40, "image_size_cap")
