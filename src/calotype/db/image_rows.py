"""The rows of an image: its own, and those of its properties, tags and locations.

They are read as one row of one JSON column (see `aggregates`). MariaDB gives NULL in place of a
JSON text larger than `max_allowed_packet`, 16 MiB as it comes. An image with many very long
properties is such a one; it is then read part by part.

What belongs to an image is written after its own row, in the same transaction, so two people who
change one image take turns there. Only what differs is written.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Select, Table, bindparam, insert, select, true, update

from calotype import errors
from calotype.db.aggregates import alive, children, row_as_json
from calotype.db.tables import image_locations, image_properties, image_tags, images
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location

Properties = Mapping[str, str | None]

_PROPERTY, _TAG, _LOCATION = image_properties.c, image_tags.c, image_locations.c

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


def living(table: Any, image_id: str) -> Any:
    """An update of what living rows a table has of an image."""
    return update(table).where(table.c.image_id == image_id, alive(table))


# -- properties ----------------------------------------------------------------------------------


def add_properties(
    connection: Connection, image_id: str, properties: Properties, at: datetime
) -> None:
    """Save properties that the image never had."""
    fresh = [{"name": name, "value": value} for name, value in properties.items()]
    if fresh:
        common = _new(image_id, at)
        connection.execute(insert(image_properties), [{**common, **row} for row in fresh])


def change_properties(
    connection: Connection, image_id: str, old: Properties, new: Properties, at: datetime
) -> None:
    """Make the properties `old` of an image into `new`."""
    removed = [name for name in old if name not in new]
    if removed:
        gone = living(image_properties, image_id).where(_PROPERTY.name.in_(removed))
        connection.execute(gone.values(deleted=True, deleted_at=at, updated_at=at))
    changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
    if changed:
        left = _rewrite(connection, image_id, changed, at)
        add_properties(connection, image_id, left, at)


def _rewrite(
    connection: Connection, image_id: str, changed: Properties, at: datetime
) -> Properties:
    """Save those properties that have a row; return the others.

    A removed property keeps its row (the pair of image and name is unique), which is used again.
    """
    mine = select(_PROPERTY.id, _PROPERTY.name).where(_PROPERTY.image_id == image_id)
    rows = connection.execute(mine.where(_PROPERTY.name.in_(list(changed)))).all()
    exact = [{"row": row.id, "value": changed[row.name]} for row in rows if row.name in changed]
    if exact:
        row = update(image_properties).where(_PROPERTY.id == bindparam("row"))
        values: dict[str, Any] = {"value": bindparam("value"), "deleted": False, "updated_at": at}
        connection.execute(row.values(**values), exact)
    left = {name: changed[name] for name in set(changed).difference(row.name for row in rows)}
    if len(exact) == len(rows):
        return left
    return {n: v for n, v in left.items() if not _take_over(connection, image_id, n, v, at)}


def _take_over(
    connection: Connection, image_id: str, name: str, value: str | None, at: datetime
) -> bool:
    """Use the row of a removed property whose name only this database holds for the same."""
    row = update(image_properties).where(
        _PROPERTY.image_id == image_id, _PROPERTY.name == name, _PROPERTY.deleted == true()
    )
    used = connection.execute(row.values(name=name, value=value, deleted=False, updated_at=at))
    return bool(used.rowcount)


# -- tags ----------------------------------------------------------------------------------------


def add_tags(connection: Connection, image_id: str, tags: Sequence[str], at: datetime) -> None:
    """Save tags that the image has not."""
    if tags:
        common = _new(image_id, at)
        connection.execute(insert(image_tags), [{**common, "value": tag} for tag in tags])


def change_tags(
    connection: Connection, image_id: str, old: Sequence[str], new: Sequence[str], at: datetime
) -> None:
    """Make the tags `old` of an image into `new`."""
    removed, fresh = set(old).difference(new), [tag for tag in new if tag not in old]
    if not removed and not fresh:
        return
    # Compared here and not by the database, some of which take "A" for "a".
    mine = select(_TAG.id, _TAG.value).where(_TAG.image_id == image_id, alive(image_tags))
    rows = connection.execute(mine).all()
    gone = [row.id for row in rows if row.value in removed]
    if gone:
        these = update(image_tags).where(_TAG.id.in_(gone))
        connection.execute(these.values(deleted=True, deleted_at=at, updated_at=at))
    there = {row.value for row in rows}  # somebody else may have added it meanwhile
    add_tags(connection, image_id, [tag for tag in fresh if tag not in there], at)


# -- locations -----------------------------------------------------------------------------------


def change_locations(
    connection: Connection,
    image_id: str,
    old: Sequence[Location],
    new: Sequence[Location],
    at: datetime,
) -> None:
    """Make the locations `old` of an image into `new`; those without an id are added."""
    kept = {location.id for location in new}
    removed = [location.id for location in old if location.id not in kept]
    if removed:
        gone = living(image_locations, image_id).where(_LOCATION.id.in_(removed))
        connection.execute(
            gone.values(deleted=True, deleted_at=at, updated_at=at, status="deleted")
        )
    for location in new:
        values = {
            "value": location.url,
            "meta_data": orjson.dumps(dict(location.metadata)).decode(),
        }
        if location.id is None:
            row = {**_new(image_id, at), "status": location.status, **values}
            connection.execute(insert(image_locations).values(**row))
        elif location not in old:
            same = update(image_locations).where(_LOCATION.id == location.id)
            connection.execute(same.values(updated_at=at, **values))


def _new(image_id: str, at: datetime) -> dict[str, Any]:
    return {"image_id": image_id, "created_at": at, "updated_at": at, "deleted": False}
