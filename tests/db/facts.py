"""A database's schema as lines of text, for comparing it with the one that Glance makes.

`glance_head/*.txt` are these lines of databases that `glance-manage db sync` of Glance 33 made.
To write one anew: python -m tests.db.facts URL > tests/db/glance_head/ENGINE.txt
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import Connection, Inspector, create_engine, inspect

HEAD = Path(__file__).parent / "glance_head"


def facts(connection: Connection) -> list[str]:
    """One line for each column, key, constraint and index of Glance's tables, sorted."""
    found = inspect(connection)
    names = [n for n in found.get_table_names() if not n.startswith(("alembic_", "calotype_"))]
    return sorted(line for name in names for line in _table(connection, found, name))


def _table(connection: Connection, found: Inspector, name: str) -> Iterator[str]:
    for column in found.get_columns(name):
        kind = column["type"].compile(connection.dialect)
        # How wide a number is shown says nothing, and differs between releases of MariaDB.
        kind = re.sub(r"^(BIGINT|INTEGER)\(\d+\)", r"\1", kind)
        null = "null" if column["nullable"] else "not null"
        yield f"{name}.{column['name']}: {kind} {null} default {column['default']}"
    yield f"{name}: primary key {_columns(found.get_pk_constraint(name)['constrained_columns'])}"
    for key in found.get_foreign_keys(name):
        target = f"{key['referred_table']}{_columns(key['referred_columns'])}"
        yield f"{name}: foreign key {_columns(key['constrained_columns'])} to {target}"
    for unique in found.get_unique_constraints(name):
        yield f"{name}: unique {unique['name']} {_columns(unique['column_names'])}"
    for index in found.get_indexes(name):
        yield f"{name}: index {index['name']} {_columns(index['column_names'])}"
    for check in found.get_check_constraints(name):
        yield f"{name}: check {str(check['sqltext']).replace('`', '').lower()}"
    options = found.get_table_options(name)
    for option in ("mysql_engine", "mysql_default charset"):
        if option in options:
            yield f"{name}: {option} {options[option]}"


def _columns(names: Sequence[str | None]) -> str:
    return f"({', '.join(map(str, names))})"


if __name__ == "__main__":
    with create_engine(sys.argv[1]).connect() as opened:
        print("\n".join(facts(opened)))
