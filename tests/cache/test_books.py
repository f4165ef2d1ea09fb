"""The drivers: all keep the same notes; those of Glance are read as they are."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from calotype import errors
from calotype.cache.books import Books
from calotype.cache.folder import Folder
from calotype.cache.sqlite_books import SqliteBooks
from calotype.cache.xattr_books import HITS, XattrBooks
from calotype.db import schema
from calotype.db.cached import CachedImages
from calotype.db.engine import connect
from calotype.model.cached import CachedImage

ONE = "11111111-1111-4111-8111-111111111111"
TWO = "22222222-2222-4222-8222-222222222222"
MOMENT = datetime(2026, 3, 1, 12, 30, 15)


@pytest.fixture
def xattrs(folder: Folder, missing_server: Callable[[str, str], None]) -> XattrBooks:
    """The driver of that name, where the folder lies on a file system for it."""
    driver = XattrBooks(folder)
    try:
        driver.check()
    except OSError as error:
        missing_server("extended attributes", f"the file system of {folder.path}: {error}")
    return driver


@pytest.fixture(params=["centralized_db", "sqlite", "xattr"])
def books(request: pytest.FixtureRequest, folder: Folder, tmp_path: Path) -> Iterator[Books]:
    for image_id in (ONE, TWO):
        Path(folder.entry(image_id)).write_bytes(b"1234")
    if request.param == "sqlite":
        yield SqliteBooks(f"{folder.path}/cache.db")
    elif request.param == "xattr":
        yield request.getfixturevalue("xattrs")
    else:
        database = connect(f"sqlite:///{tmp_path}/calotype.db")
        schema.sync(database)
        yield CachedImages(database, "http://node-1:9292", 600)
        database.close()


def entry(image_id: str, *, hits: int = 0, checksum: str | None = None) -> CachedImage:
    return CachedImage(image_id, 4, MOMENT, MOMENT - timedelta(hours=1), hits, checksum)


def hits(books: Books) -> dict[str, int]:
    return {it.image_id: it.hits for it in books.entries()}


def test_what_is_noted(books: Books) -> None:
    assert books.entries() == []
    books.add(entry(ONE, checksum="ab"))
    books.add(entry(TWO, hits=3))
    one, two = books.entries()
    assert (one.image_id, one.size, one.hits) == (ONE, 4, 0)
    assert (one.last_accessed, one.last_modified) == (MOMENT, MOMENT - timedelta(hours=1))
    assert (two.image_id, two.hits) == (TWO, 3)
    if not isinstance(books, XattrBooks):
        assert (one.checksum, two.checksum) == ("ab", None)
    assert [it.number for it in (one, two)] == (
        [1, 2] if isinstance(books, CachedImages) else [None, None]
    )


def test_uses_are_counted(books: Books) -> None:
    assert not books.used(ONE)
    books.add(entry(ONE))
    books.add(entry(TWO))
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    assert books.used(ONE)
    assert books.used(ONE)
    assert hits(books) == {ONE: 2, TWO: 0}
    one, two = books.entries()
    assert one.last_accessed >= before
    assert one.last_modified == MOMENT - timedelta(hours=1)
    assert two.last_accessed == MOMENT


def test_uses_at_the_same_time_are_all_counted(books: Books) -> None:
    books.add(entry(ONE))
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: books.used(ONE), range(40)))
    assert hits(books) == {ONE: 40}


def test_a_new_entry_replaces_the_old(books: Books) -> None:
    books.add(entry(ONE, hits=7))
    books.add(entry(ONE))
    assert hits(books) == {ONE: 0}


def test_removing(books: Books, folder: Folder) -> None:
    books.add(entry(ONE))
    books.add(entry(TWO))
    books.remove(ONE)
    folder.remove(ONE)
    assert hits(books) == {TWO: 0}
    books.remove(ONE)


# -- what Glance keeps -----------------------------------------------------------------------------

GLANCE = """
CREATE TABLE cached_images (image_id TEXT PRIMARY KEY, last_accessed REAL DEFAULT 0.0,
    last_modified REAL DEFAULT 0.0, size INTEGER DEFAULT 0, hits INTEGER DEFAULT 0,
    checksum TEXT NULL)
"""


def test_the_file_of_glance(tmp_path: Path) -> None:
    path = f"{tmp_path}/cache.db"
    with sqlite3.connect(path) as connection:
        connection.execute(GLANCE)
        values = (ONE, 1772368215.25, 1772364615.5, 4, 9, None)
        connection.execute("INSERT INTO cached_images VALUES (?, ?, ?, ?, ?, ?)", values)
    connection.close()
    (found,) = SqliteBooks(path).entries()
    assert (found.image_id, found.size, found.hits, found.checksum) == (ONE, 4, 9, None)
    assert found.last_accessed == MOMENT + timedelta(microseconds=250000)
    assert SqliteBooks(path).used(ONE)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT hits, last_modified FROM cached_images").fetchall() == [
            (10, 1772364615.5)
        ]
    connection.close()


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    path.write_text("something else, and long enough to be looked at" * 50)
    with pytest.raises(errors.DatabaseUnavailable):
        SqliteBooks(str(path)).entries()


def test_the_attributes_of_glance(folder: Folder, xattrs: XattrBooks) -> None:
    path, driver = folder.entry(ONE), xattrs
    Path(path).write_bytes(b"1234")
    os.setxattr(path, HITS, b"12")
    assert hits(driver) == {ONE: 12}
    driver.used(ONE)
    assert os.getxattr(path, "user.hits") == b"13"
