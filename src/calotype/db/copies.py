"""How one copy of an image goes while others stay: marked first, then gone; or back again."""

from collections.abc import Sequence
from typing import Any

from orjson import loads
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db.aggregates import alive
from calotype.db.engine import Database
from calotype.db.images import ALIKE, compare_and_set, now, write
from calotype.db.tables import image_locations
from calotype.model.image import Image, Status
from calotype.model.location import Location

_ROW = image_locations.c
#: The statuses of a copy that is on its way out; the second one when its data is another's too.
_GOING = (Status.PENDING_DELETE, Status.DELETED)


class Copies:
    """The copies of images in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, image: Image, location: Location) -> None:
        """Hide one copy as pending_delete while its data goes.

        Raises Denied when it is the only one, ChangedMeanwhile, ImageNotFound.
        """

        def work(connection: Connection) -> None:
            # Locks the image's row: of two who remove the last two copies one has to see this.
            compare_and_set(connection, image, updated_at=max(now(), image.updated_at))
            self._hide(connection, image, location)

        self._db.transaction(work)

    def change(self, old: Image, new: Image, removed: Sequence[Location]) -> Image:
        """Save a changed image, and hide some of its copies as `begin` does.

        `new` still has them, the image that is returned has not. Raises as `Images.swap` does.
        """
        new = new.with_(updated_at=max(now(), old.updated_at))

        def work(connection: Connection) -> Image:
            saved = write(connection, old, new)
            for location in removed:
                self._hide(connection, saved, location)
            gone = {location.id for location in removed}
            return saved.with_(locations=tuple(it for it in saved.locations if it.id not in gone))

        try:
            return self._db.transaction(work)
        except IntegrityError as error:
            raise errors.Conflict(ALIKE) from error

    def _hide(self, connection: Connection, image: Image, location: Location) -> None:
        others = select(func.count()).where(
            _ROW.image_id == image.id,
            _ROW.id != location.id,
            _ROW.status == "active",
            alive(image_locations),
        )
        if connection.execute(others).scalar_one() == 0:
            raise errors.Denied(
                f"This is the only copy of image {image.id}: delete the image instead"
            )
        self._move(connection, location, "active", status=Status.PENDING_DELETE)

    def cancel(self, location: Location) -> None:
        """Take `begin` back: the copy is as it was."""
        back = {"status": "active", "deleted": False, "deleted_at": None}
        self._db.transaction(lambda connection: self._move(connection, location, *_GOING, **back))

    def finish(self, location: Location) -> None:
        """Mark the copy as deleted; its data is gone."""
        gone = {"status": Status.DELETED, "deleted": True, "deleted_at": now()}
        self._db.transaction(lambda connection: self._move(connection, location, *_GOING, **gone))

    def interrupted(self, image_id: str) -> list[Location]:
        """The copies of a living image whose delete has begun and not ended."""
        wanted = select(_ROW.id, _ROW.value, _ROW.meta_data).where(
            _ROW.image_id == image_id, _ROW.status == Status.PENDING_DELETE, alive(image_locations)
        )
        with self._db.reading() as connection:
            return [
                Location(url, loads(metadata or "{}"), Status.PENDING_DELETE, number)
                for number, url, metadata in connection.execute(wanted)
            ]

    def _move(
        self, connection: Connection, location: Location, *before: str, **values: Any
    ) -> None:
        row = update(image_locations).where(_ROW.id == location.id, _ROW.status.in_(before))
        if connection.execute(row.values(updated_at=now(), **values)).rowcount != 1:
            raise errors.ChangedMeanwhile()
