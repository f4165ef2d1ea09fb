"""An image: what it is, which statuses it has, and which status may follow which.

Rule 1: only `Image.moved_to` changes a status, and it consults MAY_FOLLOW.
Rule 2: an `active` image has a disk format, a container format and a size.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from calotype import errors
from calotype.model.location import Location

NO_PROPERTIES: Mapping[str, str | None] = MappingProxyType({})


class Status(StrEnum):
    """Where an image stands in its life."""

    QUEUED = "queued"
    SAVING = "saving"
    UPLOADING = "uploading"
    IMPORTING = "importing"
    ACTIVE = "active"
    DEACTIVATED = "deactivated"
    KILLED = "killed"
    PENDING_DELETE = "pending_delete"
    DELETED = "deleted"


class Visibility(StrEnum):
    """Who may see an image."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "shared"
    COMMUNITY = "community"


#: Which statuses may follow each: the one table of the life of an image.
MAY_FOLLOW: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.QUEUED: frozenset(
            {Status.SAVING, Status.UPLOADING, Status.IMPORTING, Status.ACTIVE, Status.DELETED}
        ),
        Status.SAVING: frozenset({Status.ACTIVE, Status.KILLED, Status.DELETED, Status.QUEUED}),
        Status.UPLOADING: frozenset({Status.IMPORTING, Status.QUEUED, Status.DELETED}),
        Status.IMPORTING: frozenset({Status.ACTIVE, Status.DELETED, Status.QUEUED}),
        Status.ACTIVE: frozenset({Status.PENDING_DELETE, Status.DELETED, Status.DEACTIVATED}),
        Status.DEACTIVATED: frozenset({Status.ACTIVE, Status.PENDING_DELETE, Status.DELETED}),
        Status.KILLED: frozenset({Status.DELETED}),
        Status.PENDING_DELETE: frozenset({Status.DELETED, Status.ACTIVE}),
        Status.DELETED: frozenset(),
    }
)


@dataclass(frozen=True, slots=True)
class Image:
    """One image record, without its bytes.

    Sizes are in bytes, `min_ram` in MiB, `min_disk` in GiB, times in UTC.
    """

    id: str
    status: Status
    visibility: Visibility
    created_at: datetime
    updated_at: datetime
    owner: str | None = None
    name: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    os_hidden: bool = False
    properties: Mapping[str, str | None] = field(default_factory=lambda: NO_PROPERTIES)
    tags: tuple[str, ...] = ()
    locations: tuple[Location, ...] = field(default=(), repr=False)

    def with_(self, **changes: Any) -> Self:
        """The same image with some fields changed; a status goes through `moved_to`."""
        return replace(self, **changes)

    def may_become(self, status: Status) -> bool:
        """Whether a status may follow its own."""
        return status in MAY_FOLLOW[self.status]

    def moved_to(self, status: Status, **changes: Any) -> Self:
        """The same image in a status that may follow its own.

        Raises Conflict when the table does not allow it.
        """
        if not self.may_become(status):
            raise errors.Conflict(
                f"Image {self.id} is {self.status.value} and cannot become {status.value}"
            )
        return replace(self, status=status, **changes)
