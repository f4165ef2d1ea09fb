"""The Cinder store does what every store must, and what only it does, with a real Cinder."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.cinder import CinderStore
from calotype.stores.cinder_settings import CinderSettings
from calotype.stores.store import KEY, UNFINISHED, Recognizes, Store
from tests.backends.cinder import FILES, IMAGES, MULTIATTACH, NOWHERE, TIGHT, TIGHT_GIB, Cinder
from tests.keystone import Person
from tests.service import environment
from tests.stores.sources import Gated, Long, Stream, content
from tests.stores.suite import FAR_FUTURE, MIB, LargeSuite, StoreSuite, new_key, once, whole

GIB = 1 << 30

Make = Callable[..., CinderStore]


@pytest.fixture(scope="module")
def make(cinder: Cinder) -> Make:
    """`make()`: a store; with the options of a site that differ, and whose volumes they are."""

    def make(person: Person = IMAGES, *, store_id: str = "", **options: object) -> CinderStore:
        settings = CinderSettings.from_options(cinder.options(person, **options))
        return CinderStore(store_id, settings)

    return make


@pytest.fixture(scope="module")
def images(make: Make) -> CinderStore:
    """One store for many tests, since each connects anew."""
    return make()


@pytest.fixture
def volumes(cinder: Cinder) -> Any:
    """What the owner of the volumes has to ask Cinder with."""
    return cinder.client()


def listed(cinder: Cinder, person: Person = IMAGES) -> set[str]:
    """Names of all that a project has in Cinder, asked of Cinder itself."""
    client = cinder.client(person)
    names = {volume.id: volume.name for volume in client.volumes.list()}
    return {
        *(f"volume {id_} {name}" for id_, name in names.items()),
        *(f"attachment {one.id} of {one.volume_id}" for one in client.attachments.list()),
        *(f"snapshot {one.id} of {one.volume_id}" for one in client.volume_snapshots.list()),
    }


def volume_of(volumes: Any, location: Location) -> Any:
    return volumes.volumes.get(location.url.rpartition("/")[2])


class TestCinderStore(StoreSuite, LargeSuite):
    """Each piece of data costs seconds here, so a few must do."""

    SIZES: ClassVar = [0, MIB + 1]
    PIECES: ClassVar = [65_537]
    PARTS: ClassVar = [(MIB - 1, 2), (9 * MIB, 5)]
    FAILURES: ClassVar = [errors.ClientGone(), KeyboardInterrupt()]
    FAIL_AT: ClassVar = [3 * MIB]
    SENT: ClassVar = [MIB, 9 * MIB]
    MANY = 3
    LARGE: ClassVar = [("sparse", True)]

    @pytest.fixture(autouse=True)
    def _asks(self, cinder: Cinder) -> None:
        self._cinder = cinder

    @pytest.fixture
    def store(self, images: CinderStore) -> Store:
        return images

    @pytest.fixture
    def small_store(self, make: Make) -> Iterator[Store]:
        yield make(TIGHT)

    def held(self, store: Store) -> set[str]:
        return listed(self._cinder)

    @pytest.mark.parametrize("declared", [True, False], ids=["declared", "unknown"])
    def test_a_full_store_says_so_and_keeps_nothing(
        self, small_store: Store, declared: bool
    ) -> None:
        source = Long(TIGHT_GIB * GIB + 1, every=64)
        with pytest.raises(errors.StoreFull, match="quota"):
            small_store.put(new_key(), source, source.size if declared else None)
        assert listed(self._cinder, TIGHT) == set()
        location = small_store.put(new_key(), Stream(b"small"), 5)
        assert whole(small_store, location) == b"small"
        small_store.delete(location)


# -- layout ---------------------------------------------------------------------------------------


def test_an_image_is_one_volume_as_glance_makes_it(
    cinder: Cinder, images: CinderStore, volumes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    key = new_key()
    source = Long(GIB + 5, every=512)
    location = images.put(key, source, source.size)
    volume = volume_of(volumes, location)
    assert location.url == f"cinder://{volume.id}"
    assert volume.name == f"image-{key}"
    assert volume.size == 2
    assert volume.status == "available"
    assert volume.metadata == {
        "glance_image_id": key,
        "image_size": str(GIB + 5),
        "image_owner": cinder.keystone.projects[IMAGES.project],
        "readonly": "True",
    }
    assert "Extended" not in caplog.text
    images.delete(location)


def test_stores_of_one_project_keep_the_copies_of_an_image_apart(make: Make) -> None:
    one, two = make(store_id="one"), make(store_id="two")
    key = new_key()
    first = one.put(key, Stream(b"first"), 5)
    assert two.find(key) is None
    second = two.put(key, Stream(b"second"), 6)
    assert (one.find(key), two.find(key)) == (first, second)
    two.delete(second)
    assert whole(one, first) == b"first"
    one.delete(first)


@pytest.mark.parametrize(("attached", "extends"), [(False, 2), (True, 1)])
def test_a_volume_for_an_unknown_size_doubles(
    make: Make, volumes: Any, caplog: pytest.LogCaptureFixture, attached: bool, extends: int
) -> None:
    caplog.set_level("INFO")
    store = make(cinder_do_extend_attached=attached)
    source = Long(extends * GIB + 7, every=64)
    location = store.put(new_key(), source, None)
    assert volume_of(volumes, location).size == 2**extends
    assert store.size(location) == source.size
    for offset in range(GIB - 5, source.size, GIB):
        part = b"".join(store.read(location, offset, 100))
        assert part == source.at(offset, 100)
    assert f"{extends} times" in caplog.text
    store.delete(location)


def test_each_store_has_its_name_in_its_addresses(make: Make, images: CinderStore) -> None:
    named, other = make(store_id="fast"), make(store_id="slow")
    location = named.put(new_key(), Stream(b"data"), 4)
    volume_id = location.url.removeprefix("cinder://fast/")
    assert len(volume_id) == 36
    bare = Location(f"cinder://{volume_id}")
    for store in (named, images):
        assert store.size(location) == store.size(bare) == 4
        assert isinstance(store, Recognizes)
        assert store.recognizes(location.url)
        assert store.recognizes(bare.url)
    assert not other.recognizes(location.url)
    assert not named.recognizes(f"rbd://fast/{volume_id}")
    assert whole(named, bare) == b"data"
    named.delete(bare)


@pytest.mark.parametrize("url", ["cinder://", "cinder://fast/", "cinder://x/../y", "rbd://a"])
def test_what_is_no_address_of_a_volume_is_refused(images: CinderStore, url: str) -> None:
    with pytest.raises(errors.StoreUnavailable):
        images.size(Location(url))


def test_the_volume_type_is_the_one_asked_for(make: Make, volumes: Any) -> None:
    store = make(cinder_volume_type=MULTIATTACH)
    location = store.put(new_key(), Stream(b"data"), 4)
    assert volume_of(volumes, location).volume_type == MULTIATTACH
    assert store.traits.properties == {"volume_type": MULTIATTACH, "use_multipath": False}
    one, two = store.read(location), store.read(location)
    assert (next(one), next(two)) == (b"data", b"data")
    one.close()
    two.close()
    store.delete(location)


def test_volumes_that_are_files(
    cinder: Cinder, make: Make, volumes: Any, missing_server: Callable[[str, str], None]
) -> None:
    if not cinder.has_files:
        missing_server("Cinder with files", "only root may mount a folder")
    store, before = make(cinder_volume_type=FILES), listed(cinder)
    source = Long(GIB + 5, every=64)
    location = store.put(new_key(), source, None)
    assert volume_of(volumes, location).size == 2
    assert b"".join(store.read(location, GIB - 5, 100)) == source.at(GIB - 5, 10)
    store.delete(location)
    with pytest.raises(errors.ClientGone):
        stream = Stream(content(9 * MIB), fail_at=5 * MIB, error=errors.ClientGone())
        store.put(new_key(), stream, 9 * MIB)
    assert listed(cinder) == before


def test_what_glance_wrote_without_a_size_is_as_long_as_its_volume(
    images: CinderStore, volumes: Any
) -> None:
    location = images.put(new_key(), Stream(b"data"), 4)
    volumes.volumes.delete_metadata(volume_of(volumes, location), ["image_size"])
    assert images.size(location) == GIB
    assert b"".join(images.read(location, 0, 4)) == b"data"
    images.delete(location)


# -- in use ---------------------------------------------------------------------------------------


def test_an_attached_volume_is_in_use(images: CinderStore, volumes: Any) -> None:
    location = images.put(new_key(), Stream(b"data"), 4)
    volume = volume_of(volumes, location)
    theirs = volumes.attachments.create(volume.id, None, mode="ro")
    volumes.attachments.update(theirs["id"], {"host": "elsewhere", "ip": "192.0.2.1"})
    volumes.attachments.complete(theirs["id"])
    with pytest.raises(errors.DataInUse):
        images.delete(location)
    assert [one.id for one in volumes.attachments.list()] == [theirs["id"]]
    volumes.attachments.delete(theirs["id"])
    assert whole(images, location) == b"data"
    images.delete(location)


def test_a_volume_with_a_snapshot_is_in_use(images: CinderStore, volumes: Any) -> None:
    location = images.put(new_key(), Stream(b"data"), 4)
    snapshot = volumes.volume_snapshots.create(volume_of(volumes, location).id)
    await_state(volumes.volume_snapshots, snapshot.id, "available")
    with pytest.raises(errors.DataInUse):
        images.delete(location)
    assert whole(images, location) == b"data"
    volumes.volume_snapshots.delete(snapshot)
    await_state(volumes.volume_snapshots, snapshot.id, None)
    images.delete(location)


def test_an_image_that_is_being_read_is_in_use(images: CinderStore) -> None:
    location = images.put(new_key(), Stream(content(9 * MIB)), 9 * MIB)
    blocks = images.read(location)
    first = next(blocks)
    with pytest.raises(errors.DataInUse):
        images.delete(location)
    assert first + b"".join(blocks) == content(9 * MIB)
    images.delete(location)


def test_readers_in_one_process_share_an_attachment(images: CinderStore, volumes: Any) -> None:
    data = content(9 * MIB)
    location = images.put(new_key(), Stream(data), len(data))
    together = threading.Barrier(3)

    def read(_: int) -> bytes:
        blocks = images.read(location)
        first = next(blocks)
        together.wait(60)
        return first + b"".join(blocks)

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(read, range(3))) == [data] * 3
    assert volumes.attachments.list(search_opts={"volume_id": volume_id(location)}) == []
    images.delete(location)


def test_readers_in_two_processes_share_an_attachment(
    cinder: Cinder, images: CinderStore, volumes: Any
) -> None:
    data = content(9 * MIB)
    location = images.put(new_key(), Stream(data), len(data))
    with Elsewhere(cinder, "read", location.url) as reader:
        reader.await_word("first block")
        blocks = images.read(location)
        first = next(blocks)
        assert len(volumes.attachments.list(search_opts={"volume_id": volume_id(location)})) == 1
        reader.go_on()
        reader.await_word("done")
        # The other one has left, and what it has begun is still there.
        assert first + b"".join(blocks) == data
    assert volumes.attachments.list(search_opts={"volume_id": volume_id(location)}) == []
    images.delete(location)


# -- crashes and failures -------------------------------------------------------------------------


def test_what_a_killed_writer_leaves_can_be_swept(
    cinder: Cinder, images: CinderStore, volumes: Any
) -> None:
    key = new_key()
    with Elsewhere(cinder, "put", key) as writer:
        writer.await_word("first block")
        writer.kill()
    found = [one for one in images.leftovers(FAR_FUTURE) if one.metadata[KEY] == key]
    assert [one.status for one in found] == [UNFINISHED]
    assert volume_of(volumes, found[0]).status == "in-use"
    with pytest.raises(errors.DataExists) as refusal:
        images.put(key, Stream(b"data"), 4)
    assert refusal.value.url == found[0].url
    images.delete(found[0])
    assert not any(key in name for name in listed(cinder))
    assert volumes.attachments.list(search_opts={"volume_id": volume_id(found[0])}) == []


def test_a_volume_that_is_being_written_cannot_be_removed(
    cinder: Cinder, images: CinderStore, volumes: Any
) -> None:
    key = new_key()
    with Elsewhere(cinder, "put", key) as writer:
        writer.await_word("first block")
        found = images.find(key)
        assert found is not None
        with pytest.raises(errors.DataInUse):
            images.delete(found)
        writer.go_on()
        writer.await_word("done")
    assert whole(images, found) == content(9 * MIB)
    images.delete(found)


def test_what_a_killed_reader_leaves_does_not_stop_others(
    cinder: Cinder, images: CinderStore
) -> None:
    location = images.put(new_key(), Stream(content(9 * MIB)), 9 * MIB)
    with Elsewhere(cinder, "read", location.url) as reader:
        reader.await_word("first block")
        reader.kill()
    assert whole(images, location) == content(9 * MIB)
    images.delete(location)


def test_what_is_left_of_images_is_told_from_volumes_of_others(
    images: CinderStore, volumes: Any
) -> None:
    key = new_key()
    named = volumes.volumes.create(1, name=f"image-{key}")
    marked = volumes.volumes.create(1, name="other", metadata={"glance_image_id": key})
    assert not [one for one in images.leftovers(FAR_FUTURE) if one.metadata[KEY] == key]
    assert images.find(key) is None
    for volume in (named, marked):
        await_state(volumes.volumes, volume.id, "available")
        volumes.volumes.delete(volume)
        await_state(volumes.volumes, volume.id, None)


def test_a_type_without_a_backend_fails_with_cinders_reason(cinder: Cinder, make: Make) -> None:
    before = listed(cinder)
    with pytest.raises(errors.StoreFull, match=r"[Nn]o valid|available"):
        make(cinder_volume_type=NOWHERE).put(new_key(), Stream(b"data"), 4)
    assert listed(cinder) == before


def test_cinder_going_away_in_the_middle(
    cinder: Cinder, make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    store, key, before = make(cinder_http_retries=0), new_key(), listed(cinder)
    try:
        with pytest.raises(errors.StoreUnavailable):
            store.put(key, Gated(content(9 * MIB), once(cinder.stop_api)), 9 * MIB)
    finally:
        cinder.resume_api()
    assert "could not be removed" in caplog.text
    found = [one for one in store.leftovers(FAR_FUTURE) if one.metadata[KEY] == key]
    assert [one.status for one in found] == [UNFINISHED]
    store.delete(found[0])
    assert listed(cinder) == before


# -- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"cinder_store_password": "wrong secret"}, "cinder_store_password"),
        ({"cinder_store_project_name": "nowhere"}, "cinder_store_project_name"),
        ({"cinder_store_auth_address": "http://127.0.0.1:1/v3"}, "cinder_store_auth_address"),
        ({"cinder_os_region_name": "Nowhere"}, "cinder_os_region_name"),
        ({"cinder_catalog_info": "volumev9::publicURL"}, "cinder_catalog_info"),
        ({"cinder_volume_type": "no such type"}, "cinder_volume_type"),
        ({"cinder_mount_point_base": "/proc/no"}, "cinder_mount_point_base"),
    ],
)
def test_what_does_not_work_is_named(
    make: Make, caplog: pytest.LogCaptureFixture, options: dict[str, str], named: str
) -> None:
    began = time.monotonic()
    with pytest.raises(errors.StoreUnavailable, match=named) as failure:
        make(**options).check()
    assert time.monotonic() - began < 10
    assert "wrong secret" not in f"{failure.value} {caplog.text}"


def test_an_address_of_cinder_can_be_given(cinder: Cinder, make: Make) -> None:
    there = f"{cinder.url}/%(tenant)s"
    make(cinder_endpoint_template=there, cinder_os_region_name="Nowhere").check()


def test_an_application_credential_is_enough(cinder: Cinder, make: Make) -> None:
    id_, secret = cinder.keystone.application_credential(IMAGES)
    make(
        cinder_store_user_name=None,
        cinder_store_password=None,
        cinder_store_project_name=None,
        cinder_store_application_credential_id=id_,
        cinder_store_application_credential_secret=secret,
    ).check()


def test_a_check_leaves_nothing_open(make: Make) -> None:
    def sockets() -> set[str]:
        names = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
        return {os.readlink(name) for name in names if os.path.islink(name)}

    store, threads = make(), threading.active_count()
    before = sockets()
    store.check()
    assert {name for name in sockets() - before if name.startswith("socket")} == set()
    assert threading.active_count() == threads


def test_a_forked_process_has_a_connection_of_its_own(images: CinderStore) -> None:
    location = images.put(new_key(), Stream(b"data"), 4)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if whole(images, location) == b"data" else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert whole(images, location) == b"data"
    images.delete(location)


# -- memory ---------------------------------------------------------------------------------------


def test_a_large_image_takes_little_memory(cinder: Cinder, images: CinderStore) -> None:
    key = new_key()
    with Elsewhere(cinder, "large", key) as writer:
        said = writer.await_word("grown by")
        writer.await_word("done")
    grown = int(said.rsplit(" ", 1)[1])
    assert grown <= 64 * MIB
    found = images.find(key)
    assert found is not None
    images.delete(found)


# -- how ------------------------------------------------------------------------------------------


def volume_id(location: Location) -> str:
    return location.url.rpartition("/")[2]


def await_state(manager: Any, id_: str, wanted: str | None, seconds: float = 60) -> None:
    """Return when a thing of Cinder's is in a state; None: when it is gone."""
    deadline = time.monotonic() + seconds
    while True:
        found = {one.id: one.status for one in manager.list()}.get(id_)
        if found == wanted:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


class Elsewhere:
    """Another process with the same store, which does one thing and tells how far it is."""

    def __init__(self, cinder: Cinder, what: str, argument: str) -> None:
        script = Path(__file__).with_name("cinder_process.py")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", script, what, argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment({"CALOTYPE_TEST_CINDER": repr(cinder.options())}),
            cwd=Path(__file__).parents[2],
            text=True,
        )

    def __enter__(self) -> "Elsewhere":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def await_word(self, word: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if re.match(word, line):
                return line.strip()
        raise AssertionError(f"it ended without saying {word!r}")

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
