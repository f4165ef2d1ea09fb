"""How a deleted image comes back: it, its locations and, if wanted, what hung on it.

What went together with an image bears its moment, `images.deleted_at`; what was removed from it
before bears an earlier one. Glance lets properties go some milliseconds before their image.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from orjson import loads
from sqlalchemy import Connection, Table, and_, bindparam, select, true, update

from calotype import errors
from calotype.db.aggregates import alive
from calotype.db.deletes import BELONGINGS
from calotype.db.engine import Database
from calotype.db.image_rows import living
from calotype.db.images import Guard, now
from calotype.db.tables import image_locations, image_members, image_properties, image_tags, images
from calotype.model.image import Status
from calotype.model.location import Location
from calotype.model.properties import OURS

_ROW = image_locations.c
#: No more than this lies between an image and what went with it.
TOGETHER = timedelta(seconds=1)
_NAME = {image_properties: "name", image_tags: "value", image_members: "member"}


@dataclass(frozen=True, slots=True)
class Deleted:
    """What the rows still know of an image that was deleted.

    `pending`: where its data should still be. `scrubbed`: where data was when it was deleted and
    is no more. `has_data`: it has locations that are in use.
    """

    id: str
    status: Status
    size: int | None
    moment: datetime | None
    pending: tuple[Location, ...]
    scrubbed: tuple[Location, ...]
    has_data: bool


class Restores:
    """Restoring images in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def find(self, image_id: str) -> Deleted:
        """An image, deleted or not. Raises ImageNotFound when there is no row of it."""
        with self._db.reading() as connection:
            wanted = select(images.c.status, images.c.size, images.c.deleted_at)
            row = connection.execute(wanted.where(images.c.id == image_id)).first()
            if row is None:
                raise errors.ImageNotFound(f"No image found with ID {image_id}")
            places = connection.execute(_LOCATIONS, {"image_id": image_id}).all()
        gone = [
            place for place in places if place.status == Status.DELETED and place.deleted
            and row.deleted_at and place.deleted_at and place.deleted_at >= row.deleted_at
        ]  # fmt: skip
        pending = [p for p in places if p.status == Status.PENDING_DELETE and p.deleted]
        return Deleted(
            image_id, Status(row.status), row.size, row.deleted_at,
            _locations(pending), _locations(gone),
            has_data=any(not place.deleted for place in places),
        )  # fmt: skip

    def restore(self, found: Deleted, guard: Guard, *, with_metadata: bool) -> None:
        """Make it active with its pending locations; `guard` is asked first, in the transaction.

        `with_metadata`: with the tags, members and properties that went with it, too; else it has
        none. Raises ChangedMeanwhile when it is not as it was found.
        """
        back = {"deleted": False, "deleted_at": None, "updated_at": now()}
        image = update(images).where(images.c.id == found.id, images.c.status == found.status)
        mine = update(image_locations).where(
            _ROW.id.in_([location.id for location in found.pending]),
            _ROW.status == Status.PENDING_DELETE,
        )

        def work(connection: Connection) -> None:
            guard(connection)
            done = connection.execute(image.values(status=Status.ACTIVE, **back)).rowcount
            copies = connection.execute(mine.values(status=Status.ACTIVE, **back)).rowcount
            if done != 1 or copies != len(found.pending):
                raise errors.ChangedMeanwhile()
            for table in BELONGINGS:
                if with_metadata:
                    _revive(connection, table, found)
                elif found.status is Status.PENDING_DELETE:
                    # A delete that was cut off has left them alive.
                    gone = {"deleted": True, "deleted_at": found.moment}
                    connection.execute(living(table, found.id).values(**gone))

        self._db.transaction(work)


_LOCATIONS = (
    select(_ROW.id, _ROW.value, _ROW.meta_data, _ROW.status, _ROW.deleted, _ROW.deleted_at)
    .where(_ROW.image_id == bindparam("image_id"))
    .order_by(_ROW.id)
)


def _locations(rows: Sequence[Any]) -> tuple[Location, ...]:
    return tuple(
        Location(row.value, loads(row.meta_data or "{}"), row.status, row.id) for row in rows
    )


def _revive(connection: Connection, table: Table, found: Deleted) -> None:
    """Bring back the rows that went with the image, but none of a name that is in use again.

    Properties of the service are of its work on the image, which ended with the image.
    """
    if found.moment is None:
        return
    name = table.c[_NAME[table]]
    mine = table.c.image_id == found.id
    in_use = set(connection.execute(select(name).where(mine, alive(table))).scalars())
    went_along = and_(
        table.c.deleted == true(),
        table.c.deleted_at > found.moment - TOGETHER,
        table.c.deleted_at <= found.moment,
    )
    if table is image_properties:
        went_along = went_along & ~name.startswith(OURS)
    rows = connection.execute(select(name, table.c.id).where(mine, went_along)).all()
    fresh = {value: number for value, number in rows if value not in in_use}
    back: dict[str, Any] = {"deleted": False, "deleted_at": None}
    connection.execute(update(table).where(table.c.id.in_(fresh.values())).values(**back))
