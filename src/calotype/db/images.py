"""The rows of images: what an `Image` is made of, and how one becomes the next.

Reading an image is one query whatever it has (see `image_rows`). Writing is `swap(old, new)`: a
compare-and-set on the status that writes only what differs, so two people who change different
things of one image do not undo each other.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from calotype import errors
from calotype.db import image_query, image_rows
from calotype.db.aggregates import alive
from calotype.db.engine import Database
from calotype.db.image_rows import FIELDS
from calotype.db.tables import image_locations, image_members, images
from calotype.model.filter import Filter, Viewer
from calotype.model.image import Image, Status, Visibility

_IS_MEMBER = select(image_members.c.id).where(
    image_members.c.image_id == bindparam("image_id"),
    image_members.c.member == bindparam("member"),
    alive(image_members),
)

#: What it means when the database finds two properties where we see different names.
ALIKE = "A property of that name exists already (some databases ignore case in names)"

#: Something that must hold for a change to happen, e.g. `Lease.confirm`.
Guard = Callable[[Connection], None]


def now() -> datetime:
    """The present moment as the tables keep it: UTC, naive, whole seconds."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


class Images:
    """Images in the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def get(self, image_id: str) -> Image:
        """The living image of that id. Raises ImageNotFound."""
        with self._db.reading() as connection:
            return image_rows.read(connection, image_id)

    def is_member(self, image_id: str, project_id: str) -> bool:
        """Whether an image is shared with a project, whatever the project answered."""
        with self._db.reading() as connection:
            found = connection.execute(_IS_MEMBER, {"image_id": image_id, "member": project_id})
            return found.first() is not None

    def find(self, wanted: Filter, viewer: Viewer) -> list[Image]:
        """One page of images, in one query (two with a marker). Raises Invalid for a bad marker."""
        if wanted.limit == 0:
            return []
        with self._db.reading() as connection:
            marked = wanted.marker is not None
            after = self._marker_values(connection, wanted, viewer) if marked else None
            return image_rows.read_page(
                connection, lambda base: image_query.page(base, wanted, viewer, after)
            )

    def add(self, image: Image) -> None:
        """Save a new image. Raises Duplicate when the id is taken, also by a deleted image."""
        self._db.transaction(lambda connection: insert_image(connection, image))

    def swap(self, old: Image, new: Image, guard: Guard | None = None) -> Image:
        """Replace `old` by `new` if its status is still the same; return what is saved.

        `guard` is asked first, in the same transaction, and may refuse by raising.
        Raises ImageNotFound when it was deleted, ChangedMeanwhile when its status has changed.
        """
        new = new.with_(updated_at=max(now(), old.updated_at))

        def work(connection: Connection) -> Image:
            if guard is not None:
                guard(connection)
            return write(connection, old, new)

        try:
            return self._db.transaction(work)
        except IntegrityError as error:
            raise errors.Conflict(ALIKE) from error

    def usage(self, project_id: str) -> int:
        """How many bytes a project stores: the size of each image times its copies."""
        copies = (
            select(func.count())
            .where(image_locations.c.image_id == images.c.id, alive(image_locations))
            .scalar_subquery()
        )
        total = select(func.coalesce(func.sum(images.c.size * copies), 0)).where(
            images.c.owner == project_id, alive(images), images.c.status != "killed"
        )
        with self._db.reading() as connection:
            return int(connection.execute(total).scalar_one())

    def named(self, urls: Sequence[str]) -> set[str]:
        """Which of these location urls some image still has, or may get back by a restore."""
        kept = image_locations.c.status != Status.DELETED
        wanted = select(image_locations.c.value).where(image_locations.c.value.in_(urls), kept)
        with self._db.reading() as connection:
            return set(connection.execute(wanted).scalars())

    def located(self, image_ids: Sequence[str]) -> dict[str, set[str]]:
        """The location urls of each of these images, deleted ones too; unknown ids are missing."""
        wanted = (
            select(images.c.id, image_locations.c.value)
            .outerjoin(image_locations, image_locations.c.image_id == images.c.id)
            .where(images.c.id.in_(image_ids))
        )
        found: dict[str, set[str]] = {}
        with self._db.reading() as connection:
            for image_id, url in connection.execute(wanted):
                found.setdefault(image_id, set()).update([url] if url else [])
        return found

    def living(self, image_ids: Collection[str]) -> set[str]:
        """Those of some ids that are of images which are there."""
        wanted = select(images.c.id).where(images.c.id.in_(image_ids), alive(images))
        with self._db.reading() as connection:
            return set(connection.execute(wanted).scalars())

    def in_status(self, status: Status) -> list[str]:
        """The ids of all living images in a status."""
        wanted = select(images.c.id).where(images.c.status == status, alive(images))
        with self._db.reading() as connection:
            return list(connection.execute(wanted).scalars())

    def _marker_values(
        self, connection: Connection, wanted: Filter, viewer: Viewer
    ) -> Sequence[Any]:
        statement = select(
            images.c.visibility, images.c.owner, *image_query.sort_values(wanted.order)
        ).where(images.c.id == wanted.marker, alive(images))
        row = connection.execute(statement).first()
        if row is None or not _may_see(connection, str(wanted.marker), row[0], row[1], viewer):
            raise errors.Invalid(f"marker: no image with the id {wanted.marker!r}")
        return row[2:]


def _may_see(
    connection: Connection, image_id: str, visibility: str, owner: str | None, viewer: Viewer
) -> bool:
    if viewer.is_admin or visibility in (Visibility.PUBLIC, Visibility.COMMUNITY):
        return True
    if owner is not None and owner == viewer.project_id:
        return True
    if visibility != Visibility.SHARED or not viewer.project_id:
        return False
    row = connection.execute(_IS_MEMBER, {"image_id": image_id, "member": viewer.project_id})
    return row.first() is not None


def insert_image(connection: Connection, image: Image) -> None:
    """Save a new image in the caller's transaction, as `Images.add` does."""
    row = {name: getattr(image, name) for name in FIELDS}
    times = {"created_at": image.created_at, "updated_at": image.updated_at}
    try:
        connection.execute(insert(images).values(id=image.id, deleted=False, **times, **row))
    except IntegrityError as error:
        raise errors.Duplicate(f"The image id {image.id} is already in use") from error
    try:
        image_rows.add_properties(connection, image.id, image.properties, image.created_at)
        image_rows.add_tags(connection, image.id, image.tags, image.created_at)
        image_rows.change_locations(connection, image.id, (), image.locations, image.created_at)
    except IntegrityError as error:
        raise errors.Conflict(ALIKE) from error


def write(connection: Connection, old: Image, new: Image) -> Image:
    """Make `old` into `new` in the caller's transaction, as `Images.swap` does."""
    changed = {f: getattr(new, f) for f in FIELDS if getattr(new, f) != getattr(old, f)}
    compare_and_set(connection, old, updated_at=new.updated_at, **changed)
    at = new.updated_at
    image_rows.change_properties(connection, old.id, old.properties, new.properties, at)
    image_rows.change_tags(connection, old.id, old.tags, new.tags, at)
    if new.locations == old.locations:
        return new
    image_rows.change_locations(connection, old.id, old.locations, new.locations, at)
    return image_rows.read(connection, old.id)


def compare_and_set(connection: Connection, old: Image, **values: Any) -> None:
    """Update an image's row if it still has its status. Raises ImageNotFound, ChangedMeanwhile."""
    statement = update(images).where(
        images.c.id == old.id, alive(images), images.c.status == old.status
    )
    if connection.execute(statement.values(**values)).rowcount != 1:
        # Raises ImageNotFound when it is gone.
        if image_rows.read(connection, old.id).status == old.status:
            raise errors.StoreError("The database does not count the rows it changed")
        raise errors.ChangedMeanwhile()
