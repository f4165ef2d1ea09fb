"""The rows that belong to an image: its properties, tags and locations, and how they change.

Each function writes only what differs. They are called after the image's own row was written in
the same transaction, so two people who change one image take turns here.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, bindparam, insert, select, true, update

from calotype.db.aggregates import alive
from calotype.db.tables import image_locations, image_properties, image_tags
from calotype.model.location import Location

Properties = Mapping[str, str | None]

_PROPERTY, _TAG, _LOCATION = image_properties.c, image_tags.c, image_locations.c


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
