"""The RBD store in trouble, and its copies from pool to pool."""

import json
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.stores.store import UNFINISHED, CopiesWithin
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
from tests.stores.suite import FAR_FUTURE, MIB, new_key, once, whole

if TYPE_CHECKING:
    from calotype.stores.rbd import RbdStore


@pytest.fixture
def cluster(rbd_cluster: Ceph) -> Ceph:
    return rbd_cluster


@pytest.fixture
def store(rbd_store: "RbdStore") -> "RbdStore":
    return rbd_store


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
    files = FilesystemStore(FilesystemSettings(datadirs=(Datadir(str(tmp_path)),)))
    location = files.put(new_key(), Stream(b"data"), 4)
    with pytest.raises(errors.Unsupported):
        store.copy_within(new_key(), files, location, lambda done: None)
