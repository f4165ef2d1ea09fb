"""A file appears whole or not at all: also when the disk fails, and when the process is killed."""

import errno
import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from calotype import errors
from calotype.stores import atomic_file
from calotype.stores.atomic_file import TEMPORARY, AtomicFile
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from tests.stores.sources import Stream, content
from tests.stores.suite import FAR_FUTURE, MIB, new_key


def test_has_its_name_only_after_keep(tmp_path: Path) -> None:
    with AtomicFile(str(tmp_path), "name") as file:
        file.write(b"some ")
        file.write(memoryview(b"data"))
        (temporary,) = os.listdir(tmp_path)
        match = TEMPORARY.fullmatch(temporary)
        assert match is not None
        assert match["key"] == "name"
        file.keep()
        assert os.listdir(tmp_path) == ["name"]
    assert os.listdir(tmp_path) == ["name"]
    assert (tmp_path / "name").read_bytes() == b"some data"


def test_leaves_nothing_without_keep(tmp_path: Path) -> None:
    with AtomicFile(str(tmp_path), "name") as file:
        file.write(b"data")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([3], bytes(3)),
        ([b"ab", 3], b"ab" + bytes(3)),
        ([2, b"ab", 1, b"c"], bytes(2) + b"ab" + bytes(1) + b"c"),
        ([], b""),
    ],
)
def test_holes_are_zeros(tmp_path: Path, steps: list[int | bytes], expected: bytes) -> None:
    with AtomicFile(str(tmp_path), "name") as file:
        for step in steps:
            if isinstance(step, int):
                file.skip(step)
            else:
                file.write(step)
        file.keep()
    assert (tmp_path / "name").read_bytes() == expected


def test_a_name_that_is_taken_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "name").write_text("first")
    with AtomicFile(str(tmp_path), "name") as file:
        file.write(b"second")
        with pytest.raises(errors.DataExists):
            file.keep()
    assert os.listdir(tmp_path) == ["name"]
    assert (tmp_path / "name").read_text() == "first"


def test_is_closed_to_others_until_it_has_its_permissions(tmp_path: Path) -> None:
    with AtomicFile(str(tmp_path), "name", mode=0o644) as file:
        (temporary,) = tmp_path.iterdir()
        assert temporary.stat().st_mode & 0o777 == 0o600
        file.keep()
    assert (tmp_path / "name").stat().st_mode & 0o777 == 0o644


def test_a_write_cut_short_is_not_taken_for_whole(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with AtomicFile(str(tmp_path), "name") as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(errors.StoreFull):
                file.write(content(1500))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, errors.StoreFull),
        (errno.EDQUOT, errors.StoreFull),
        (errno.EFBIG, errors.StoreFull),
        (errno.EACCES, errors.StoreUnavailable),
        (errno.EROFS, errors.StoreUnavailable),
        (errno.ESTALE, errors.StoreUnavailable),
        (errno.EIO, errors.StoreError),
    ],
)
def test_errors_by_meaning(number: int, expected: type[errors.Error]) -> None:
    with pytest.raises(errors.StoreError) as caught, atomic_file.translated("x", "/secret/path"):
        raise OSError(number, os.strerror(number), "/secret/path")
    assert type(caught.value) is expected
    assert os.strerror(number) in caught.value.message
    assert "secret" not in caught.value.message


# -- the disk fails --------------------------------------------------------------------------------
# No disk here fails on demand, so the calls that would report it are replaced.


def failing(times: list[str], name: str) -> Callable[..., None]:
    def call(*_args: object) -> None:
        times.append(name)
        raise OSError(errno.EIO, "Input/output error")

    return call


def test_a_failed_flush_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[str] = []
    monkeypatch.setattr(os, "fsync", failing(times, "file"))
    with AtomicFile(str(tmp_path), "name") as file:
        file.write(b"data")
        with pytest.raises(errors.StoreError, match="Input/output error"):
            file.keep()
    assert times == ["file"]
    assert os.listdir(tmp_path) == []


def test_a_failed_flush_of_the_folder_takes_the_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[str] = []
    monkeypatch.setattr(atomic_file, "flush_folder", failing(times, "folder"))
    with AtomicFile(str(tmp_path), "name") as file, pytest.raises(errors.StoreError):
        file.keep()
    assert times == ["folder"]
    assert os.listdir(tmp_path) == []


def test_the_order_of_writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data on disk, then the final name, then the folder on disk."""
    seen: list[tuple[str, bool]] = []
    fsync = os.fsync

    def watched(fd: int) -> None:
        what = "folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "data"
        seen.append((what, (tmp_path / "name").exists()))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", watched)
    with AtomicFile(str(tmp_path), "name") as file:
        file.write(b"data")
        file.keep()
    assert seen == [("data", False), ("folder", True)]


def test_not_durable_means_no_flush(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[str] = []
    monkeypatch.setattr(os, "fsync", failing(times, "any"))
    with AtomicFile(str(tmp_path), "name", durable=False) as file:
        file.keep()
    assert times == []
    assert os.listdir(tmp_path) == ["name"]


def test_the_kernel_is_told_to_begin_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[tuple[int, int]] = []
    start_flush = atomic_file.start_flush

    def watched(fd: int, offset: int, length: int) -> None:
        ranges.append((offset, length))
        start_flush(fd, offset, length)

    monkeypatch.setattr(atomic_file, "start_flush", watched)
    monkeypatch.setattr(atomic_file, "FLUSH_EVERY", 2 * MIB)
    data = content(5 * MIB)
    with AtomicFile(str(tmp_path), "name") as file:
        for start in range(0, len(data), MIB):
            file.write(data[start : start + MIB])
        file.keep()
    assert ranges == [(0, 2 * MIB), (2 * MIB, 2 * MIB)]
    assert (tmp_path / "name").read_bytes() == data


# -- the process is killed -------------------------------------------------------------------------


def sizes(seed: int) -> list[int]:
    """Sizes of the images that the child of this seed puts."""
    return [random.Random(seed * 1000 + n).randrange(0, 2 * MIB) for n in range(40)]


def put_until_killed(folder: Path, seed: int, keys: list[str]) -> None:
    store = FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(folder)),)))
    for number, (key, size) in enumerate(zip(keys, sizes(seed), strict=True)):
        store.put(key, Stream(content(size, number), piece=MIB // 4), size)


def run_and_kill(folder: Path, seed: int, keys: list[str]) -> None:
    """Put images in a process of its own and kill it at a moment that the seed decides."""
    child = os.fork()
    if child == 0:
        try:
            put_until_killed(folder, seed, keys)
        finally:
            os._exit(0)
    time.sleep(random.Random(seed).uniform(0.002, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


# The child only writes files: it needs none of the threads that a fork does not take along.
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_any_moment_leaves_only_whole_files(tmp_path: Path) -> None:
    whole = unfinished = 0
    store = FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(tmp_path)),)))
    for seed in range(25):
        keys = [new_key() for _ in range(40)]
        run_and_kill(tmp_path, seed, keys)
        for number, (key, size) in enumerate(zip(keys, sizes(seed), strict=True)):
            if (tmp_path / key).exists():
                whole += 1
                assert (tmp_path / key).read_bytes() == content(size, number)
        for location in list(store.leftovers(FAR_FUTURE)):
            unfinished += location.status == "unfinished"
            store.delete(location)
        assert os.listdir(tmp_path) == []
    assert whole > 0, "no child was left the time to finish anything"
    assert unfinished > 0, "no child was killed in the middle of a put"
