"""An image and the table of its statuses."""

import dataclasses
from datetime import datetime

import pytest

from calotype import errors
from calotype.model.image import MAY_FOLLOW, Image, Status, Visibility
from calotype.model.location import Location

MOMENT = datetime(2026, 11, 21)

#: From each status (a row) to each (a column): x where it may follow.
TABLE = """
                queued saving uploading importing active deactivated killed pending_delete deleted
queued          .      x      x         x         x      .           .      .              x
saving          x      .      .         .         x      .           x      .              x
uploading       x      .      .         x         .      .           .      .              x
importing       x      .      .         .         x      .           .      .              x
active          .      .      .         .         .      x           .      x              x
deactivated     .      .      .         .         x      .           .      x              x
killed          .      .      .         .         .      .           .      .              x
pending_delete  .      .      .         .         x      .           .      .              x
deleted         .      .      .         .         .      .           .      .              .
"""
_HEAD, *_ROWS = (line.split() for line in TABLE.strip().splitlines())
MOVES = [
    (Status(row[0]), Status(target), cell == "x")
    for row in _ROWS
    for target, cell in zip(_HEAD, row[1:], strict=True)
]


def image(status: Status = Status.QUEUED) -> Image:
    return Image("id", status, Visibility.SHARED, MOMENT, MOMENT)


def test_the_table_speaks_of_every_status() -> None:
    assert {start for start, _, _ in MOVES} == {end for _, end, _ in MOVES} == set(Status)
    assert set(MAY_FOLLOW) == set(Status)


@pytest.mark.parametrize(("start", "end", "may"), MOVES, ids=lambda part: str(part))
def test_which_status_may_follow(start: Status, end: Status, may: bool) -> None:
    if may:
        assert image(start).moved_to(end).status is end
    else:
        with pytest.raises(errors.Conflict, match=f"is {start.value} and cannot become"):
            image(start).moved_to(end)


def test_every_image_can_be_deleted_in_the_end() -> None:
    for status in set(Status) - {Status.DELETED}:
        assert Status.DELETED in MAY_FOLLOW[status]


def test_a_move_may_change_more() -> None:
    moved = image().moved_to(Status.ACTIVE, size=5, name="new")
    assert (moved.status, moved.size, moved.name) == (Status.ACTIVE, 5, "new")
    assert moved.with_(status=Status.ACTIVE, size=None, name=None) == image(Status.ACTIVE)


def test_an_image_cannot_be_changed_in_place() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        image().name = "new"  # type: ignore[misc]
    with pytest.raises(TypeError):
        image().properties["x"] = "y"  # type: ignore[index]
    with pytest.raises(TypeError):
        MAY_FOLLOW[Status.DELETED] = frozenset()  # type: ignore[index]


def test_two_images_share_nothing() -> None:
    one = image().with_(properties={"x": "1"}, tags=("t",))
    assert (image().properties, image().tags, image().locations) == ({}, (), ())
    assert one != image()


def test_secrets_do_not_get_into_logs() -> None:
    place = Location("swift+https://user:secret@host/image", {"store": "one"})
    shown = repr(image().with_(locations=(place,)))
    assert "secret" not in shown
    assert "secret" not in repr(place)


@pytest.mark.parametrize(
    ("metadata", "store"), [({}, None), ({"store": "one"}, "one"), ({"backend": "x"}, None)]
)
def test_the_store_of_a_location(metadata: dict[str, str], store: str | None) -> None:
    assert Location("file:///1", metadata).store == store
