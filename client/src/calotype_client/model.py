"""What the service talks about, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

Json = Mapping[str, Any]

#: Fields of an image that are not properties somebody gave it.
FIELDS = (
    *("id", "name", "status", "visibility", "owner", "disk_format", "container_format"),
    *("size", "virtual_size", "min_disk", "min_ram", "protected", "os_hidden", "checksum"),
    *("os_hash_algo", "os_hash_value", "tags", "stores", "locations", "direct_url"),
    *("created_at", "updated_at", "self", "file", "schema"),
)


@dataclass(frozen=True)
class Image:
    """An image, as the service showed it."""

    id: str
    name: str | None
    status: str
    visibility: str
    owner: str | None
    disk_format: str | None
    container_format: str | None
    size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    tags: tuple[str, ...]
    stores: tuple[str, ...]
    #: What somebody gave it.
    properties: Mapping[str, Any]
    #: All that the service said.
    json: Json = field(repr=False, compare=False)

    @classmethod
    def of(cls, json: Json) -> Self:
        """Read an image of the API."""
        return cls(
            id=json["id"],
            name=json.get("name"),
            status=json["status"],
            visibility=json["visibility"],
            owner=json.get("owner"),
            disk_format=json.get("disk_format"),
            container_format=json.get("container_format"),
            size=json.get("size"),
            checksum=json.get("checksum"),
            os_hash_algo=json.get("os_hash_algo"),
            os_hash_value=json.get("os_hash_value"),
            tags=tuple(json.get("tags") or ()),
            stores=tuple(name for name in (json.get("stores") or "").split(",") if name),
            properties={name: json[name] for name in sorted(json) if name not in FIELDS},
            json=json,
        )

    @classmethod
    def page(cls, json: Json) -> tuple[list[Self], str | None]:
        """Read a page of images, and the address of the next one."""
        return [cls.of(it) for it in json["images"]], json.get("next")


@dataclass(frozen=True)
class Task:
    """Work that goes on in the background. `message`: how far it is, or why it failed."""

    id: str
    type: str
    status: str
    message: str
    image_id: str | None
    request_id: str | None
    owner: str | None
    created_at: str | None
    updated_at: str | None
    json: Json = field(repr=False, compare=False)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ("success", "failure")

    @classmethod
    def of(cls, json: Json) -> Self:
        """Read a task of the API; lists of all tasks tell less."""
        return cls(
            id=json["id"],
            type=json["type"],
            status=json["status"],
            message=json.get("message") or "",
            image_id=json.get("image_id"),
            request_id=json.get("request_id"),
            owner=json.get("owner"),
            created_at=json.get("created_at"),
            updated_at=json.get("updated_at"),
            json=json,
        )

    @classmethod
    def page(cls, json: Json) -> tuple[list[Self], str | None]:
        """Read tasks and, if there are more, the address of the next page."""
        return [cls.of(it) for it in json["tasks"]], json.get("next")


@dataclass(frozen=True)
class Member:
    """A project that an image is shared with: `pending`, `accepted` or `rejected`."""

    image_id: str
    member_id: str
    status: str
    created_at: str | None = None
    updated_at: str | None = None

    @classmethod
    def of(cls, json: Json) -> Self:
        """Read a member of the API."""
        return cls(
            image_id=json["image_id"],
            member_id=json["member_id"],
            status=json["status"],
            created_at=json.get("created_at"),
            updated_at=json.get("updated_at"),
        )


@dataclass(frozen=True)
class Store:
    """A place where the service keeps data. The last three are told to admins only."""

    id: str
    description: str | None
    default: bool
    read_only: bool
    type: str | None = None
    weight: int | None = None
    properties: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, json: Json) -> Self:
        """Read a store of the API."""
        return cls(
            id=json["id"],
            description=json.get("description"),
            default=json.get("default") == "true",
            read_only=json.get("read-only") == "true",
            type=json.get("type"),
            weight=json.get("weight"),
            properties=json.get("properties"),
        )


@dataclass(frozen=True)
class CachedImage:
    """An image in the cache of a node (`cached`), or wanted there (`queued`)."""

    image_id: str
    state: str
    size: int | None = None
    hits: int | None = None
    #: Seconds since 1970.
    last_accessed: float | None = None
    last_modified: float | None = None

    @classmethod
    def of(cls, json: Json) -> Self:
        """Read a cached image of the API."""
        return cls(
            image_id=json["image_id"],
            state="cached",
            size=json.get("size"),
            hits=json.get("hits"),
            last_accessed=json.get("last_accessed"),
            last_modified=json.get("last_modified"),
        )

    @classmethod
    def all_of(cls, json: Json) -> list[Self]:
        """Read all that the API says of a cache."""
        queued = [cls(image_id, "queued") for image_id in json["queued_images"]]
        return [*map(cls.of, json["cached_images"]), *queued]


@dataclass(frozen=True)
class Location:
    """Where data lies."""

    url: str
    metadata: Mapping[str, Any]

    @classmethod
    def of(cls, json: Json) -> Self:
        """Read a location of the API."""
        return cls(url=json["url"], metadata=json.get("metadata") or {})
