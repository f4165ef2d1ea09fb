"""Paging by key: where a page begins that comes after its marker.

A page begins after the marker's own values of the sort keys, so it costs the same at any depth and
nothing is shown twice while rows come and go.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, or_
from sqlalchemy.sql import ColumnElement

from calotype.model.filter import Order


def beyond(
    keys: Sequence[ColumnElement[Any]], order: Sequence[Order], after: Sequence[Any]
) -> ColumnElement[bool]:
    """Rows that come after the given values: (a > x) or (a = x and b > y) or ..."""
    branches: list[ColumnElement[bool]] = []
    for place, (key, one, value) in enumerate(zip(keys, order, after, strict=True)):
        ties = [k == v for k, v in zip(keys[:place], after[:place], strict=True)]
        branches.append(and_(*ties, key < value if one.descending else key > value))
    first = keys[0] <= after[0] if order[0].descending else keys[0] >= after[0]
    return and_(first, or_(*branches))  # `first` repeats what follows, for the index's sake
