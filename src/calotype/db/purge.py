"""Removing for good what was marked as deleted long enough ago.

Never removed: a row that is in use again and only kept an old `deleted_at` (so it is with
properties and members), what the scrubber still needs (`pending_delete`), and an image on which
other rows hang.
"""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, select, true

from calotype import errors
from calotype.db.engine import Database
from calotype.db.tables import (
    image_locations,
    image_members,
    image_properties,
    image_tags,
    images,
    task_info,
    tasks,
)

#: Rows removed in one transaction, so that nobody waits long for their locks.
BATCH = 500

_CHILDREN = (image_properties, image_tags, image_members, image_locations)


def purge(db: Database, age_in_days: int = 30, max_rows: int = 100) -> dict[str, int]:
    """Remove old deleted rows of all tables but `images`; how many, by table.

    `max_rows` in each table, -1 for all. Raises Invalid for impossible numbers.
    """
    before = _cutoff(age_in_days, max_rows)
    return {
        table.name: _purge(db, table, _old(table, before), max_rows)
        for table in (*_CHILDREN, tasks)
    }


def purge_images(db: Database, age_in_days: int = 180, max_rows: int = 100) -> dict[str, int]:
    """Remove old deleted rows of `images` to which no other row refers; their ids become free.

    Same arguments and result as `purge`.
    """
    before = _cutoff(age_in_days, max_rows)
    return {images.name: _purge(db, images, _old(images, before) & _alone(), max_rows)}


def held(db: Database, age_in_days: int) -> int:
    """How many images are old enough for `purge_images`, but other rows refer to them."""
    old = _old(images, _cutoff(age_in_days, -1))
    with db.reading() as connection:
        return len(connection.execute(select(images.c.id).where(old, ~_alone())).all())


def _cutoff(age_in_days: int, max_rows: int) -> datetime:
    now = datetime.now(UTC).replace(tzinfo=None)
    since_epoch = (now - datetime(1970, 1, 1)).days
    if not 0 <= age_in_days <= since_epoch:
        raise errors.Invalid(f"age_in_days: {age_in_days} is not between 0 and {since_epoch}")
    if max_rows < -1:
        raise errors.Invalid(f"max_rows: {max_rows} is neither a number of rows nor -1 for all")
    return now - timedelta(days=age_in_days)


def _old(table: Table, before: datetime) -> ColumnElement[bool]:
    old = and_(table.c.deleted == true(), table.c.deleted_at < before)
    if table in (images, image_locations):
        old = and_(old, table.c.status != "pending_delete")
    return old


def _alone() -> ColumnElement[bool]:
    return and_(*(~exists().where(child.c.image_id == images.c.id) for child in _CHILDREN))


def _purge(db: Database, table: Table, old: ColumnElement[bool], max_rows: int) -> int:
    removed, last = 0, None
    while (size := BATCH if max_rows < 0 else min(BATCH, max_rows - removed)) > 0:
        batch = select(table.c.id).where(old).order_by(table.c.id).limit(size)
        with db.reading() as connection:
            beyond = true() if last is None else table.c.id > last
            ids = connection.execute(batch.where(beyond)).scalars().all()
        if not ids:
            break
        last = ids[-1]
        which = and_(table.c.id.in_(ids), old)  # once more: it may have come back to life
        removed += db.transaction(partial(_remove, table, which))
    return removed


def _remove(table: Table, which: ColumnElement[bool], connection: Connection) -> int:
    if table is tasks:
        ours: Any = select(tasks.c.id).where(which)
        connection.execute(delete(task_info).where(task_info.c.task_id.in_(ours)))
    return connection.execute(delete(table).where(which)).rowcount
