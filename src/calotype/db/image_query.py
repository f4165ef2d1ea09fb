"""A `Filter` as SQL: who may see which rows, the conditions, the order and the page."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.sql import ColumnElement, Select

from calotype.db import paging
from calotype.db.aggregates import alive
from calotype.db.tables import image_members, image_properties, image_tags, images
from calotype.model.filter import Condition, Filter, Order, Test, Viewer
from calotype.model.image import Status, Visibility

_COMPARE = {
    Test.EQ: lambda column, value: column == value,
    Test.NEQ: lambda column, value: column != value,
    Test.GT: lambda column, value: column > value,
    Test.GTE: lambda column, value: column >= value,
    Test.LT: lambda column, value: column < value,
    Test.LTE: lambda column, value: column <= value,
    Test.IN: lambda column, value: column.in_(value),
}

#: The moments that every engine can keep.
_EARLIEST, _LATEST = datetime(1000, 1, 1), datetime(9999, 12, 31)

#: Engines disagree on where NULL sorts; these stand in for it (no real value is smaller).
_NULL_AS: dict[str, str | int] = {"name": "", "container_format": "", "disk_format": "", "size": -1}


def sort_values(order: Sequence[Order]) -> list[ColumnElement[Any]]:
    """The expressions a list is ordered by, with NULL made a smallest value."""
    return [_sort_value(key.key) for key in order]


def page(
    statement: Select[Any], wanted: Filter, viewer: Viewer, after: Sequence[Any] | None
) -> Select[Any]:
    """`statement` (over images) narrowed to the page; `after` are the marker's sort values."""
    statement = statement.where(alive(images), images.c.status != Status.KILLED)
    statement = statement.where(_hidden(wanted), _visible(wanted, viewer))
    statement = statement.where(*(_condition(one) for one in wanted.conditions))
    statement = statement.where(*_has_properties(wanted.properties), *_has_tags(wanted.tags))
    keys = sort_values(wanted.order)
    if after is not None:
        statement = statement.where(paging.beyond(keys, wanted.order, after))
    elif wanted.order[0].key == "created_at" and not _is_narrow(wanted):
        statement = statement.where(_from_the_start(wanted.order[0]))
    pairs = zip(keys, wanted.order, strict=True)
    statement = statement.order_by(*(k.desc() if o.descending else k.asc() for k, o in pairs))
    return statement.limit(wanted.limit)


def _hidden(wanted: Filter) -> ColumnElement[bool]:
    hidden = images.c.os_hidden
    return hidden == true() if wanted.os_hidden else hidden.is_not(true())


def _sort_value(key: str) -> ColumnElement[Any]:
    column = images.c[key]
    return func.coalesce(column, _NULL_AS[key]) if key in _NULL_AS else column


def _condition(one: Condition) -> ColumnElement[bool]:
    # As the column's own type, a number beyond it would be an error, not one that nothing reaches.
    value = literal(one.value, BigInteger) if type(one.value) is int else one.value
    compared: ColumnElement[bool] = _COMPARE[one.test](images.c[one.field], value)
    return compared


def _visible(wanted: Filter, viewer: Viewer) -> ColumnElement[bool]:
    if viewer.is_admin:
        return _visible_to_admin(wanted, viewer)
    column = images.c
    mine = column.owner == viewer.project_id if viewer.project_id else false()
    offered = _shared_with(viewer, wanted.member_status)
    public = column.visibility == Visibility.PUBLIC
    community = column.visibility == Visibility.COMMUNITY
    if wanted.all_visibilities:
        return or_(public, community, mine, offered)
    match wanted.visibility:
        case None:
            return or_(public, mine, offered)
        case Visibility.SHARED:
            return and_(column.visibility == Visibility.SHARED, or_(mine, offered))
        case Visibility.PRIVATE:
            return and_(column.visibility == Visibility.PRIVATE, mine)
        case other:
            return column.visibility == other


def _visible_to_admin(wanted: Filter, viewer: Viewer) -> ColumnElement[bool]:
    column = images.c
    if wanted.all_visibilities:
        return true()
    if wanted.visibility is not None:
        return column.visibility == wanted.visibility
    own = column.owner == viewer.project_id if viewer.project_id else column.owner.is_(None)
    return or_(column.visibility != Visibility.COMMUNITY, own)


def _shared_with(viewer: Viewer, member_status: str | None) -> ColumnElement[bool]:
    if not viewer.project_id:
        return false()
    member = image_members.c
    membership = exists().where(
        member.image_id == images.c.id,
        member.member == viewer.project_id,
        alive(image_members),
        *([member.status == member_status] if member_status else []),
    )
    return and_(images.c.visibility == Visibility.SHARED, membership)


def _has_properties(properties: Mapping[str, str]) -> list[ColumnElement[bool]]:
    row = image_properties.c
    pairs = properties.items()
    return _has_all(image_properties, [(row.name == k) & (row.value == v) for k, v in pairs])


def _has_tags(tags: Sequence[str]) -> list[ColumnElement[bool]]:
    return _has_all(image_tags, [image_tags.c.value == tag for tag in tags])


def _has_all(table: Table, matches: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Images that have a row of the table for each match: one subquery, however many they are.

    With one for each, PostgreSQL plans for a minute, and MariaDB refuses more than 61.
    """
    if not matches:
        return []
    rows = select(table.c.image_id).where(or_(*matches), alive(table))
    if len(matches) > 1:
        met = [func.max(case((match, 1), else_=0)) == 1 for match in matches]
        rows = rows.group_by(table.c.image_id).having(and_(*met))
    return [images.c.id.in_(rows)]


def _is_narrow(wanted: Filter) -> bool:
    """Whether few of the images one may see are likely to match."""
    return bool(wanted.conditions or wanted.properties or wanted.tags)


def _from_the_start(first: Order) -> ColumnElement[bool]:
    """True of every row. MariaDB reads along an index for its order only when asked for a range.

    Without this it reads and sorts whatever the page is taken from; with it the optimizer has the
    choice, and still prefers other indexes for those who see little of much.
    """
    column = images.c.created_at
    return column <= _LATEST if first.descending else column >= _EARLIEST
