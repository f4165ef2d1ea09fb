"""A `TaskFilter` as SQL: who may see which tasks, the conditions, the order and the page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, false, func, true
from sqlalchemy.sql import ColumnElement, Select

from calotype.db import paging
from calotype.db.aggregates import alive
from calotype.db.images import now
from calotype.db.tables import tasks
from calotype.model.filter import Order, TaskFilter, Viewer

_TASK = tasks.c

#: Engines disagree on where NULL sorts; these stand in for it (no real value is smaller).
_NULL_AS: dict[str, str | datetime] = {
    "image_id": "", "request_id": "", "user_id": "", "expires_at": datetime(1000, 1, 1),
}  # fmt: skip


def unexpired() -> ColumnElement[bool]:
    """Tasks that are shown: all that go on, and for a while those that have ended."""
    return and_(alive(tasks), _TASK.expires_at.is_(None) | (_TASK.expires_at > now()))


def visible(viewer: Viewer) -> ColumnElement[bool]:
    """The tasks that somebody sees: an admin all, others those of their project."""
    if viewer.is_admin:
        return true()
    return _TASK.owner == viewer.project_id if viewer.project_id else false()


def sort_values(order: Sequence[Order]) -> list[ColumnElement[Any]]:
    """The expressions a list is ordered by, with NULL made a smallest value."""
    return [_sort_value(key.key) for key in order]


def page(
    statement: Select[Any], wanted: TaskFilter, viewer: Viewer, after: Sequence[Any] | None
) -> Select[Any]:
    """`statement` (over tasks) narrowed to the page; `after` are the marker's sort values."""
    statement = statement.where(unexpired(), visible(viewer))
    if wanted.type is not None:
        statement = statement.where(_TASK.type == wanted.type)
    if wanted.status is not None:
        statement = statement.where(_TASK.status == wanted.status)
    keys = sort_values(wanted.order)
    if after is not None:
        statement = statement.where(paging.beyond(keys, wanted.order, after))
    pairs = zip(keys, wanted.order, strict=True)
    statement = statement.order_by(*(k.desc() if o.descending else k.asc() for k, o in pairs))
    return statement.limit(wanted.limit)


def _sort_value(key: str) -> ColumnElement[Any]:
    if key == "updated_at":
        return func.coalesce(_TASK.updated_at, _TASK.created_at)
    return func.coalesce(_TASK[key], _NULL_AS[key]) if key in _NULL_AS else _TASK[key]
