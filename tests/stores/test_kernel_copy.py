"""Files that a store takes without reading them: second names, and copies by the kernel."""

import os
from pathlib import Path

import pytest

from calotype import errors
from calotype.stores import kernel_copy
from calotype.stores.filesystem import FilesystemStore
from tests.stores.sources import content
from tests.stores.suite import MIB, held, new_key, whole
from tests.stores.test_filesystem import store_in

SIZES = [0, 1, MIB + 1, kernel_copy.PIECE + 5]


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    (tmp_path / "store").mkdir()
    return store_in(tmp_path / "store", file_perm=640)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "source"
    path.write_bytes(data)
    return path


# -- copies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_a_copy_is_what_was_copied(store: FilesystemStore, tmp_path: Path, size: int) -> None:
    data, said = content(size), []
    with written(tmp_path, data).open("rb") as file:
        place = store.copy_file(new_key(), file, said.append)
    assert whole(store, place) == data
    assert said[-1] == size and said == sorted(said)
    assert os.stat(place.url.removeprefix("file://")).st_mode & 0o777 == 0o640


def test_holes_stay_holes(store: FilesystemStore, tmp_path: Path) -> None:
    path = tmp_path / "source"
    with path.open("wb") as file:
        file.seek(64 * MIB)
        file.write(b"in the middle")
        file.truncate(200 * MIB)
    with path.open("rb") as file:
        place = store.copy_file(new_key(), file, lambda size: None)
    copy = Path(place.url.removeprefix("file://"))
    assert copy.stat().st_size == 200 * MIB
    assert copy.stat().st_blocks * 512 < MIB
    assert b"".join(store.read(place, 64 * MIB, 13)) == b"in the middle"


def test_what_is_there_is_not_replaced(store: FilesystemStore, tmp_path: Path) -> None:
    key, path = new_key(), written(tmp_path, b"new")
    (tmp_path / "store" / key).write_bytes(b"old")
    with path.open("rb") as file:
        for take in (
            lambda: store.adopt(key, str(path)),
            lambda: store.copy_file(key, file, lambda size: None),
        ):
            with pytest.raises(errors.DataExists) as caught:
                take()
            assert caught.value.url == f"file://{tmp_path}/store/{key}"
    assert (tmp_path / "store" / key).read_bytes() == b"old"


def test_a_copy_that_is_stopped_leaves_nothing(store: FilesystemStore, tmp_path: Path) -> None:
    def stop(_size: int) -> None:
        raise KeyboardInterrupt

    with written(tmp_path, content(MIB)).open("rb") as file, pytest.raises(KeyboardInterrupt):
        store.copy_file(new_key(), file, stop)
    assert held(store) == set()


def test_a_copy_needs_room(small_folder: Path, tmp_path: Path) -> None:
    store = store_in(small_folder)
    with written(tmp_path, content(20 * MIB)).open("rb") as file, pytest.raises(errors.StoreFull):
        store.copy_file(new_key(), file, lambda size: None)
    assert held(store) == set()


# -- second names ----------------------------------------------------------------------------------


def test_an_adopted_file_is_the_same_file(store: FilesystemStore, tmp_path: Path) -> None:
    key, path = new_key(), written(tmp_path, b"data")
    place = store.adopt(key, str(path))
    assert store.adopt(key, str(path)) == place  # again, as after a crash
    assert (tmp_path / "store" / key).samefile(path)
    path.unlink()
    assert whole(store, place) == b"data"
    assert os.stat(tmp_path / "store" / key).st_mode & 0o777 == 0o640


def test_a_file_of_another_file_system_is_not_adopted(
    small_folder: Path, store: FilesystemStore
) -> None:
    path = written(small_folder, b"data")
    with pytest.raises(errors.Unsupported):
        store.adopt(new_key(), str(path))
    path.unlink()
    assert held(store) == set()


def test_only_files_are_adopted(store: FilesystemStore, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(written(tmp_path, b"data"))
    for name in ("link", "missing", "store"):
        with pytest.raises(errors.DataNotFound):
            store.adopt(new_key(), str(tmp_path / name))
    assert held(store) == set()


# -- finding ---------------------------------------------------------------------------------------


def test_what_lies_under_a_key_is_found(store: FilesystemStore, tmp_path: Path) -> None:
    key = new_key()
    assert store.find(key) is None
    place = store.adopt(key, str(written(tmp_path, b"data")))
    assert store.find(key) == place


def test_nothing_is_known_without_the_folder(store: FilesystemStore, tmp_path: Path) -> None:
    (tmp_path / "store").rename(tmp_path / "away")
    with pytest.raises(errors.StoreUnavailable):
        store.find(new_key())


def test_a_store_knows_its_own_urls(store: FilesystemStore, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tmp_path / "store")
    mine = (f"file://{tmp_path}/store/x", f"filesystem://{tmp_path}/store/x",
            f"file://{tmp_path}/alias/x")  # fmt: skip
    others = (f"file://{tmp_path}/x", f"rbd://{tmp_path}/store/x", "file://store/x", "",
              f"file://{tmp_path}/store/deeper/x")  # fmt: skip
    assert [store.recognizes(url) for url in (*mine, *others)] == [True] * 3 + [False] * 5
