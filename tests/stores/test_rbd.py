"""The RBD store does on a real Ceph what every store must, and what only it does."""

import json
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import UNFINISHED, CopiesWithin, Store
from calotype.worker.sweeper import sweep
from tests.backends.ceph import Ceph
from tests.stores.rbd_cluster import (
    data_objects,
    exported,
    info,
    objects,
    run,
    snapshots,
    store_in,
)
from tests.stores.sources import Gated, Long, Stream, content
from tests.stores.suite import FAR_FUTURE, MIB, LargeSuite, StoreSuite, new_key, once, whole

if TYPE_CHECKING:
    from calotype.stores.rbd import RbdStore

SMALL = 12 * MIB


@pytest.fixture(scope="module")
def cluster(ceph: Ceph, missing_server: Callable[[str, str], None]) -> Ceph:
    """Ceph, with the library that this Python can load."""
    try:
        import calotype.stores.rbd  # noqa: F401
    except ModuleNotFoundError as error:
        missing_server("Ceph", f"{error}: apt-get install python3-rbd")
    return ceph


@pytest.fixture(scope="module")
def store(cluster: Ceph) -> "RbdStore":
    return store_in(cluster)


@pytest.fixture(scope="module")
def thin_store(cluster: Ceph) -> "RbdStore":
    return store_in(cluster, thin_provisioning=True, object_size=MIB, pool="more")


@pytest.fixture(scope="module")
def small_pool(cluster: Ceph) -> Iterator[str]:
    """A pool with a quota."""
    cluster.pool("small")
    cluster.ceph("osd", "pool", "set-quota", "small", "max_bytes", str(SMALL))
    osd = "profile rbd pool=small"
    cluster.user("small", "mon", "profile rbd", "osd", osd)
    yield "small"
    cluster.remove_pool("small")


class Suite(StoreSuite):
    @pytest.fixture(autouse=True)
    def _ceph(self, cluster: Ceph) -> None:
        self.cluster = cluster

    def held(self, store: Store) -> set[str]:
        return objects(self.cluster, str(store.traits.properties["pool"]))


class TestRbdStore(Suite, LargeSuite):
    @pytest.fixture
    def small_store(self, cluster: Ceph, small_pool: str) -> Iterator[Store]:
        store = store_in(cluster, user="small", pool=small_pool)
        yield store
        _empty(store)


class TestThinRbdStore(Suite):
    SIZES: ClassVar = [0, MIB, 3 * MIB + 5]
    PIECES: ClassVar = [65_537]
    PARTS: ClassVar = [(MIB - 1, 2), (2 * MIB, 10 * MIB), (2 * MIB + 5, None)]
    FAILURES: ClassVar = [KeyboardInterrupt()]
    SENT: ClassVar = [2 * MIB - 1, 2 * MIB + 1]

    @pytest.fixture
    def store(self, thin_store: "RbdStore") -> Store:
        return thin_store

    @pytest.fixture
    def small_store(self, cluster: Ceph, small_pool: str) -> Iterator[Store]:
        store = store_in(cluster, user="small", pool=small_pool, thin_provisioning=True)
        yield store
        _empty(store)


def _empty(store: "RbdStore") -> None:
    for location in store.leftovers(FAR_FUTURE):
        store.delete(location)


# -- layout ---------------------------------------------------------------------------------------


def test_an_image_is_as_glance_makes_it(cluster: Ceph, store: "RbdStore", tmp_path: Path) -> None:
    key, data = new_key(), content(20 * MIB + 5)
    location = store.put(key, Stream(data), len(data))
    assert location == Location(f"rbd://{cluster.fsid}/images/{key}/snap")
    found = info(cluster, f"images/{key}")
    assert (found["format"], found["size"], found["order"]) == (2, len(data), 23)
    usual = ["layering", "exclusive-lock", "object-map", "fast-diff", "deep-flatten"]
    assert found["features"] == usual, "those of the cluster's rbd_default_features"
    assert snapshots(cluster, f"images/{key}") == {"snap": True}
    assert exported(cluster, f"images/{key}@snap", tmp_path / "data") == data
    assert cluster.rbd("image-meta", "ls", "--format", "json", f"images/{key}") in ("", "{}")
    store.delete(location)


