"""The digests of images in the database: who lacks them, and how a task that calculates them acts.

Rule 1: each change is a compare-and-set on the digests themselves, so that a task touches only what
it found or has set itself.
Rule 2: while a task is at it, the image has the new algorithm and no value: a value under the name
of another algorithm would fail whoever verifies by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, bindparam, select, update

from calotype import errors
from calotype.db.aggregates import alive
from calotype.db.engine import Database
from calotype.db.images import now
from calotype.db.tables import images
from calotype.model.image import Image, Status

_ROW = images.c
#: Made once: to make it costs more than to ask it.
_EXISTS = select(_ROW.id).where(_ROW.id == bindparam("image_id"), alive(images))


@dataclass(frozen=True, slots=True)
class Lacking:
    """An active image without a secure digest. `size` in bytes."""

    id: str
    owner: str | None
    size: int


class Digests:
    """Questions about digests."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def lacking(self, limit: int | None = None) -> list[Lacking]:
        """The active images that have no os_hash_value, the oldest first."""
        wanted = select(_ROW.id, _ROW.owner, _ROW.size).where(
            alive(images), _ROW.status == Status.ACTIVE, _ROW.os_hash_value.is_(None)
        )
        ordered = wanted.order_by(_ROW.created_at, _ROW.id).limit(limit)
        with self._db.reading() as connection:
            return [
                Lacking(row.id, row.owner, row.size or 0) for row in connection.execute(ordered)
            ]

    def exists(self, image_id: str) -> bool:
        """Whether the image is still there: the cheapest question about it."""
        with self._db.reading() as connection:
            return connection.execute(_EXISTS, {"image_id": image_id}).first() is not None


def before(image: Image) -> dict[str, str | None]:
    """What `restore` needs to know of an image, taken before `begin`."""
    return {"os_hash_algo": image.os_hash_algo, "os_hash_value": image.os_hash_value}


def begin(connection: Connection, image: Image, algorithm: str) -> None:
    """Name the algorithm that will be used; a value that is no longer meant goes.

    Raises ChangedMeanwhile unless the image is active and its digests are as they were read.
    """
    same = algorithm == image.os_hash_algo
    row = update(images).where(
        _ROW.id == image.id, alive(images), _ROW.status == Status.ACTIVE, _has(before(image))
    )
    value = image.os_hash_value if same else None
    if connection.execute(row.values(os_hash_algo=algorithm, os_hash_value=value)).rowcount != 1:
        raise errors.ChangedMeanwhile()


def save(
    connection: Connection,
    image: Image,
    algorithm: str,
    was: Mapping[str, str | None],
    *,
    value: str,
    checksum: str | None,
) -> None:
    """Give an image both digests at once.

    Raises Gone when it was deleted, ChangedMeanwhile when somebody else has set its digests.
    """
    row = update(images).where(
        _ROW.id == image.id,
        alive(images),
        _ROW.checksum.is_not_distinct_from(image.checksum),
        _has(_meanwhile(algorithm, was)),
    )
    digests = {"checksum": checksum, "os_hash_algo": algorithm, "os_hash_value": value}
    moment = max(now(), image.updated_at)
    if connection.execute(row.values(**digests, updated_at=moment)).rowcount == 1:
        return
    if connection.execute(_EXISTS, {"image_id": image.id}).first() is None:
        raise errors.Gone("The image was deleted while its digests were calculated")
    raise errors.ChangedMeanwhile("The digests of the image were changed by somebody else")


def restore(
    connection: Connection, image_id: str, algorithm: str, was: Mapping[str, str | None]
) -> None:
    """Put back what `begin` took, if the image still has what that set.

    Also if it is deleted now: a delete that a store refuses is taken back.
    """
    meanwhile = _meanwhile(algorithm, was)
    if dict(was) != meanwhile:
        mine = update(images).where(_ROW.id == image_id, _has(meanwhile))
        connection.execute(mine.values(**was))


def _meanwhile(algorithm: str, was: Mapping[str, str | None]) -> dict[str, str | None]:
    """The digests as `begin` left them."""
    same = algorithm == was["os_hash_algo"]
    return {"os_hash_algo": algorithm, "os_hash_value": was["os_hash_value"] if same else None}


def _has(digests: Mapping[str, str | None]) -> ColumnElement[bool]:
    return and_(*(_ROW[name].is_not_distinct_from(value) for name, value in digests.items()))
