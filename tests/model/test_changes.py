"""Changes of an image: all or nothing, without I/O; most cells are in tests/api/test_patch.py."""

from datetime import datetime
from typing import Any

import pytest

from calotype import errors
from calotype.model.changes import Change, Op, apply
from calotype.model.image import Image, Status, Visibility

MOMENT = datetime(2026, 11, 21)


def image(**fields: Any) -> Image:
    made = Image("id", Status.QUEUED, Visibility.SHARED, MOMENT, MOMENT, properties={"os": "x"})
    return made.with_(**fields)


#: Changes, and the fields that differ afterwards.
DONE: list[tuple[list[Change], dict[str, Any]]] = [
    ([], {}),
    ([Change(Op.REPLACE, "name", "n")], {"name": "n"}),
    ([Change(Op.REPLACE, "visibility", "public")], {"visibility": Visibility.PUBLIC}),
    ([Change(Op.REPLACE, "tags", ["b", "a", "b"])], {"tags": ("b", "a")}),
    ([Change(Op.ADD, "new", "v")], {"properties": {"os": "x", "new": "v"}}),
    ([Change(Op.ADD, "new", "v", strict=True)], {"properties": {"os": "x", "new": "v"}}),
    ([Change(Op.ADD, "os", "y")], {"properties": {"os": "y"}}),
    ([Change(Op.REMOVE, "os")], {"properties": {}}),
    (
        [Change(Op.REMOVE, "os"), Change(Op.ADD, "os", "z", strict=True)],
        {"properties": {"os": "z"}},
    ),
    ([Change(Op.REPLACE, "name", "1"), Change(Op.REPLACE, "name", "2")], {"name": "2"}),
]


@pytest.mark.parametrize(("changes", "expected"), DONE)
def test_changes(changes: list[Change], expected: dict[str, Any]) -> None:
    before = image()
    assert apply(before, changes) == before.with_(**expected)
    assert before == image()


#: Changes and the error they end in.
REFUSED: list[tuple[list[Change], type[errors.Error], str]] = [
    ([Change(Op.ADD, "os", "y", strict=True)], errors.Conflict, "os: the image has this property"),
    ([Change(Op.ADD, "name", "y", strict=True)], errors.Conflict, "name: is there already"),
    ([Change(Op.REMOVE, "nothing")], errors.Conflict, "nothing: the image has no such property"),
    ([Change(Op.REPLACE, "nothing", "v")], errors.Conflict, "no such property"),
    ([Change(Op.REMOVE, "name")], errors.Denied, "name: cannot be removed"),
    ([Change(Op.REPLACE, "status", "active")], errors.Denied, "'status' is read-only"),
    ([Change(Op.ADD, "os_glance_x", "v")], errors.Denied, "'os_glance_x' is reserved"),
    ([Change(Op.ADD, "ok", "v"), Change(Op.REMOVE, "size")], errors.Denied, "'size'"),
]


@pytest.mark.parametrize(("changes", "error", "says"), REFUSED)
@pytest.mark.parametrize("first", [[], [Change(Op.REPLACE, "name", "n"), Change(Op.ADD, "x", "y")]])
def test_refusals(
    first: list[Change], changes: list[Change], error: type[errors.Error], says: str
) -> None:
    before = image()
    with pytest.raises(error, match=says):
        apply(before, [*first, *changes])
    assert before == image()


@pytest.mark.parametrize("field", ["disk_format", "container_format"])
@pytest.mark.parametrize("status", list(Status))
def test_formats_change_only_before_there_is_data(field: str, status: Status) -> None:
    change = Change(Op.REPLACE, field, "raw")
    if status in (Status.QUEUED, Status.IMPORTING):
        assert getattr(apply(image(status=status), [change]), field) == "raw"
    else:
        with pytest.raises(errors.Denied, match=f"this one is {status.value}"):
            apply(image(status=status), [change])
