"""An image in the cache of a node."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CachedImage:
    """What is noted of it. Times in UTC, naive; `size` in bytes; `number`: of its row, if any."""

    image_id: str
    size: int
    last_accessed: datetime
    last_modified: datetime
    hits: int = 0
    checksum: str | None = None
    number: int | None = None
