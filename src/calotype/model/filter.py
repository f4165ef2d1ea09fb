"""What a list of images or tasks is asked for: conditions, order and page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from calotype.model.image import Visibility


class Test(StrEnum):
    """How a column is compared."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    EQ = "eq"
    NEQ = "neq"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    IN = "in"


Value: TypeAlias = str | int | bool | datetime | tuple[str, ...]

#: The columns a list may be ordered by.
SORT_KEYS = (
    "name",
    "status",
    "container_format",
    "disk_format",
    "size",
    "id",
    "created_at",
    "updated_at",
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison of an image's own field."""

    field: str
    test: Test
    value: Value


@dataclass(frozen=True, slots=True)
class Order:
    """One key of the sort order."""

    key: str
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Filter:
    """A page of the image list: which images, in which order, from where, how many."""

    conditions: tuple[Condition, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    visibility: Visibility | None = None
    all_visibilities: bool = False
    member_status: str | None = "accepted"
    os_hidden: bool = False
    order: tuple[Order, ...] = (Order("created_at"), Order("id"))
    marker: str | None = None
    limit: int = 25


#: The fields a list of tasks may be ordered by.
TASK_SORT_KEYS = (
    "id",
    "type",
    "status",
    "owner",
    "image_id",
    "request_id",
    "user_id",
    "created_at",
    "updated_at",
    "expires_at",
)


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """A page of the list of tasks."""

    type: str | None = None
    status: str | None = None
    order: tuple[Order, ...] = (Order("created_at"), Order("id"))
    marker: str | None = None
    limit: int = 25


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose list it is: an admin sees all, others what is theirs, public or shared with them."""

    project_id: str | None
    is_admin: bool
