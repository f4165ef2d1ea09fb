"""Databases as Glance left them in the releases from Train to 2023.1, with rows in them.

Only two of these releases changed anything: Wallaby added columns and an index to `tasks`, 2024.1
the tables of the image cache. That was seen in databases which `glance-manage db upgrade` of
Glance 33 took from one release to the next, on each engine, by the same lines as in `facts.py`;
`tests/glance` looks again. What Glance 19 itself made has more: checks on the flags of `images`,
and the table `migrate_version` of a tool of old. All later releases leave that, and so do we.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, DateTime, Index, MetaData, String, Table, insert, text

from calotype.db import tables
from calotype.db.engine import Database
from calotype.db.schema import CONTRACTS, EXPANDS, RELEASES
from tests.db import facts
from tests.db.samples import NASTY

WALLABY = RELEASES.index("wallaby")
#: How the lines of `facts` begin that are not in a database of Train.
NEW_IN_WALLABY = (
    "tasks.image_id:",
    "tasks.request_id:",
    "tasks.user_id:",
    "tasks: index ix_tasks_image_id ",
)
NEW_IN_2024 = ("cached_images", "node_reference")

TASKS_OF_TRAIN = Table(
    "tasks",
    MetaData(),
    Column("id", String(36), primary_key=True),
    Column("type", String(30), nullable=False),
    Column("status", String(30), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("expires_at", DateTime),
    Column("created_at", DateTime, nullable=False),
    Column("updated_at", DateTime),
    Column("deleted_at", DateTime),
    Column("deleted", tables.FLAG, nullable=False),
    *(
        Index(f"ix_tasks_{column}", column)
        for column in ("deleted", "owner", "status", "type", "updated_at")
    ),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb3",
)

WHEN = datetime(2019, 10, 16, 7, 8, 9)
LATER = datetime(2020, 2, 3, 4, 5, 6)
GONE = {"created_at": WHEN, "updated_at": LATER, "deleted_at": LATER, "deleted": True}
ALIVE = {"created_at": WHEN, "updated_at": WHEN, "deleted_at": None, "deleted": False}
#: An image of the project "ours", and one that is deleted.
ACTIVE = "11111111-1111-4111-8111-111111111111"
DELETED = "22222222-2222-4222-8222-222222222222"
TASK = "33333333-3333-4333-8333-333333333333"


def release(*revisions: str) -> int:
    """Which of `RELEASES` the tables of a database at these revisions are those of."""
    known = {name: number for names in (EXPANDS, CONTRACTS) for number, name in enumerate(names)}
    return max(known[revision] for revision in revisions)


def schema_facts(engine_name: str, *revisions: str) -> list[str]:
    """The lines of `facts` of a database at these revisions."""
    lines = (facts.HEAD / f"{engine_name}.txt").read_text().splitlines()
    number = release(*revisions)
    if number < WALLABY:
        lines = [line for line in lines if not line.startswith(NEW_IN_WALLABY)]
    if number < len(RELEASES) - 1:
        lines = [line for line in lines if not line.startswith(NEW_IN_2024)]
    return lines


def make(database: Database, *revisions: str) -> list[Table]:
    """Make a database at these revisions, with rows; returns the tables that it has."""
    made = _tables(release(*revisions))
    with database.writing() as connection:
        for table in made:
            table.create(connection)
        connection.execute(
            text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        )
        for revision in revisions:
            connection.execute(text("INSERT INTO alembic_version VALUES (:r)"), {"r": revision})
    rows = _rows()
    with database.writing() as connection:
        for table in made:
            if table.name in rows:
                connection.execute(insert(table), rows[table.name])
    return made


def contents(database: Database, made: list[Table]) -> dict[str, list[Any]]:
    """All rows of these tables, as the driver gives them, by their names."""
    with database.reading() as connection:
        return {table.name: _contents(connection, table) for table in made}


def _contents(connection: Connection, table: Table) -> list[Any]:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(quote(column.name) for column in table.columns)
    found = connection.execute(text(f"SELECT {columns} FROM {table.name}"))
    return sorted(map(tuple, found), key=repr)


def _tables(number: int) -> list[Table]:
    new = () if number == len(RELEASES) - 1 else NEW_IN_2024
    return [
        TASKS_OF_TRAIN if table is tables.tasks and number < WALLABY else table
        for table in tables.glance.sorted_tables
        if table.name not in new
    ]


def _rows() -> dict[str, list[dict[str, Any]]]:
    image = {"min_disk": 1, "min_ram": 2, "owner": "ours", "visibility": "shared"}
    image |= {"protected": True, "os_hidden": False, "size": 3, "disk_format": "raw"}
    return {
        "images": [
            {**image, **ALIVE, "id": ACTIVE, "name": "ä 漢字", "status": "active"},
            {**image, **GONE, "id": DELETED, "name": None, "status": "deleted"},
        ],
        "image_properties": [
            {"image_id": ACTIVE, "name": f"n{number}", "value": value, **ALIVE}
            for number, value in enumerate(NASTY)
        ]
        + [{"image_id": ACTIVE, "name": "old", "value": None, **GONE}],
        "image_tags": [
            {"image_id": image_id, "value": value, **row}
            for image_id, value, row in (
                (ACTIVE, "ä", ALIVE),
                (ACTIVE, "b", GONE),
                (DELETED, "c", GONE),
            )
        ],
        "image_locations": [
            {"image_id": ACTIVE, "value": "file:///a", "meta_data": '{"store": "a"}', **ALIVE}
            | {"status": "active"},
            {"image_id": DELETED, "value": "file:///b", "meta_data": "{}", **GONE}
            | {"status": "deleted"},
        ],
        "image_members": [
            {"image_id": ACTIVE, "member": "theirs", "status": "accepted", **ALIVE}
            | {"can_share": False},
            {"image_id": DELETED, "member": "theirs", "status": "pending", **GONE}
            | {"can_share": False},
        ],
        "tasks": [
            {"id": TASK, "type": "api_image_import", "status": "success", "owner": "ours", **ALIVE}
            | {"expires_at": LATER},
            {"id": DELETED, "type": "import", "status": "failure", "owner": "ours", **GONE}
            | {"expires_at": None},
        ],
        "task_info": [
            {
                "task_id": TASK,
                "input": f'{{"image_id": "{ACTIVE}"}}',
                "result": None,
                "message": "",
            },
            {"task_id": DELETED, "input": "{}", "result": "null", "message": "No such file: ä"},
        ],
        **_metadefs(),
    }


def _metadefs() -> dict[str, list[dict[str, Any]]]:
    times = {"created_at": WHEN, "updated_at": LATER}
    inside = {"namespace_id": 1, "name": "Ä", **times}
    return {
        "metadef_namespaces": [
            {"id": 1, "namespace": "OS::Ä", "description": "'\"\\%", "owner": "ours"}
            | {"visibility": "public", "protected": None, **times}
        ],
        "metadef_resource_types": [{"id": 1, "name": "OS::One", "protected": True, **times}],
        "metadef_namespace_resource_types": [
            {"resource_type_id": 1, "namespace_id": 1, "prefix": "hw:", **times}
        ],
        "metadef_objects": [{**inside, "required": "a,b", "json_schema": '{"a": {}}'}],
        "metadef_properties": [{**inside, "json_schema": '{"name": "Ä"}'}],
        "metadef_tags": [inside],
    }
