"""What a PATCH asks for, and an image with the changes made: no I/O, all or nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from calotype import errors
from calotype.model.image import Image, Status, Visibility
from calotype.model.properties import WRITABLE, refuse_reason

#: The statuses in which the formats may still change.
_FORMATS_OPEN = frozenset({Status.QUEUED, Status.IMPORTING})


class Op(StrEnum):
    """The operations of a JSON patch that images know."""

    ADD = "add"
    REPLACE = "replace"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Change:
    """One operation on one field. `strict`: adding what exists is a conflict (patches of v2.0).

    `place`: of the list that the field is, only the element there; `-` for one at its end.
    """

    op: Op
    name: str
    value: Any = None
    strict: bool = False
    place: str | None = None


def apply(image: Image, changes: Iterable[Change]) -> Image:
    """The image after all changes.

    Raises Denied for fields that may not be written, Conflict for properties that are missing or,
    in a strict patch, already there.
    """
    fields: dict[str, Any] = {}
    properties = dict(image.properties)
    for change in changes:
        reason = refuse_reason(change.name)
        if reason:
            raise errors.Denied(reason)
        if change.name in WRITABLE:
            fields[change.name] = _field_value(image, change)
        else:
            _apply_property(properties, change)
    return replace(image, properties=properties, **fields)


def _field_value(image: Image, change: Change) -> Any:
    if change.op is Op.REMOVE:
        raise errors.Denied(f"{change.name}: cannot be removed, only replaced")
    if change.op is Op.ADD and change.strict:
        raise errors.Conflict(f"{change.name}: is there already; replace it")
    value = change.value
    match change.name:
        case "container_format" | "disk_format" if image.status not in _FORMATS_OPEN:
            raise errors.Denied(
                f"{change.name}: cannot change once an image has data; "
                f"this one is {image.status.value}"
            )
        case "visibility":
            value = Visibility(value)
        case "tags":
            value = tuple(dict.fromkeys(value))
    return value


def _apply_property(properties: dict[str, str | None], change: Change) -> None:
    name, present = change.name, change.name in properties
    if change.op is not Op.ADD and not present:
        raise errors.Conflict(f"{name}: the image has no such property")
    if change.op is Op.ADD and change.strict and present:
        raise errors.Conflict(f"{name}: the image has this property already; replace it")
    if change.op is Op.REMOVE:
        del properties[name]
    else:
        properties[name] = change.value
