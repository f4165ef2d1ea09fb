"""The images of the list: made once, put into each database by SQL, the same everywhere."""

import random
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from calotype.db import schema
from calotype.db.engine import Database, connect
from calotype.db.tables import image_locations, image_properties, image_tags, images

PROPERTIES = 10
TAGS = 3
BATCH = 500

Row = dict[str, Any]


def image_ids(count: int) -> list[str]:
    """The ids of the first `count` images."""
    source = random.Random(7)
    return [str(uuid.UUID(int=source.getrandbits(128), version=4)) for _ in range(count)]


def make_tables(url: str) -> None:
    """Make Calotype's tables in an empty database."""
    database = connect(url)
    schema.sync(database)
    database.close()


def fill(url: str, count: int) -> None:
    """Put `count` active images with properties, tags and a location into a database."""
    database = connect(url)
    ids = image_ids(count)
    for start in range(0, count, BATCH):
        _insert(database, list(enumerate(ids))[start : start + BATCH])
    with database.reading() as connection:
        # So that every planner knows what it has before it.
        if database.dialect == "sqlite":
            connection.execute(text("ANALYZE"))
        else:
            for table in (images, image_properties, image_tags, image_locations):
                connection.execute(text(f"ANALYZE TABLE {table.name}"))
    database.close()


def _insert(database: Database, batch: list[tuple[int, str]]) -> None:
    with database.writing() as connection:
        connection.execute(insert(images), [_image(n, image_id) for n, image_id in batch])
        for table, make in (
            (image_properties, _properties),
            (image_tags, _tags),
            (image_locations, _locations),
        ):
            connection.execute(insert(table), [row for n, i in batch for row in make(n, i)])


def _times(number: int) -> Row:
    moment = datetime(2025, 1, 1) + timedelta(seconds=number * 37)
    return {"created_at": moment, "updated_at": moment, "deleted": False}


def _image(number: int, image_id: str) -> Row:
    return _times(number) | {
        "id": image_id,
        "name": f"server-image-{number:05}",
        "disk_format": "qcow2" if number % 3 else "raw",
        "container_format": "bare",
        "size": 1_000_000_000 + number,
        "virtual_size": 4_000_000_000,
        "status": "active",
        "visibility": ("public", "shared", "private")[number % 3],
        "checksum": f"{number:032x}",
        "os_hash_algo": "sha512",
        "os_hash_value": f"{number:0128x}",
        "min_disk": 4,
        "min_ram": 512,
        "owner": f"{number % 50:032x}",
        "protected": False,
        "os_hidden": False,
    }


def _properties(number: int, image_id: str) -> Iterator[Row]:
    for n in range(PROPERTIES):
        value = f"value {number} of property {n}"
        yield _times(number) | {"image_id": image_id, "name": f"property_{n}", "value": value}


def _tags(number: int, image_id: str) -> Iterator[Row]:
    for n in range(TAGS):
        yield _times(number) | {"image_id": image_id, "value": f"tag-{n}-{number % 20}"}


def _locations(number: int, image_id: str) -> Iterator[Row]:
    place = {"value": f"file:///images/{image_id}", "meta_data": '{"store": "file"}'}
    yield _times(number) | place | {"image_id": image_id, "status": "active"}
