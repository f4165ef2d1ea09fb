"""Reading images with all that belongs to them: one row of one JSON column each (see `aggregates`).

MariaDB gives NULL in place of a JSON text larger than `max_allowed_packet`, 16 MiB as it comes. An
image with many very long properties is such a one; it is then read part by part.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, Table, bindparam, select

from calotype import errors
from calotype.db.aggregates import alive, children, row_as_json
from calotype.db.tables import image_locations, image_properties, image_tags, images
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location

#: The columns that may change.
FIELDS = (
    "status", "visibility", "owner", "name", "disk_format", "container_format", "size",
    "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram",
    "protected", "os_hidden",
)  # fmt: skip

_COLUMNS = [images.c[name] for name in ("id", "created_at", "updated_at", *FIELDS)]
_BELONGINGS: Sequence[tuple[Table, tuple[str, ...]]] = (
    (image_properties, ("name", "value")),
    (image_tags, ("value",)),
    (image_locations, ("value", "meta_data", "status")),
)
_THIS = (images.c.id == bindparam("image_id"), alive(images))

#: Whole images, for `decode`.
WHOLE = select(
    row_as_json(*_COLUMNS, *(children(table, images.c.id, *names) for table, names in _BELONGINGS))
)
_ONE = WHOLE.where(*_THIS)
_ALONE = select(*_COLUMNS).where(*_THIS)
_PARTS = tuple(
    select(table.c.id, *(table.c[name] for name in names)).where(
        table.c.image_id == bindparam("image_id"), alive(table)
    )
    for table, names in _BELONGINGS
)


def read(connection: Connection, image_id: str) -> Image:
    """The living image of that id. Raises ImageNotFound."""
    row = connection.execute(_ONE, {"image_id": image_id}).first()
    if row is not None:
        image = decode(row[0]) if row[0] is not None else _in_parts(connection, image_id)
        if image is not None:
            return image
    raise errors.ImageNotFound(f"There is no image with the id {image_id}, or you may not see it")


def read_page(connection: Connection, page: Callable[[Select[Any]], Select[Any]]) -> list[Image]:
    """The images of a page, in its order; `page` narrows a selection from all images to it."""
    found = connection.execute(page(WHOLE)).scalars().all()
    if None not in found:
        return [decode(text) for text in found]
    known = {image.id: image for image in map(decode, filter(None, found))}
    ids: Sequence[str] = connection.execute(page(select(images.c.id))).scalars().all()
    read_now = (known.get(image_id) or _in_parts(connection, image_id) for image_id in ids)
    return [image for image in read_now if image is not None]


def decode(text: str) -> Image:
    """The image in one row of WHOLE."""
    return _image(orjson.loads(text))


def _in_parts(connection: Connection, image_id: str) -> Image | None:
    this = {"image_id": image_id}
    row = connection.execute(_ALONE, this).first()
    if row is None:
        return None
    (id_, created_at, updated_at), fields = row[:3], row[3:]
    parts = [_numbered(connection.execute(part, this).all()) for part in _PARTS]
    times = (moment and moment.isoformat() for moment in (created_at, updated_at))
    return _image((id_, *times, *fields, *parts))


def _numbered(rows: Sequence[Row[Any]]) -> dict[str, Sequence[Any]]:
    return {str(row[0]): row[1:] for row in rows}


def _image(values: Sequence[Any]) -> Image:
    (
        image_id, created_at, updated_at, status, visibility, owner, name, disk_format,
        container_format, size, virtual_size, checksum, hash_algo, hash_value, min_disk, min_ram,
        protected, os_hidden, properties, tags, locations,
    ) = values  # fmt: skip
    return Image(
        image_id, Status(status), Visibility(visibility),
        _time(created_at), _time(updated_at or created_at),
        owner, name, disk_format, container_format, size, virtual_size, checksum, hash_algo,
        hash_value, min_disk, min_ram, bool(protected), bool(os_hidden),
        dict(_rows(properties).values()),
        tuple(value for (value,) in _rows(tags).values()),
        _locations(_rows(locations)),
    )  # fmt: skip


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _rows(found: Any) -> dict[str, Any]:
    """Rows by their number; engines give them as JSON, as text that holds it, or not at all."""
    rows: dict[str, Any] = orjson.loads(found) if isinstance(found, str) else found or {}
    return rows


def _locations(rows: Mapping[str, Sequence[Any]]) -> tuple[Location, ...]:
    return tuple(
        Location(url, orjson.loads(metadata or "{}"), status, int(number))
        for number, (url, metadata, status) in sorted(rows.items(), key=lambda item: int(item[0]))
        if status == "active"
    )
