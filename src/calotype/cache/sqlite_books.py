"""The driver `sqlite`: notes in a SQLite file in the folder of the cache, as Glance keeps them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime

from calotype import errors
from calotype.model.cached import CachedImage

#: Seconds to wait for another process that writes.
BUSY = 30

_TABLE = """
CREATE TABLE IF NOT EXISTS cached_images (
    image_id TEXT PRIMARY KEY, last_accessed REAL DEFAULT 0.0, last_modified REAL DEFAULT 0.0,
    size INTEGER DEFAULT 0, hits INTEGER DEFAULT 0, checksum TEXT NULL)
"""
_ADD = """
INSERT OR REPLACE INTO cached_images
    (image_id, last_accessed, last_modified, size, hits, checksum) VALUES (?, ?, ?, ?, ?, ?)
"""
_USED = "UPDATE cached_images SET hits = hits + 1, last_accessed = ? WHERE image_id = ?"
_REMOVE = "DELETE FROM cached_images WHERE image_id = ?"
_ENTRIES = """
SELECT image_id, size, last_accessed, last_modified, hits, checksum
FROM cached_images ORDER BY image_id
"""


class SqliteBooks:
    """Notes in a SQLite file. All methods raise DatabaseUnavailable."""

    def __init__(self, path: str) -> None:
        self.path = path

    def add(self, entry: CachedImage) -> None:
        """Note an entry."""
        times = (_epoch(entry.last_accessed), _epoch(entry.last_modified))
        values = (entry.image_id, *times, entry.size, entry.hits, entry.checksum)
        with self._opened() as connection:
            connection.execute(_ADD, values)

    def used(self, image_id: str) -> bool:
        """Count a use of an entry; False when there is no note of it."""
        moment = datetime.now(UTC).timestamp()
        with self._opened() as connection:
            return connection.execute(_USED, (moment, image_id)).rowcount > 0

    def remove(self, image_id: str) -> None:
        """Forget an entry, if there is any."""
        with self._opened() as connection:
            connection.execute(_REMOVE, (image_id,))

    def entries(self) -> list[CachedImage]:
        """All entries."""
        with self._opened() as connection:
            rows = connection.execute(_ENTRIES).fetchall()
        return [
            CachedImage(image_id, size, _moment(accessed), _moment(modified), hits, checksum)
            for image_id, size, accessed, modified, hits, checksum in rows
        ]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, BUSY, isolation_level=None)) as connection:
                connection.execute(_TABLE)
                yield connection
        except sqlite3.Error as error:
            raise errors.DatabaseUnavailable(f"The notes of the image cache: {error}") from error


def _epoch(moment: datetime) -> float:
    return moment.replace(tzinfo=UTC).timestamp()


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)
