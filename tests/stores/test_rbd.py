"""The RBD store does on a real Ceph what every store must, and what only it does."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.settings.load import load
from calotype.stores.drivers import MAKERS
from calotype.stores.store import UNFINISHED, Store
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
from tests.stores.suite import FAR_FUTURE, MIB, LargeSuite, StoreSuite, new_key, whole

if TYPE_CHECKING:
    from calotype.stores.rbd import RbdStore

SMALL = 12 * MIB


@pytest.fixture
def cluster(rbd_cluster: Ceph) -> Ceph:
    return rbd_cluster


@pytest.fixture
def store(rbd_store: "RbdStore") -> "RbdStore":
    return rbd_store


@pytest.fixture(scope="module")
def thin_store(rbd_cluster: Ceph) -> "RbdStore":
    return store_in(rbd_cluster, thin_provisioning=True, object_size=MIB, pool="more")


@pytest.fixture(scope="module")
def small_pool(rbd_cluster: Ceph) -> Iterator[str]:
    """A pool with a quota."""
    rbd_cluster.pool("small")
    rbd_cluster.ceph("osd", "pool", "set-quota", "small", "max_bytes", str(SMALL))
    osd = "profile rbd pool=small"
    rbd_cluster.user("small", "mon", "profile rbd", "osd", osd)
    yield "small"
    rbd_cluster.remove_pool("small")


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


# -- the documentation ----------------------------------------------------------------------------


def test_the_documented_configuration_works(cluster: Ceph, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/operate/stores/rbd.md").read_text()
    written = page.split("```ini\n")[1].split("```")[0]
    config = tmp_path / "glance-api.conf"
    config.write_text(written.replace("/etc/ceph/ceph.conf", str(cluster.config)))
    (backend,) = load([str(config)]).stores.backends
    MAKERS[backend.type](backend.id, backend.options).check()


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
    sources = Long(1 << 30, every=8)

    class Watched:
        def read(self, size: int, /) -> bytes:
            now = store.size(Location(f"rbd://{key}", status=UNFINISHED))
            if now not in seen:
                seen.append(now)
            return sources.read(size)

    location = store.put(key, Watched(), None)
    assert [size // MIB for size in seen] == [0, 64, 192, 448, 960, 1984]
    assert store.size(location) == sources.size
    (line,) = resizes(caplog.records)
    assert line == f"Image {key}: its size was not known, so it was changed 6 times"
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
