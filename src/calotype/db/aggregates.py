"""JSON aggregates that every engine has under another name.

An image's properties, tags and locations come back inside its own row, as one JSON object each,
keyed by row id, so a page of any length is one query and a handful of columns. Keys are row
numbers, and the texts sit in JSON arrays, because only those are escaped alike on all engines; the
object form is used because MariaDB cuts JSON_ARRAYAGG at `group_concat_max_len`.
"""

from typing import Any

from sqlalchemy import ScalarSelect, Table, Text, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.functions import FunctionElement

_NAMES = {
    "sqlite": "json_group_object({key}, json_array({values}))",
    "mysql": "JSON_OBJECTAGG({key}, JSON_ARRAY({values}))",
    "postgresql": "json_object_agg({key}, json_build_array({values}))::text",
}


class rows_as_json(FunctionElement[str]):
    """`rows_as_json(key, value, ...)`: the rows as JSON text, `{"<key>": [value, ...], ...}`."""

    type = Text()
    inherit_cache = True


@compiles(rows_as_json)
def _compile(element: rows_as_json, compiler: Any, **kw: Any) -> str:
    key, *values = (compiler.process(clause, **kw) for clause in element.clauses)
    template = _NAMES["mysql" if compiler.dialect.name == "mariadb" else compiler.dialect.name]
    return template.format(key=key, values=", ".join(values))


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