def test_features_and_order_are_those_that_were_configured(cluster: Ceph, tmp_path: Path) -> None:
    config = tmp_path / "ceph.conf"
    config.write_text(cluster.config.read_text() + "[client.glance]\nrbd default features = 1\n")
    store = store_in(cluster, ceph_conf=str(config), object_size=MIB)
    key = new_key()
    location = store.put(key, Stream(content(3 * MIB)), 3 * MIB)
    found = info(cluster, f"images/{key}")
    assert (found["order"], found["features"]) == (20, ["layering"])
    assert data_objects(cluster, f"images/{key}") == [0, 1, 2]
    store.delete(location)


@pytest.mark.parametrize("thin", [True, False], ids=["thin", "thick"])
def test_zeros_take_room_unless_thin(cluster: Ceph, thin: bool) -> None:
    store, key = store_in(cluster, thin_provisioning=thin), new_key()
    data = bytes(8 * MIB) + content(8 * MIB) + bytes(16 * MIB) + b"x" + bytes(9 * MIB)
    location = store.put(key, Stream(data), len(data))
    assert data_objects(cluster, f"images/{key}") == ([1, 4] if thin else [0, 1, 2, 3, 4, 5])
    assert whole(store, location) == data
    store.delete(location)


@pytest.mark.parametrize("clones", ["1", "2"], ids=["clone-v1", "clone-v2"])
def test_an_image_with_clones_is_in_use_and_stays_whole(
    cluster: Ceph, store: "RbdStore", tmp_path: Path, clones: str
) -> None:
    key, data = new_key(), content(9 * MIB)
    location = store.put(key, Stream(data), len(data))
    volume = f"volumes/volume-{key}"
    how = ("--id", "cinder", "--rbd-default-clone-format", clones)
    cluster.rbd("clone", *how, f"images/{key}@snap", volume)
    with pytest.raises(errors.DataInUse, match="clones"):
        store.delete(location)
    assert snapshots(cluster, f"images/{key}") == {"snap": True}
    assert exported(cluster, f"images/{key}@snap", tmp_path / "image") == data
    assert exported(cluster, volume, tmp_path / "clone") == data
    assert whole(store, location) == data
    cluster.rbd("clone", *how, f"images/{key}@snap", f"{volume}-2")
    cluster.rbd("rm", f"{volume}-2")
    cluster.rbd("rm", volume)
    store.delete(location)
    assert not any(key in name for name in objects(cluster, "images"))


def test_what_others_keep_or_use_of_an_image_is_not_deleted(
    cluster: Ceph, store: "RbdStore"
) -> None:
    from calotype.stores.rbd_library import rbd

    key, data = new_key(), content(MIB)
    location = store.put(key, Stream(data), len(data))
    cluster.rbd("snap", "create", f"images/{key}@backup")
    with pytest.raises(errors.DataInUse, match="backup"):
        store.delete(location)
    cluster.rbd("snap", "rm", f"images/{key}@backup")
    with store._cluster.pool("images") as pool, rbd.Image(pool, key):  # a watcher
        with pytest.raises(errors.DataInUse, match="open"):
            store.delete(location)
        assert whole(store, location) == data
    assert snapshots(cluster, f"images/{key}") == {"snap": True}
    store.delete(location)


# -- sizes ----------------------------------------------------------------------------------------


def resizes(records: list[logging.LogRecord]) -> list[str]:
    return [record.getMessage() for record in records if "its size" in record.getMessage()]


