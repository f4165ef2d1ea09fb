"""Our things as JSON: the only place where the field names of the API appear in answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from calotype.model.cached import CachedImage
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.model.member import Member
from calotype.model.properties import HIDDEN
from calotype.model.task import Task
from calotype.stores.catalog import Catalog


@dataclass(frozen=True)
class Shown:
    """What the operator chose to show of an image: its stores, its best location, all of them.

    `stores`: those that have names, None when there is but one without.
    """

    stores: Catalog | None = None
    direct_url: bool = False
    locations: bool = False


def timestamp(moment: datetime) -> str:
    """A time as the API writes it: `2026-11-21T02:11:00Z`."""
    return moment.isoformat(timespec="seconds") + "Z"


def image(it: Image, shown: Shown, *, admin: bool = False) -> dict[str, Any]:
    """An image as the API shows it: its own properties first, then the fields.

    `admin`: for one, who also sees where the data of an image lies that is deactivated.
    """
    locations = it.locations if admin or it.status is not Status.DEACTIVATED else ()
    answer: dict[str, Any] = {
        name: value or "" for name, value in it.properties.items() if name not in HIDDEN
    }
    answer |= {
        "name": it.name,
        "disk_format": it.disk_format,
        "container_format": it.container_format,
        "visibility": it.visibility,
        "size": it.size,
        "virtual_size": it.virtual_size,
        "status": it.status,
        "checksum": it.checksum,
        "protected": it.protected,
        "min_ram": it.min_ram,
        "min_disk": it.min_disk,
        "owner": it.owner,
        "os_hidden": it.os_hidden,
        "os_hash_algo": it.os_hash_algo,
        "os_hash_value": it.os_hash_value,
        "id": it.id,
        "created_at": timestamp(it.created_at),
        "updated_at": timestamp(it.updated_at),
    }
    if shown.locations:
        answer["locations"] = [location(place, shown) for place in locations]
    if shown.direct_url and locations:
        best = shown.stores.ordered(locations) if shown.stores else locations
        answer["direct_url"] = best[0].url
    answer["tags"] = sorted(it.tags)  # a set: in one order always, whatever the database does
    answer["self"] = f"/v2/images/{it.id}"
    answer["file"] = f"/v2/images/{it.id}/file"
    answer["schema"] = "/v2/schemas/image"
    if shown.stores and locations:
        named = map(shown.stores.id_of, locations)
        answer["stores"] = ",".join(store_id for store_id in named if store_id)
    return answer


def location(place: Location, shown: Shown) -> dict[str, Any]:
    """A location, where those are shown."""
    metadata = dict(place.metadata)
    store_id = shown.stores.id_of(place) if shown.stores else None
    if store_id:
        metadata["store"] = store_id
    return {"url": place.url, "metadata": metadata}


def images(
    page: list[Image], shown: Shown, links: Mapping[str, str], *, admin: bool = False
) -> dict[str, Any]:
    """A page of the list, with the links to the first and the next page."""
    listed = [image(it, shown, admin=admin) for it in page]
    return {"images": listed, **links, "schema": "/v2/schemas/images"}


def task(it: Task) -> dict[str, Any]:
    """A task as the tasks API shows it."""
    return {**task_stub(it), "input": it.input, "result": it.result, "message": it.message}


def task_stub(it: Task) -> dict[str, Any]:
    """A task in the list of all tasks, without what may be long."""
    refers = {"image_id": it.image_id, "request_id": it.request_id, "user_id": it.user_id}
    return {
        "id": it.id,
        "type": it.type,
        "status": it.status,
        "owner": it.owner,
        "expires_at": None if it.expires_at is None else timestamp(it.expires_at),
        "created_at": timestamp(it.created_at),
        "updated_at": timestamp(it.updated_at),
        "self": f"/v2/tasks/{it.id}",
        "schema": "/v2/schemas/task",
        **{name: value for name, value in refers.items() if value is not None},
    }


def tasks(page: list[Task], links: Mapping[str, str]) -> dict[str, Any]:
    """A page of the list of all tasks, with the links to the first and the next page."""
    return {"tasks": [task_stub(it) for it in page], **links, "schema": "/v2/schemas/tasks"}


def image_task(it: Task) -> dict[str, Any]:
    """A task in the list of its image.

    The request and the user stand under two names each: those that the released clients read, and
    those of the specification.
    """
    return {
        "id": it.id,
        "image_id": it.image_id,
        "request_id": it.request_id,
        "request-id": it.request_id,
        "user_id": it.user_id,
        "user": it.user_id,
        "type": it.type,
        "status": it.status,
        "owner": it.owner,
        "expires_at": None if it.expires_at is None else _moment(it.expires_at),
        "created_at": _moment(it.created_at),
        "updated_at": _moment(it.updated_at),
        "deleted_at": None,
        "deleted": False,
        "input": it.input,
        "result": it.result,
        "message": it.message,
    }


def _moment(moment: datetime) -> str:
    """A time as the list of tasks writes it: `2026-11-21T02:11:00.000000`."""
    return moment.isoformat(timespec="microseconds")


def member(it: Member) -> dict[str, Any]:
    """A membership."""
    return {
        "member_id": it.member_id,
        "image_id": it.image_id,
        "status": it.status.value,
        "created_at": timestamp(it.created_at),
        "updated_at": timestamp(it.updated_at),
        "schema": "/v2/schemas/member",
    }


def cached_image(it: CachedImage) -> dict[str, Any]:
    """An image in the cache; its times are seconds since 1970."""
    number = {} if it.number is None else {"id": it.number}
    return {
        **number,
        "image_id": it.image_id,
        "last_accessed": it.last_accessed.replace(tzinfo=UTC).timestamp(),
        "last_modified": it.last_modified.replace(tzinfo=UTC).timestamp(),
        "size": it.size,
        "hits": it.hits,
        "checksum": it.checksum,
    }
