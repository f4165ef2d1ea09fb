"""The file store does what every store must, and what only it does."""

import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.stores.store import UNFINISHED, Store
from tests.stores.sources import Gated, Stream, content
from tests.stores.suite import FAR_FUTURE, MIB, OpensFilesSuite, StoreSuite, held, new_key, whole

NOBODY = 65534


def store_in(*folders: Path, **settings: object) -> FilesystemStore:
    datadirs = tuple(Datadir(str(folder)) for folder in folders)
    return FilesystemStore(FilesystemSettings(datadirs=datadirs, **settings))  # type: ignore[arg-type]


class TestFilesystemStore(StoreSuite, OpensFilesSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return store_in(tmp_path)

    @pytest.fixture
    def small_store(self, small_folder: Path) -> Store:
        return store_in(small_folder)


class TestThinFilesystemStore(StoreSuite, OpensFilesSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return store_in(tmp_path, thin_provisioning=True, chunk_size=4096)

    @pytest.fixture
    def small_store(self, small_folder: Path) -> Store:
        return store_in(small_folder, thin_provisioning=True)


# -- layout ---------------------------------------------------------------------------------------


def test_an_image_is_one_file_named_by_its_id(tmp_path: Path) -> None:
    key = new_key()
    location = store_in(tmp_path).put(key, Stream(b"data"), 4)
    assert location == Location(f"file://{tmp_path}/{key}")
    assert os.listdir(tmp_path) == [key]
    assert (tmp_path / key).read_bytes() == b"data"


@pytest.mark.parametrize(("perm", "mode"), [(0, 0o644), (640, 0o640), (600, 0o600), (444, 0o444)])
def test_permissions(tmp_path: Path, perm: int, mode: int) -> None:
    before = os.umask(0o022)
    try:
        store_in(tmp_path, file_perm=perm).put("key", Stream(b"data"), 4)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == mode


def test_readers_of_the_files_may_pass_through_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir(mode=0o700)
    store_in(folder).check()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    store_in(folder, file_perm=640).check()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o710
    store_in(folder, file_perm=644).check()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o711


@pytest.mark.parametrize("key", ["", ".", "..", ".hidden", "a/b", "../a"])
def test_a_key_that_is_no_plain_name_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(errors.StoreError):
        store_in(tmp_path).put(key, Stream(b"data"), 4)
    assert os.listdir(tmp_path) == []


def test_an_unfinished_file_cannot_be_taken_for_an_image(tmp_path: Path) -> None:
    key, store, seen = new_key(), store_in(tmp_path), []
    store.put(key, Gated(b"data", lambda: seen.append(os.listdir(tmp_path))), 4)
    names = {name for listing in seen for name in listing}
    assert len(names) == 1
    name = names.pop()
    assert name.startswith(".")
    assert key in name


def test_zeros_take_no_room_when_thin(tmp_path: Path) -> None:
    store = store_in(tmp_path, thin_provisioning=True)
    store.put("key", Stream(bytes(MIB) + b"x" + bytes(200 * MIB)), None)
    found = (tmp_path / "key").stat()
    assert found.st_size == 201 * MIB + 1
    assert found.st_blocks * 512 <= 2 * 65_536


def test_holes_lie_just_where_the_zeros_are(tmp_path: Path) -> None:
    grain = 4096
    store = store_in(tmp_path, thin_provisioning=True, chunk_size=grain)
    plan = "zdzzddd" + "z" * 300 + "dz" + "d" * 300 + "zz"
    data = b"".join(bytes(grain) if kind == "z" else b"\x00" * 100 + b"d" * 3996 for kind in plan)
    location = store.put("key", Stream(data + bytes(10)), None)
    assert whole(store, location) == data + bytes(10)
    assert (tmp_path / "key").stat().st_blocks * 512 == plan.count("d") * grain


def test_zeros_are_written_when_not_thin(tmp_path: Path) -> None:
    store_in(tmp_path).put("key", Stream(bytes(MIB)), None)
    assert (tmp_path / "key").stat().st_blocks * 512 >= MIB


def test_thin_data_may_be_larger_than_the_room(small_folder: Path) -> None:
    store = store_in(small_folder, thin_provisioning=True)
    location = store.put(new_key(), Stream(bytes(20 * MIB) + b"end"), 20 * MIB + 3)
    assert store.size(location) == 20 * MIB + 3
    assert b"".join(store.read(location, 20 * MIB)) == b"end"


# -- which folder ---------------------------------------------------------------------------------


def test_the_highest_priority_comes_first(tmp_path: Path) -> None:
    low, high = Datadir(str(tmp_path / "low"), 1), Datadir(str(tmp_path / "high"), 2)
    store = FilesystemStore(FilesystemSettings(datadirs=(low, high)))
    store.check()
    location = store.put("key", Stream(b"data"), 4)
    assert location.url == f"file://{high.path}/key"


def test_among_equals_the_one_with_most_room(tmp_path: Path, small_folder: Path) -> None:
    location = store_in(small_folder, tmp_path).put("key", Stream(b"data"), 4)
    assert location.url == f"file://{tmp_path}/key"


def test_a_folder_without_room_is_passed_over(tmp_path: Path, small_folder: Path) -> None:
    preferred, other = Datadir(str(small_folder), 9), Datadir(str(tmp_path))
    store = FilesystemStore(FilesystemSettings(datadirs=(preferred, other)))
    data = content(16 * MIB)
    assert store.put("key", Stream(data), len(data)).url == f"file://{tmp_path}/key"
    assert store.put("other", Stream(b"data"), 4).url == f"file://{small_folder}/other"


def test_a_missing_folder_is_passed_over(tmp_path: Path) -> None:
    missing, present = Datadir(str(tmp_path / "missing"), 9), Datadir(str(tmp_path))
    store = FilesystemStore(FilesystemSettings(datadirs=(missing, present)))
    assert store.put("key", Stream(b"data"), 4).url == f"file://{tmp_path}/key"


def test_a_key_is_put_once_over_all_folders(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    store_in(folders[0]).put("key", Stream(b"data"), 4)
    with pytest.raises(errors.DataExists):
        store_in(folders[1], folders[0]).put("key", Stream(b"other"), 5)
    assert os.listdir(folders[1]) == []


def test_too_large_is_known_before_anything_is_read(small_folder: Path) -> None:
    source = Stream(content(16 * MIB))
    with pytest.raises(errors.StoreFull):
        store_in(small_folder).put("key", source, 16 * MIB)
    assert source.position == 0


def test_metadata_goes_with_the_folder_it_speaks_of(tmp_path: Path) -> None:
    described, plain = tmp_path / "nfs" / "images", tmp_path / "plain"
    described.mkdir(parents=True)
    plain.mkdir()
    file = tmp_path / "metadata.json"
    file.write_text(f'[{{"id": "n1", "mountpoint": "{tmp_path}/nfs", "type": "nfs"}}]')
    for folder, expected in [
        (described, {"id": "n1", "mountpoint": f"{tmp_path}/nfs", "type": "nfs"}),
        (plain, {}),
    ]:
        location = store_in(folder, metadata_file=str(file)).put("key", Stream(b"data"), 4)
        assert location.metadata == expected


# -- what may be read -----------------------------------------------------------------------------


def each_way(store: FilesystemStore, location: Location) -> Iterator[object]:
    """All that reaches for a file, as functions to call."""
    yield lambda: next(store.read(location))
    yield lambda: store.open(location)
    yield lambda: store.size(location)
    yield lambda: store.delete(location)


def test_files_elsewhere_are_out_of_reach(tmp_path: Path) -> None:
    images, secret = tmp_path / "images", tmp_path / "secret"
    images.mkdir()
    (images / "below").mkdir()
    (images / "below" / "file").write_text("below")
    secret.write_text("secret")
    store = store_in(images)
    for url in [
        f"file://{secret}",
        f"file://{images}/../secret",
        f"file://{images}/x/../../secret",
        f"file://{images}/below/file",
        f"file://{images}/..",
        f"file://{images}/",
        f"file://{images}",
        "file://images/key",
        "file://",
        "file:///",
    ]:
        for reach in each_way(store, Location(url)):
            with pytest.raises(errors.StoreUnavailable):
                reach()  # type: ignore[operator]
    assert secret.read_text() == "secret"
    assert (images / "below" / "file").exists()


def test_what_is_no_file_is_no_data(tmp_path: Path) -> None:
    images, secret = tmp_path / "images", tmp_path / "secret"
    images.mkdir()
    secret.write_text("secret")
    (images / "link").symlink_to(secret)
    (images / "folder").mkdir()
    os.mkfifo(images / "pipe")
    store = store_in(images)
    for name in ("link", "folder", "pipe"):
        for reach in list(each_way(store, Location(f"file://{images}/{name}")))[:3]:
            with pytest.raises(errors.DataNotFound):
                reach()  # type: ignore[operator]


def test_a_folder_may_be_reached_by_another_path(tmp_path: Path) -> None:
    images, link = tmp_path / "images", tmp_path / "link"
    images.mkdir()
    link.symlink_to(images)
    location = store_in(link).put("key", Stream(b"data"), 4)
    assert location.url == f"file://{link}/key"
    assert whole(store_in(images), location) == b"data"
    assert whole(store_in(link), Location(f"filesystem://{images}//key")) == b"data"


def test_a_missing_folder_does_not_look_like_missing_data(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    store = store_in(folder)
    location = store.put("key", Stream(b"data"), 4)
    folder.rename(tmp_path / "away")
    for reach in each_way(store, location):
        with pytest.raises(errors.StoreUnavailable):
            reach()  # type: ignore[operator]


def test_names_are_not_percent_decoded(tmp_path: Path) -> None:
    folder = tmp_path / "a%20b c"
    folder.mkdir()
    location = store_in(folder).put("key", Stream(b"data"), 4)
    assert location.url == f"file://{tmp_path}/a%20b c/key"
    assert whole(store_in(folder), location) == b"data"


def test_errors_do_not_tell_paths(tmp_path: Path) -> None:
    """They are shown to users."""
    store = store_in(tmp_path / "images")
    with pytest.raises(errors.StoreUnavailable) as missing:
        store.put("key", Stream(b"data"), 4)
    with pytest.raises(errors.StoreUnavailable) as foreign:
        store.open(Location(f"file://{tmp_path}/secret"))
    for caught in (missing, foreign):
        assert str(tmp_path) not in caught.value.message


# -- trouble --------------------------------------------------------------------------------------


@contextmanager
def unprivileged() -> Iterator[None]:
    """Files are reached as somebody who owns none, also when the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_permission_to_write(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    store = store_in(tmp_path)
    with unprivileged(), pytest.raises(errors.StoreUnavailable):
        store.put("key", Stream(b"data"), 4)
    with unprivileged(), pytest.raises(errors.StoreUnavailable, match=str(tmp_path)):
        store.check()
    assert os.listdir(tmp_path) == []


def test_check_makes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    store_in(folder).check()
    assert folder.is_dir()
    assert os.listdir(folder) == []


def test_check_names_a_folder_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(errors.StoreUnavailable, match=str(file)):
        store_in(file).check()


def test_a_reader_keeps_its_data_when_it_is_deleted(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    location = store.put("key", Stream(content(3 * MIB)), None)
    blocks = store.read(location)
    first = next(blocks)
    store.delete(location)
    assert first + b"".join(blocks) == content(3 * MIB)


def test_no_file_stays_open(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    location = store.put("key", Stream(content(3 * MIB)), None)
    assert len(whole(store, location)) == 3 * MIB
    with pytest.raises(OSError, match="broke"):
        store.put("other", Stream(b"data", fail_at=2, error=OSError("broke")), None)
    assert list(store.leftovers(FAR_FUTURE)) == []
    assert len(os.listdir("/proc/self/fd")) == before


# -- what lies there ------------------------------------------------------------------------------


def test_only_what_can_be_ours_is_left_over(tmp_path: Path) -> None:
    key, unfinished = new_key(), new_key()
    ours = {key, f".calotype-{unfinished}-0123abcd"}
    for name in [*ours, "lost+found.txt", f"{key}.bak", f".{key}", "README", f"x{key}"]:
        (tmp_path / name).write_text("data")
    (tmp_path / new_key()).mkdir()
    (tmp_path / new_key()).symlink_to(tmp_path / key)
    found = {location.url: location for location in store_in(tmp_path).leftovers(FAR_FUTURE)}
    assert found.keys() == {f"file://{tmp_path}/{name}" for name in ours}
    assert {place.status for url, place in found.items() if unfinished in url} == {UNFINISHED}
    assert {place.status for url, place in found.items() if key in url} == {"active"}


def test_an_upload_in_progress_is_young(tmp_path: Path) -> None:
    store, found = store_in(tmp_path), []

    def look() -> None:
        found.append(list(store.leftovers(time.time() - 1)))

    store.put(new_key(), Gated(content(10), look), None)
    assert found == [[], [], []]


def test_data_that_was_just_moved_in_is_young(tmp_path: Path) -> None:
    key, elsewhere = new_key(), tmp_path / "elsewhere"
    elsewhere.write_text("data")
    os.utime(elsewhere, (1000, 1000))
    images = tmp_path / "images"
    images.mkdir()
    elsewhere.rename(images / key)
    assert (images / key).stat().st_mtime == 1000
    assert list(store_in(images).leftovers(time.time() - 60)) == []
    assert held(store_in(images)) == {f"file://{images}/{key}"}


def test_unfinished_data_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / f".calotype-{new_key()}-0123abcd").write_text("data")
    store = store_in(tmp_path)
    (location,) = store.leftovers(FAR_FUTURE)
    assert store.size(location) == 4
    store.delete(location)
    assert os.listdir(tmp_path) == []


def test_an_upload_whose_file_was_swept_away_fails(tmp_path: Path) -> None:
    store, swept = store_in(tmp_path), threading.Event()

    def sweep() -> None:
        for location in store.leftovers(FAR_FUTURE):
            store.delete(location)
            swept.set()

    with pytest.raises(errors.StoreError):
        store.put(new_key(), Gated(b"data", sweep), 4)
    assert swept.is_set()
    assert os.listdir(tmp_path) == []