def test_a_declared_size_means_no_resize(
    cluster: Ceph, store: "RbdStore", caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    seen = []
    key, size = new_key(), 70 * MIB

    def look() -> None:
        seen.append(info(cluster, f"images/{key}")["size"])

    store.delete(store.put(key, Gated(content(size), look), size))
    assert set(seen) == {size}, "it has its size from the beginning"
    assert resizes(caplog.records) == []


def test_an_unknown_size_is_reached_in_steps_that_double(
    cluster: Ceph, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store, key, seen = store_in(cluster, thin_provisioning=True), new_key(), list[int]()
    sources = Long(3 << 30, every=8)

    class Watched:
        def read(self, size: int, /) -> bytes:
            now = store.size(Location(f"rbd://{key}", status=UNFINISHED))
            if now not in seen:
                seen.append(now)
            return sources.read(size)

    location = store.put(key, Watched(), None)
    assert [size // MIB for size in seen] == [0, 64, 192, 448, 960, 1984, 4032]
    assert store.size(location) == sources.size
    (line,) = resizes(caplog.records)
    assert line == f"Image {key}: its size was not known, so it was changed 7 times"
    store.delete(location)


GROWTH = """
import sys
from calotype.stores.rbd import RbdSettings, RbdStore
from tests.stores.sources import Long, Stream
config, kind, *keys = sys.argv[1:]
store = RbdStore(RbdSettings(user="glance", ceph_conf=config))
store.put(keys[0], Stream(b"warm"), 4)

def memory(what):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(what + ":"))

before = memory("VmRSS")
open("/proc/self/clear_refs", "w").write("5")
source = Long(1 << 30, every=16)
location = store.put(keys[1], source, source.size if kind == "declared" else None)
print(memory("VmHWM") - before)
for block in store.read(location):
    pass
print(memory("VmHWM") - before)
"""


@pytest.mark.parametrize("kind", ["declared", "unknown"])
def test_memory_does_not_grow_with_the_data(cluster: Ceph, store: "RbdStore", kind: str) -> None:
    keys = new_key(), new_key()
    said, _ = run(GROWTH, cluster.config, kind, *keys).communicate(timeout=300)
    for grown in map(int, said.split()):
        assert grown < 64 << 10, "KiB"
    for key in keys:
        location = store.find(key)
        assert location is not None
        store.delete(location)


# -- addresses ------------------------------------------------------------------------------------


def test_images_of_the_first_years_are_read_and_deleted(
    cluster: Ceph, store: "RbdStore", tmp_path: Path
) -> None:
    key, data = new_key(), content(5 * MIB)
    (tmp_path / "data").write_bytes(data)
    cluster.rbd("import", tmp_path / "data", f"images/{key}")
    location = Location(f"rbd://{key}")
    assert store.size(location) == len(data)
    assert b"".join(store.read(location, 100, MIB)) == data[100 : 100 + MIB]
    assert key not in "".join(found.url for found in store.leftovers(FAR_FUTURE)), "not ours"
    blocks = store.read(location)
    next(blocks)
    with pytest.raises(errors.DataInUse):
        store.delete(location)  # without a snapshot a reader could not tell
    assert len(b"".join(blocks)) > 0
    store.delete(location)
    with pytest.raises(errors.DataNotFound):
        store.size(location)


def test_other_pools_of_the_cluster_are_read_and_others_are_not_ours(
    cluster: Ceph, store: "RbdStore"
) -> None:
    other = store_in(cluster, pool="more")
    location = other.put(new_key(), Stream(b"data"), 4)
    assert whole(store, location) == b"data"
    assert other.recognizes(location.url)
    assert not store.recognizes(location.url)
    assert not store.recognizes("rbd://image")
    assert not store.recognizes("file:///images/x")
    store.delete(location)
    elsewhere = Location(f"rbd://{new_key()}/images/{new_key()}/snap")
    for use in (store.size, store.delete, lambda it: next(store.read(it))):
        with pytest.raises(errors.StoreUnavailable, match="another Ceph cluster"):
            use(elsewhere)


def test_the_cluster_is_asked_for_its_id_where_the_configuration_has_none(
    cluster: Ceph, store: "RbdStore", tmp_path: Path
) -> None:
    config = tmp_path / "ceph.conf"
    text = cluster.config.read_text()
    config.write_text("".join(line for line in text.splitlines(True) if "fsid" not in line))
    short = store_in(cluster, ceph_conf=str(config))
    url = f"rbd://{cluster.fsid}/images/{new_key()}/snap"
    assert short.recognizes(url)
    assert "fsid" not in short.traits.properties
    assert store.traits.properties["fsid"] == cluster.fsid


# -- failures -------------------------------------------------------------------------------------

INTERRUPTED = """
import sys, time
from calotype.stores.rbd import RbdSettings, RbdStore
store = RbdStore(RbdSettings(user="glance", ceph_conf=sys.argv[1]))
class Endless:
    given = 0
    def read(self, size):
        self.given += 1
        if self.given == 12:
            print("under way", flush=True)
            time.sleep(600)
        return b"x" * (1 << 20)
store.put(sys.argv[2], Endless(), int(sys.argv[3]) or None)
"""


@pytest.mark.parametrize("declared", [64 * MIB, 0], ids=["declared", "unknown"])
def test_what_a_killed_process_leaves_is_found_and_swept(
    cluster: Ceph, store: "RbdStore", declared: int
) -> None:
    key = new_key()
    process = run(INTERRUPTED, cluster.config, key, declared)
    assert process.stdout is not None
    assert process.stdout.readline() == "under way\n"
    process.kill()
    process.communicate()
    (left,) = [found for found in store.leftovers(FAR_FUTURE) if key in found.url]
    assert left.status == UNFINISHED
    assert left.url == f"rbd://{cluster.fsid}/images/{key}/snap"
    with pytest.raises(errors.DataNotFound):
        next(store.read(Location(left.url)))
    with pytest.raises(errors.DataExists) as refusal:
        store.put(key, Stream(b"again"), 5)
    assert refusal.value.url == left.url
    deadline = time.monotonic() + 60
    while not _sweep(store).count:  # the cluster still takes the dead for living
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert not any(key in name for name in objects(cluster, "images"))


def _sweep(store: "RbdStore") -> Any:
    return sweep(
        [("rbd", store)], known=lambda urls: (), busy=lambda ids: (), older_than=FAR_FUTURE
    )


def test_an_interrupted_process_leaves_nothing(cluster: Ceph) -> None:
    key, before = new_key(), objects(cluster, "images")
    process = run(INTERRUPTED, cluster.config, key, 64 * MIB)
    assert process.stdout is not None
    assert process.stdout.readline() == "under way\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert objects(cluster, "images") == before


def test_deleted_while_read_is_an_error_and_never_zeros(store: "RbdStore") -> None:
    data = content(64 * MIB)
    location = store.put(new_key(), Stream(data), len(data))
    blocks, given = store.read(location), b""
    given += next(blocks)
    store.delete(location)
    with pytest.raises(errors.DataNotFound, match="deleted while it was read"):
        for block in blocks:
            given += block
    assert data.startswith(given)
    assert next(blocks, None) is None


def test_deleted_while_read_whenever_that_is(store: "RbdStore") -> None:
    data = content(48 * MIB)
    for pause in range(4):
        location = store.put(new_key(), Stream(data), len(data))
        deleter = threading.Thread(target=_delete_later, args=(store, location, pause * 0.03))
        deleter.start()
        given = b""
        try:
            for block in store.read(location):
                given += block
        except errors.DataNotFound:
            assert data.startswith(given)
        else:
            assert data == given
        deleter.join()


def _delete_later(store: "RbdStore", location: Location, seconds: float) -> None:
    time.sleep(seconds)
    store.delete(location)


def test_a_pool_that_becomes_full_says_so_and_keeps_nothing(cluster: Ceph) -> None:
    cluster.pool("few")
    # A number of objects is a limit that nobody but Ceph itself can see coming.
    cluster.ceph("osd", "pool", "set-quota", "few", "max_objects", "12")
    store = store_in(cluster, user="admin", pool="few")
    store.check()
    location = store.put(new_key(), Stream(content(80 * MIB)), 80 * MIB)
    _wait_full(cluster, "few", True)
    before = objects(cluster, "few")
    for declared in (16 * MIB, None):
        with pytest.raises(errors.StoreFull, match="few"):
            store.put(new_key(), Stream(content(16 * MIB)), declared)
    assert objects(cluster, "few") == before
    store.delete(location)
    _wait_full(cluster, "few", False)
    store.delete(store.put(new_key(), Stream(content(16 * MIB)), 16 * MIB))
    cluster.remove_pool("few")


def test_a_pool_that_becomes_full_in_the_middle_keeps_nothing(cluster: Ceph) -> None:
    cluster.pool("filled")
    store = store_in(cluster, user="admin", pool="filled")
    store.check()
    before = objects(cluster, "filled")

    def fill() -> None:
        cluster.ceph("osd", "pool", "set-quota", "filled", "max_objects", "1")
        _wait_full(cluster, "filled", True)

    with pytest.raises(errors.StoreFull):
        store.put(new_key(), Gated(content(64 * MIB), once(fill)), 64 * MIB)
    assert objects(cluster, "filled") == before
    cluster.remove_pool("filled")


def _wait_full(cluster: Ceph, pool: str, full: bool) -> None:
    deadline = time.monotonic() + 60
    while True:
        pools = json.loads(cluster.ceph("osd", "dump", "--format", "json"))["pools"]
        (flags,) = [found["flags_names"] for found in pools if found["pool_name"] == pool]
        if ("full" in flags.split(",")) == full:
            return
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_wrong_key_is_named(cluster: Ceph, tmp_path: Path) -> None:
    keyring, config = tmp_path / "keyring", tmp_path / "ceph.conf"
    key = cluster.key("cinder")
    keyring.write_text(f"[client.glance]\n\tkey = {key}\n")
    config.write_text(f"{cluster.config.read_text()}[client.glance]\nkeyring = {keyring}\n")
    store = store_in(cluster, ceph_conf=str(config))
    for use in (store.check, lambda: store.put(new_key(), Stream(b"data"), 4)):
        with pytest.raises(errors.StoreUnavailable, match="rbd_store_user and its keyring") as said:
            use()
        assert key not in str(said.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"user": "nobody"}, "rbd_store_user and its keyring"),
        ({"user": "cinder"}, r"rbd_store_user \(cinder\) has the capabilities"),
        ({"pool": "absent"}, "no pool absent: make it, or change rbd_store_pool"),
        ({"ceph_conf": "/absent/ceph.conf"}, "See rbd_store_ceph_conf"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_what_is_configured_wrongly_is_named(
    cluster: Ceph, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(errors.StoreUnavailable, match=said):
        store_in(cluster, **changes).check()


def test_a_check_leaves_nothing(cluster: Ceph, store: "RbdStore") -> None:
    before = objects(cluster, "images")
    threads = threading.active_count()
    store.check()
    assert objects(cluster, "images") == before
    assert threading.active_count() == threads


def test_a_check_gives_up_when_no_monitor_answers(cluster: Ceph, tmp_path: Path) -> None:
    config = tmp_path / "ceph.conf"
    config.write_text(f"[global]\nmon host = 127.0.0.1:1\nkeyring = {cluster.keyring('glance')}\n")
    began = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match="monitors of the cluster run"):
        store_in(cluster, ceph_conf=str(config)).check()
    assert time.monotonic() - began < 20


def test_a_timeout_for_the_connection_is_kept(cluster: Ceph, tmp_path: Path) -> None:
    config = tmp_path / "ceph.conf"
    config.write_text(f"[global]\nmon host = 127.0.0.1:1\nkeyring = {cluster.keyring('glance')}\n")
    store = store_in(cluster, ceph_conf=str(config), connect_timeout=1)
    began = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match="timed out"):
        store.find(new_key())
    assert time.monotonic() - began < 5


def test_a_check_gives_up_when_no_disk_answers(cluster: Ceph, store: "RbdStore") -> None:
    began = time.monotonic()
    with cluster.without_disks(), pytest.raises(errors.StoreUnavailable):
        store.check()
    assert time.monotonic() - began < 40
    store.check()


def test_a_put_goes_on_when_the_disks_are_back(cluster: Ceph, store: "RbdStore") -> None:
    data = content(40 * MIB)

    def fail() -> None:
        with cluster.without_disks():
            time.sleep(1)

    location = store.put(new_key(), Gated(data, once(fail)), len(data))
    assert whole(store, location) == data
    store.delete(location)


def test_a_lost_connection_is_made_anew(cluster: Ceph) -> None:
    store = store_in(cluster)
    location = store.put(new_key(), Stream(b"data"), 4)
    address = store._cluster._handle.get_addrs()
    cluster.ceph("osd", "blocklist", "add", address)
    epoch = json.loads(cluster.ceph("osd", "dump", "--format", "json"))["epoch"]
    assert epoch > 0
    assert whole(store, location) == b"data"
    store.delete(location)


FORKED = """
import os, sys
from calotype.stores.rbd import RbdSettings, RbdStore
from tests.stores.sources import Stream
store = RbdStore(RbdSettings(user="glance", ceph_conf=sys.argv[1]))
location = store.put(sys.argv[2], Stream(b"data"), 4)
child = os.fork()
if not child:
    assert b"".join(store.read(location)) == b"data"
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert b"".join(store.read(location)) == b"data"
store.delete(location)
print("done")
"""


def test_a_forked_process_has_a_connection_of_its_own(cluster: Ceph) -> None:
    process = run(FORKED, cluster.config, new_key())
    try:
        said, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert said == "done\n"


# -- copies ---------------------------------------------------------------------------------------


def test_a_copy_within_the_cluster_is_an_image_of_its_own(
    cluster: Ceph, store: "RbdStore", tmp_path: Path
) -> None:
    key, told = new_key(), list[int]()
    source = Long(200 * MIB + 5, every=16)
    thin = store_in(cluster, thin_provisioning=True)
    location = thin.put(key, source, source.size)
    other = store_in(cluster, pool="more")
    assert isinstance(other, CopiesWithin)
    copy = other.copy_within(key, store, location, told.append)
    assert copy.url == f"rbd://{cluster.fsid}/more/{key}/snap"
    assert told == sorted(told)
    assert told[-1] == source.size
    assert snapshots(cluster, f"more/{key}") == {"snap": True}
    assert "parent" not in info(cluster, f"more/{key}")
    # What is a hole stays one, whether the store looks for zeros or not.
    assert data_objects(cluster, f"more/{key}") == data_objects(cluster, f"images/{key}")
    store.delete(location)
    assert exported(cluster, f"more/{key}@snap", tmp_path / "data") == source.at(0, source.size)
    other.delete(copy)


def test_a_copy_that_fails_leaves_nothing(cluster: Ceph, store: "RbdStore") -> None:
    key, data = new_key(), content(20 * MIB)
    location = store.put(key, Stream(data), len(data))
    other = store_in(cluster, pool="more")
    before = objects(cluster, "more")

    def tell(done: int) -> None:
        raise errors.Gone("cancelled")

    with pytest.raises(errors.Gone):
        other.copy_within(key, store, location, tell)
    assert objects(cluster, "more") == before
    store.delete(location)
    with pytest.raises(errors.DataNotFound):
        other.copy_within(key, store, location, lambda done: None)
    assert objects(cluster, "more") == before


def test_a_copy_replaces_nothing(cluster: Ceph, store: "RbdStore") -> None:
    key = new_key()
    location = store.put(key, Stream(b"data"), 4)
    other = store_in(cluster, pool="more")
    there = other.put(key, Stream(b"other"), 5)
    with pytest.raises(errors.DataExists) as refusal:
        other.copy_within(key, store, location, lambda done: None)
    assert refusal.value.url == there.url
    assert whole(other, there) == b"other"
    store.delete(location)
    other.delete(there)


def test_what_is_not_in_the_cluster_is_not_copied_within(
    cluster: Ceph, store: "RbdStore", tmp_path: Path
) -> None:
    from calotype.stores.filesystem import Datadir, FilesystemSettings, FilesystemStore

    files = FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(tmp_path)),)))
    location = files.put(new_key(), Stream(b"data"), 4)
    with pytest.raises(errors.Unsupported):
        store.copy_within(new_key(), files, location, lambda done: None)
