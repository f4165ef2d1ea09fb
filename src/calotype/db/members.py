"""The rows of image members."""

from typing import Any

from sqlalchemy import Connection, Select, insert, select, update

from calotype import errors
from calotype.db.aggregates import alive
from calotype.db.engine import Database
from calotype.db.images import now
from calotype.db.tables import image_members, images
from calotype.model.member import Acceptance, Member

_ROW = image_members.c
_LIVING = alive(image_members)
_MEMBER = select(_ROW.image_id, _ROW.member, _ROW.status, _ROW.created_at, _ROW.updated_at)


class Members:
    """Memberships in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, image_id: str) -> list[Member]:
        """All members of an image, oldest first."""
        wanted = _MEMBER.where(_ROW.image_id == image_id, _LIVING)
        with self._db.reading() as connection:
            return [_member(row) for row in connection.execute(wanted.order_by(_ROW.id))]

    def get(self, image_id: str, member_id: str) -> Member:
        """One membership. Raises NotFound."""
        with self._db.reading() as connection:
            return _read(connection, image_id, member_id)

    def add(self, image_id: str, member_id: str) -> Member:
        """A new membership, pending. A removed member's row is used again.

        Raises Duplicate, and ImageNotFound when the image was deleted meanwhile.
        """
        at = now()
        values: dict[str, Any] = {
            "member": member_id,
            "status": Acceptance.PENDING,
            "created_at": at,
            "updated_at": at,
            "deleted": False,
        }
        known = (
            select(_ROW.id, _ROW.deleted)
            .where(_ROW.image_id == image_id, _ROW.member == member_id)
            .order_by(_ROW.deleted, _ROW.id.desc())
        )

        def work(connection: Connection) -> Member:
            _take_turns(connection, image_id)
            row = connection.execute(known).first()
            if row is not None and not row.deleted:
                raise errors.Duplicate(
                    f"Image {image_id} is already shared with the project {member_id!r}"
                )
            if row is not None:
                connection.execute(update(image_members).where(_ROW.id == row.id).values(**values))
            else:
                connection.execute(
                    insert(image_members).values(image_id=image_id, can_share=False, **values)
                )
            return _read(connection, image_id, member_id)

        return self._db.transaction(work)

    def answer(self, image_id: str, member_id: str, status: Acceptance) -> Member:
        """Save what a member answered. Raises NotFound."""
        return self._change(image_id, member_id, status=status, updated_at=now())

    def remove(self, image_id: str, member_id: str) -> None:
        """End a membership. Raises NotFound."""
        self._change(image_id, member_id, deleted=True, deleted_at=now())

    def _change(self, image_id: str, member_id: str, **values: Any) -> Member:
        living = (_ROW.image_id == image_id) & (_ROW.member == member_id) & (_LIVING)

        def work(connection: Connection) -> Member:
            member = _read(connection, image_id, member_id)
            connection.execute(update(image_members).where(living).values(**values))
            return member if values.get("deleted") else _read(connection, image_id, member_id)

        return self._db.transaction(work)


def _take_turns(connection: Connection, image_id: str) -> None:
    """Wait for others that add members to this image: no constraint keeps two living rows apart."""
    image = select(images.c.id).where(images.c.id == image_id, alive(images)).with_for_update()
    if connection.execute(image).first() is None:
        raise errors.ImageNotFound(f"The image {image_id} was deleted meanwhile")


def _read(connection: Connection, image_id: str, member_id: str) -> Member:
    wanted: Select[Any] = _MEMBER.where(
        _ROW.image_id == image_id, _ROW.member == member_id, _LIVING
    )
    row = connection.execute(wanted).first()
    if row is None:
        raise errors.NotFound(f"Image {image_id} is not shared with a project {member_id!r}")
    return _member(row)


def _member(row: Any) -> Member:
    return Member(row.image_id, row.member, Acceptance(row.status), row.created_at, row.updated_at)
