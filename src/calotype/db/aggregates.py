"""JSON that every engine makes under another name.

An image comes back as one JSON array: its own columns, then an object each of its properties, tags
and locations. So a page of any length is one query and one column, decoded in C; drivers written in
Python spend more on 21 columns than the server on finding the row.

Keys of the objects are row numbers, and the texts sit in arrays, because only those are escaped
alike on all engines; objects are used because MariaDB cuts JSON_ARRAYAGG at `group_concat_max_len`.
"""

from functools import cache
from typing import Any

from sqlalchemy import ScalarSelect, Table, Text, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

_ROWS = {
    "sqlite": "json_group_object({key}, json_array({values}))",
    "mysql": "JSON_OBJECTAGG({key}, JSON_ARRAY({values}))",
    "postgresql": "json_object_agg({key}, json_build_array({values}))",
}
_ROW = {
    "sqlite": "json_array({values})",
    "mysql": "JSON_ARRAY({values})",
    "postgresql": "json_build_array({values})::text",
}


class rows_as_json(FunctionElement[str]):
    """`rows_as_json(key, value, ...)`: the rows as JSON text, `{"<key>": [value, ...], ...}`."""

    type = Text()
    inherit_cache = True


class row_as_json(FunctionElement[str]):
    """`row_as_json(value, ...)`: one row as JSON text, `[value, ...]`.

    What is JSON itself stands in it as JSON, or, on some engines, as text that holds it.
    """

    type = Text()
    inherit_cache = True


@compiles(rows_as_json)
def _compile_rows(element: rows_as_json, compiler: Any, **kw: Any) -> str:
    key, *values = (compiler.process(clause, **kw) for clause in element.clauses)
    return _ROWS[compiler.dialect.name].format(key=key, values=", ".join(values))


@compiles(row_as_json)
def _compile_row(element: row_as_json, compiler: Any, **kw: Any) -> str:
    values = (compiler.process(clause, **kw) for clause in element.clauses)
    return _ROW[compiler.dialect.name].format(values=", ".join(values))


@cache
def alive(table: Table) -> ColumnElement[bool]:
    """Rows that are not deleted, in a form no engine answers from the index on `deleted`.

    Nearly all rows are alive: who begins with that index reads the whole table.
    """
    return table.c.deleted.is_not(true())


def children(table: Table, parent: ColumnElement[str], *columns: str) -> ScalarSelect[str]:
    """The living rows of `table` that belong to the image `parent`, as one JSON column."""
    return (
        select(rows_as_json(table.c.id, *(table.c[name] for name in columns)))
        .where(table.c.image_id == parent, alive(table))
        .scalar_subquery()
    )
