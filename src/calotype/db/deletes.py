"""How the rows of an image go: hidden first, then gone; or back again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, exists, func, select, union_all, update

from calotype import errors
from calotype.db.engine import Database
from calotype.db.image_rows import living
from calotype.db.images import compare_and_set, now
from calotype.db.tables import image_locations, image_members, image_properties, image_tags, images
from calotype.model.image import Image, Status
from calotype.model.location import Location

_LOCATION = image_locations.c
#: What hangs on an image besides its locations.
BELONGINGS = (image_properties, image_tags, image_members)


class Deletes:
    """Deleting images in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, old: Image) -> None:
        """Hide an image and its locations as pending_delete, while its data goes.

        Raises Conflict when its status does not allow that, ChangedMeanwhile, ImageNotFound.
        """
        # Whatever may be deleted may pass through here. Glance leaves images that are queued and
        # have data, though only active ones may be pending_delete for longer.
        old.moved_to(Status.DELETED)
        gone: dict[str, Any] = {
            "deleted": True, "deleted_at": now(), "status": Status.PENDING_DELETE,
        }  # fmt: skip

        def work(connection: Connection) -> None:
            compare_and_set(connection, old, **gone)
            connection.execute(living(image_locations, old.id).values(**gone))

        self._db.transaction(work)

    def delay(self, old: Image) -> None:
        """Hide an image with all that hangs on it, as pending_delete, until it is scrubbed.

        Its belongings go at the same moment, and nothing that was removed before did, so that a
        restore can tell them apart. Raises Conflict, ChangedMeanwhile, ImageNotFound.
        """
        old.moved_to(Status.PENDING_DELETE)

        def work(connection: Connection) -> None:
            gone = {"deleted": True, "deleted_at": _moment(connection, old.id)}
            hidden = {**gone, "status": Status.PENDING_DELETE}
            compare_and_set(connection, old, **hidden)
            connection.execute(living(image_locations, old.id).values(**hidden))
            for table in BELONGINGS:
                connection.execute(living(table, old.id).values(**gone))

        self._db.transaction(work)

    def cancel(self, old: Image) -> None:
        """Take `begin` back: the image is as it was, without the locations that are `lost`."""
        back: dict[str, Any] = {"deleted": False, "deleted_at": None}
        lost = (_LOCATION.image_id == old.id) & (_LOCATION.status == Status.PENDING_DELETE)
        mine = lost & _LOCATION.id.in_([location.id for location in old.locations])

        def work(connection: Connection) -> None:
            image = update(images).where(images.c.id == old.id)
            connection.execute(image.values(status=old.status, **back))
            connection.execute(update(image_locations).where(mine).values(status="active", **back))
            connection.execute(update(image_locations).where(lost).values(status=Status.DELETED))

        self._db.transaction(work)

    def finish(self, image_id: str, status: Status) -> None:
        """Mark an image of that status and all that hangs on it as deleted.

        Raises ChangedMeanwhile when its status is another one now.
        """
        self._db.transaction(lambda connection: mark_deleted(connection, image_id, status))

    def lost(self, locations: Sequence[Location]) -> None:
        """Mark locations of a pending image as deleted: their data is gone, that of others not."""
        these = _LOCATION.id.in_([location.id for location in locations])
        row = update(image_locations).where(these, _LOCATION.status == Status.PENDING_DELETE)
        gone = {"status": Status.DELETED, "deleted": True, "deleted_at": now()}
        self._db.transaction(lambda connection: connection.execute(row.values(**gone)))

    def pending(self, older_than: int) -> list[str]:
        """The ids of images that are pending_delete since `older_than` seconds, oldest first."""
        wanted = (
            select(images.c.id)
            .where(
                images.c.status == Status.PENDING_DELETE,
                images.c.deleted_at <= now() - timedelta(seconds=older_than),
            )
            .order_by(images.c.deleted_at, images.c.id)
        )
        with self._db.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def locations(self, image_id: str) -> list[Location]:
        """Where the data lies that an image still has; nothing unless it is pending_delete."""
        wanted = (
            select(_LOCATION.id, _LOCATION.value, _LOCATION.meta_data)
            .join(images, images.c.id == _LOCATION.image_id)
            .where(
                images.c.id == image_id,
                images.c.status == Status.PENDING_DELETE,
                _LOCATION.status == Status.PENDING_DELETE,
            )
        )
        with self._db.reading() as connection:
            return [
                Location(url, orjson.loads(metadata or "{}"), Status.PENDING_DELETE, number)
                for number, url, metadata in connection.execute(wanted)
            ]

    def is_shared(self, location: Location) -> bool:
        """Whether the data of a saved location is named by another one, of any image.

        One that may still come back counts: an image whose delete is delayed can be restored.
        """
        others = exists().where(
            _LOCATION.value == location.url,
            _LOCATION.id != location.id,
            _LOCATION.status != Status.DELETED,
        )
        with self._db.reading() as connection:
            return bool(connection.execute(select(others)).scalar())

    def take_back(self, location: Location) -> None:
        """Take `let_go` back: the data of the location is to be deleted yet."""
        row = update(image_locations).where(_LOCATION.id == location.id)
        pending = row.values(status=Status.PENDING_DELETE)
        self._db.transaction(lambda connection: connection.execute(pending))

    def let_go(self, location: Location) -> None:
        """Mark a saved location as deleted, whatever becomes of its data."""
        gone = {"status": Status.DELETED, "deleted": True, "deleted_at": now()}
        row = update(image_locations).where(_LOCATION.id == location.id).values(**gone)
        self._db.transaction(lambda connection: connection.execute(row))


def mark_deleted(connection: Connection, image_id: str, status: Status) -> None:
    """Mark an image as deleted in the caller's transaction, as `Deletes.finish` does."""
    gone: dict[str, Any] = {"deleted": True, "deleted_at": now()}
    image = update(images).where(images.c.id == image_id, images.c.status == status)
    pending = update(image_locations).where(
        _LOCATION.image_id == image_id, _LOCATION.status == Status.PENDING_DELETE
    )
    if connection.execute(image.values(status=Status.DELETED, **gone)).rowcount != 1:
        raise errors.ChangedMeanwhile()
    for table in BELONGINGS:
        connection.execute(living(table, image_id).values(**gone))
    connection.execute(pending.values(status=Status.DELETED))


def _moment(connection: Connection, image_id: str) -> datetime:
    """The first whole second, from now on, after all that was removed from an image."""
    removed = union_all(
        *(
            select(table.c.deleted_at).where(table.c.image_id == image_id)
            for table in (*BELONGINGS, image_locations)
        )
    ).subquery()
    last = connection.execute(select(func.max(removed.c.deleted_at))).scalar_one()
    after = last.replace(microsecond=0) + timedelta(seconds=1) if last else now()
    return max(now(), after)
