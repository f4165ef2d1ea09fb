"""The columns of what commands show."""

from datetime import UTC, datetime
from typing import Any

from calotype_client.cli.command import Names, Pairs, Row
from calotype_client.model import CachedImage, Image, Task

LIST = ("ID", "Name", "Status")
LONG = (
    *("ID", "Name", "Disk Format", "Container Format", "Size", "Checksum", "Status"),
    *("Visibility", "Protected", "Project", "Hash Algorithm", "Hash Value", "Tags"),
)
TASKS = ("ID", "Type", "Status", "Owner")
IMAGE_TASKS = ("ID", "Type", "Status", "Message", "Updated At")
CACHED = ("ID", "State", "Last Accessed (UTC)", "Last Modified (UTC)", "Size", "Hits")

_IMAGE = (
    *("id", "name", "status", "visibility", "owner", "size", "virtual_size"),
    *("disk_format", "container_format", "min_disk", "min_ram", "protected", "os_hidden"),
    *("checksum", "os_hash_algo", "os_hash_value", "created_at", "updated_at"),
)


def image(it: Image) -> Row:
    """All of an image."""
    names = [name for name in _IMAGE if name in it.json]
    values: list[Any] = [it.json[name] for name in names]
    if it.stores:
        names.append("stores")
        values.append(Names(it.stores))
    names += ["tags", "properties"]
    return names, [*values, Names(it.tags), Pairs(it.properties)]


def short(it: Image) -> tuple[Any, ...]:
    """An image in a list."""
    return it.id, it.name, it.status


def long(it: Image) -> tuple[Any, ...]:
    """An image in a long list."""
    return (
        *(it.id, it.name, it.disk_format, it.container_format, it.size, it.checksum, it.status),
        *(it.visibility, it.json.get("protected"), it.owner, it.os_hash_algo),
        *(it.os_hash_value, Names(it.tags)),
    )


def task(it: Task) -> Row:
    """All of a task."""
    names = [name for name in it.json if name not in ("self", "schema", "request-id", "user")]
    values = [it.json[name] for name in names]
    return names, [Pairs(value) if isinstance(value, dict) else value for value in values]


def cached(it: CachedImage) -> tuple[Any, ...]:
    """An image in a cache."""
    times = (_time(it.last_accessed), _time(it.last_modified))
    return it.image_id, it.state, *times, it.size, it.hits


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
