"""Downloads through the cache over HTTP: one read of the store, and the right bytes for all."""

import hashlib
import os
import re
import signal
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cache.conftest import MIB
from tests.cache.site import Node
from tests.data.site import Site, descendants, file_of, soon
from tests.data.wire import Wire
from tests.stores.sources import content

DATA = content(5 * MIB + 99, shift=8)
DIGEST = hashlib.sha256(DATA).hexdigest()
#: What serving an image to 200 clients at once may take more than serving one.
GROWTH = 64 * MIB


@pytest.fixture(autouse=True)
def no_connections_left() -> Iterator[None]:
    yield
    for wire in list(Wire.opened):
        wire.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    made = Node(tmp_path_factory.mktemp("node"), "--workers", "2", "--no-worker")
    with made:
        yield made


@pytest.fixture(scope="module")
def site(node: Node) -> Site:
    return Site(node)


def cached(node: Node, image_id: str) -> bool:
    return soon(lambda: image_id in node.cached())


def test_a_miss_then_hits(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    before = node.reads()
    miss = site.download(image_id)
    assert (miss.status, miss.body) == (200, DATA)
    assert cached(node, image_id)
    assert node.reads() == before + 1
    site.path(image_id).unlink()
    hit = site.download(image_id)
    assert (hit.status, hit.body) == (200, DATA)
    own = {"date", "x-openstack-request-id"}
    assert {k: v for k, v in hit.headers.items() if k not in own} == {
        k: v for k, v in miss.headers.items() if k not in own
    }
    part = site.download(image_id, Range="bytes=100-1234567")
    assert (part.status, part.body) == (206, DATA[100:1234568])
    assert part.headers["content-range"] == f"bytes 100-1234567/{len(DATA)}"
    tail = site.download(image_id, Range="bytes=-7")
    assert (tail.status, tail.body) == (206, DATA[-7:])
    assert site.ask("HEAD", file_of(image_id)).status == 200
    assert node.reads() == before + 1


def test_a_part_is_not_worth_a_whole(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    assert site.download(image_id, Range="bytes=5-9").body == DATA[5:10]
    assert site.ask("HEAD", file_of(image_id)).status == 200
    assert node.cached("incomplete") == []
    assert image_id not in node.cached()


def test_the_database_knows(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    site.download(image_id)
    assert cached(node, image_id)
    wanted = "SELECT size, hits, checksum FROM cached_images WHERE image_id = ?"
    with sqlite3.connect(node.folder / "calotype.db", timeout=20) as rows:
        md5 = hashlib.md5(DATA).hexdigest()
        assert soon(lambda: rows.execute(wanted, (image_id,)).fetchone() == (len(DATA), 0, md5))
        site.download(image_id)
        site.download(image_id)
        assert rows.execute(wanted, (image_id,)).fetchone() == (len(DATA), 2, md5)
    rows.close()


def test_an_image_that_is_deleted_is_dropped(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    site.download(image_id)
    assert cached(node, image_id)
    assert site.ask("DELETE", f"/v2/images/{image_id}").status == 204
    assert image_id not in node.cached()
    assert site.download(image_id).status == 404


def test_an_image_that_is_deactivated_is_not_brought_here(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    assert site.ask("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
    assert site.download(image_id).body == DATA
    assert image_id not in node.cached() + node.cached("incomplete")


def test_wrong_data_never_looks_whole(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    site.path(image_id).write_bytes(DATA[:-9] + b"something")
    with site.wire() as wire:
        wire.head("GET", file_of(image_id))
        with pytest.raises((AssertionError, ConnectionResetError)) as caught:
            wire.answer()
    assert "cut off" in str(caught.value) or isinstance(caught.value, ConnectionResetError)
    assert soon(lambda: node.cached("invalid") == [image_id])
    assert image_id not in node.cached()


def test_data_that_is_lost(node: Node, site: Site) -> None:
    image_id = site.stored(DATA)
    site.path(image_id).unlink()
    assert site.download(image_id).status == 204
    assert node.cached("incomplete") == []


# -- many at once ----------------------------------------------------------------------------------


def test_two_hundred_at_once(tmp_path: Path) -> None:
    with Node(tmp_path, "--workers", "2", "--threads", "120", "--no-worker") as node:
        site = Site(node)
        for _ in range(20):
            assert site.download(site.stored(b"warm up")).status == 200
        image_id, before = site.stored(DATA), most_used(node)
        reads = node.reads()
        node.hold()
        began = threading.Barrier(201)

        def download(number: int) -> str | None:
            with site.wire(timeout=120) as wire:
                wire.head("GET", file_of(image_id))
                half = wire.socket.recv(1)
                began.wait(120)
                if number % 10 == 0:
                    wire.reset()
                    return None
                return digest(wire, half)

        with ThreadPoolExecutor(200) as pool:
            downloads = pool.map(download, range(200))
            began.wait(120)  # all have begun, and none can be at its end
            node.release()
            digests = list(downloads)
        assert digests.count(None) == 20
        assert digests.count(DIGEST) == 180
        assert node.reads() == reads + 1
        assert cached(node, image_id)
        assert max(most_used(node)[pid] - used for pid, used in before.items()) < GROWTH
        assert site.download(image_id).body == DATA


def digest(wire: Wire, start: bytes) -> str:
    """Of the data of an answer whose first bytes have been taken."""
    answer = start
    while (end := answer.find(b"\r\n\r\n")) < 0:
        answer += wire.socket.recv(1 << 16)
    seen, size = hashlib.sha256(answer[end + 4 :]), len(answer) - end - 4
    assert answer.startswith(b"HTTP/1.1 200 ")
    while size < len(DATA):
        block = wire.socket.recv(1 << 16)
        assert block, f"cut off after {size} bytes"
        seen.update(block)
        size += len(block)
    return seen.hexdigest()


def most_used(node: Node) -> dict[int, int]:
    """The highest use of memory by each process that serves, in bytes."""
    found = {}
    for pid in descendants(node.process.pid):
        used = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert used
        found[pid] = int(used[1]) * 1024
    return found


# -- crashes ---------------------------------------------------------------------------------------


def test_a_node_that_dies_while_it_fills(tmp_path: Path) -> None:
    """Two services with one cache: what one was bringing here, the other one takes over."""
    first = Node(tmp_path / "first", "--workers", "1", "--no-worker")
    second = Node(
        tmp_path / "second",
        *("--workers", "1", "--no-worker"),
        cache=first.cache,
        store=first.images,
        database=first.database,
    )
    with first, second:
        image_id = Site(first).stored(DATA)
        first.hold()
        with Site(first).wire() as begun, Site(second).wire() as follows:
            begun.head("GET", file_of(image_id))
            assert begun.socket.recv(1) == b"H"
            follows.head("GET", file_of(image_id))
            assert follows.socket.recv(1) == b"H"
            with ThreadPoolExecutor(1) as pool:
                got = pool.submit(digest, follows, b"H")
                assert first.reads() == 1
                for pid in [first.process.pid, *descendants(first.process.pid)]:
                    os.kill(pid, signal.SIGKILL)
                assert soon(lambda: first.reads() == 2)
                assert first.cached("incomplete") == [image_id]
                first.release()
                assert got.result() == DIGEST
        assert cached(second, image_id)
        assert Site(second).download(image_id).body == DATA
        assert first.reads() == 2


def test_what_a_power_failure_leaves_is_not_served(tmp_path: Path) -> None:
    with Node(tmp_path, "--workers", "2", "--no-worker") as node:
        image_id = Site(node).stored(DATA)
        node.hold()
        with Site(node).wire() as begun:
            begun.head("GET", file_of(image_id))
            assert begun.socket.recv(1) == b"H"
            node.kill()
        assert node.cached("incomplete") == [image_id]
        node.release()
        node.start()
        assert Site(node).download(image_id).body == DATA
        assert cached(node, image_id)
        assert node.cached("incomplete") == []


def test_a_service_ends_although_an_image_is_on_its_way(tmp_path: Path) -> None:
    node = Node(tmp_path, "--workers", "1", "--no-worker")
    with node:
        image_id = Site(node).stored(DATA)
        node.hold()
        with Site(node).wire() as leaves:
            leaves.head("GET", file_of(image_id))
            assert leaves.socket.recv(1) == b"H"
            leaves.reset()
        assert node.stop() == 0
        assert "Traceback" not in node.log.read_text()
        node.release()
        node.start()
        assert Site(node).download(image_id).body == DATA
        assert cached(node, image_id)


# -- a cache that is of no use ---------------------------------------------------------------------


def test_a_full_disk(tmp_path: Path, small_folder: Path) -> None:
    with Node(tmp_path, "--workers", "1", "--no-worker", cache=small_folder) as node:
        site = Site(node)
        large = content(9 * MIB)
        image_id = site.stored(large)
        assert site.download(image_id).body == large
        assert node.cached() == node.cached("incomplete") == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node = Node(tmp_path, "--workers", "1", "--no-worker", cache=tmp_path / "file" / "cache")
    with node:
        image_id = Site(node).stored(DATA)
        assert Site(node).download(image_id).body == DATA
        assert "image_cache_dir cannot be used" in node.log.read_text()


def test_without_a_flavor_that_caches(tmp_path: Path) -> None:
    with Node(tmp_path, "--workers", "1", "--no-worker", flavor="") as node:
        image_id = Site(node).stored(DATA)
        assert Site(node).download(image_id).body == DATA
        assert node.cached() == []


def test_the_address_of_the_node_is_needed(tmp_path: Path) -> None:
    node = Node(tmp_path)
    text = node.config.read_text().replace("worker_self_reference_url", "public_endpoint")
    node.config.write_text(text)
    refused = node.run("serve")
    assert refused.returncode == 1
    assert "worker_self_reference_url: must be set" in refused.stderr
