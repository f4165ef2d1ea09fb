"""Downloads over several connections at once, and from the nodes that have the image cached."""

import io
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutting import cutting
from prepared import Prepared
from strangers import Stranger, stranger
from terminal import Terminal

from calotype_client import Client, connect
from calotype_client.errors import NotConnected, Refused, WrongData
from calotype_client.model import Image
from calotype_client.parallel import ParallelDownload
from tests.cache.people import guarded, start
from tests.cache.site import Node
from tests.service import Service

MIB = 1 << 20
#: Enough for five segments.
DATA = os.urandom(66 * MIB + 5)


def at(url: str, **more: Any) -> Client:
    return connect(auth_type="none", auth={"endpoint": url}, **more)


@pytest.fixture(scope="module")
def image(client: Client) -> Image:
    made = client.images.create(name="large", disk_format="raw", container_format="bare")
    client.data.upload(made, io.BytesIO(DATA))
    return client.images.get(made.id)


def test_parts_are_read_at_once(image: Image, open_service: Service, tmp_path: Path) -> None:
    together = threading.Barrier(3)

    def allow(number: int) -> None:
        if 2 <= number <= 4:  # none of them goes on before all are there
            together.wait(30)

    told: list[int] = []
    with cutting(open_service.port, allow) as proxy:
        done = at(proxy.url).data.download(
            image, tmp_path / "back", connections=4, progress=told.append
        )
    assert (tmp_path / "back").read_bytes() == DATA
    assert (done.size, done.verified_by, sum(told)) == (len(DATA), "sha512", len(DATA))
    assert proxy.connections == 5
    assert [path.name for path in tmp_path.iterdir()] == ["back"]


def test_one_that_is_slow_gets_others_beside_it(
    image: Image, open_service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calotype_client.parallel.WATCHED", 0)
    monkeypatch.setattr("calotype_client.parallel.WORTH", 0)
    others = threading.Barrier(4)
    waiting = {1, 2, 3, 4}

    def pace(number: int, count: int) -> None:
        if number in waiting and count >= MIB:  # none of them comes further before all are there
            waiting.discard(number)
            others.wait(30)

    told: list[int] = []
    with cutting(open_service.port, pace=pace) as proxy:
        at(proxy.url).data.download(image, tmp_path / "back", progress=told.append)
    assert (tmp_path / "back").read_bytes() == DATA
    assert (sum(told), waiting) == (len(DATA), set())
    assert proxy.answered < 1.4 * len(DATA)  # what was on its way on the first is lost


def test_whenever_others_join(
    image: Image, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calotype_client.parallel.SMALLEST", MIB)
    for milliseconds in range(0, 200, 10):
        # Whether the digest waits depends on the machine; here only the time counts.
        soon = time.monotonic() + milliseconds / 1000
        monkeypatch.setattr(
            ParallelDownload, "_slow", lambda it, at=soon: it._alone and time.monotonic() > at
        )
        told: list[int] = []
        client.data.download(image, tmp_path / "back", progress=told.append)
        assert sum(told) == len(DATA)


def test_one_that_is_fast_stays_alone(
    image: Image, open_service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calotype_client.parallel.WATCHED", 60)  # on a machine of any speed
    with cutting(open_service.port) as proxy:
        at(proxy.url).data.download(image, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == DATA
    assert proxy.connections == 1


def test_twenty_cuts(image: Image, open_service: Service, tmp_path: Path) -> None:
    with cutting(open_service.port, lambda number: MIB if number <= 20 else None) as proxy:
        at(proxy.url).data.download(image, tmp_path / "back", connections=3)
    assert (tmp_path / "back").read_bytes() == DATA
    assert proxy.connections == 25
    assert proxy.answered <= 1.05 * len(DATA)


def test_nobody_answers_any_more(
    image: Image, open_service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calotype_client.segments.PAUSE", 0)
    allow = {1: None, 2: MIB}
    with (
        cutting(open_service.port, lambda number: allow.get(number, 0)) as proxy,
        pytest.raises(NotConnected),
    ):
        at(proxy.url).data.download(image, tmp_path / "back", connections=2)
    assert list(tmp_path.iterdir()) == []


def test_wrong_data_is_not_kept(client: Client, image: Image, tmp_path: Path) -> None:
    wrong = replace(image, os_hash_value="0" * 128)
    with pytest.raises(WrongData, match="not what its sha512 says"):
        client.data.download(wrong, tmp_path / "back", connections=3)
    assert list(tmp_path.iterdir()) == []


def test_without_a_digest(client: Client, image: Image, tmp_path: Path) -> None:
    bare = replace(image, os_hash_value=None, os_hash_algo=None, checksum=None)
    done = client.data.download(bare, tmp_path / "back", connections=3)
    assert done.verified_by is None
    assert (tmp_path / "back").read_bytes() == DATA


def test_refused_in_the_middle(client: Client, open_service: Service, tmp_path: Path) -> None:
    image = client.images.create(name="gone", disk_format="raw", container_format="bare")
    client.data.upload(image, io.BytesIO(DATA))
    image = client.images.get(image.id)

    def allow(number: int) -> int:
        if number == 2:
            client.images.delete(image.id)
        return MIB

    with cutting(open_service.port, allow) as proxy, pytest.raises(Refused) as refused:
        at(proxy.url).data.download(image, tmp_path / "back", connections=2)
    assert refused.value.status == 404
    assert list(tmp_path.iterdir()) == []


# -- services and nodes that are not as they should be ------------------------------------------


@pytest.fixture
def without_parts() -> Iterator[Stranger]:
    """A service that knows no parts: it gives `DATA`, whatever is asked for."""
    with stranger(lambda request: request.give(200, DATA)) as server:
        yield server


def test_a_service_without_parts_is_read_once(
    image: Image, without_parts: Stranger, tmp_path: Path
) -> None:
    at(without_parts.url).data.download(image, tmp_path / "back", connections=4)
    assert (tmp_path / "back").read_bytes() == DATA
    assert len(without_parts.asked) == 1


def test_a_slow_service_without_parts_stays_alone(
    image: Image, without_parts: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("calotype_client.parallel.WATCHED", 0)
    monkeypatch.setattr("calotype_client.parallel.WORTH", 0)
    second = threading.Event()

    def pace(number: int, count: int) -> None:
        if number == 2:
            second.set()
        elif count >= MIB:
            assert second.wait(30)

    with cutting(without_parts.server_port, pace=pace) as proxy:
        at(proxy.url).data.download(image, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == DATA
    assert proxy.connections == 2


def test_the_token_goes_over_no_worse_connection(
    image: Image,
    without_parts: Stranger,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("calotype_client.segments.PAUSE", 0)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    secure = at(f"https://127.0.0.1:{port}")
    with pytest.raises(NotConnected):
        secure.data.download(image, tmp_path / "back", nodes=[without_parts.url])
    assert without_parts.asked == []
    assert "not as safe as https://" in caplog.text


# -- nodes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Three nodes on one database and one store, which counts how often it is read."""
    folder = tmp_path_factory.mktemp("nodes")
    database = f"sqlite:///{folder}/calotype.db"
    made = [
        guarded(folder / str(number), store=folder / "images", database=database)
        for number in range(3)
    ]
    try:
        start(made)
        yield made
    finally:
        for node in made:
            node.stop()


def person(node: Node, name: str) -> dict[str, str]:
    """The variables of somebody who asks a node."""
    return {
        "OS_AUTH_TYPE": "http_basic",
        "OS_ENDPOINT": node.url,
        "OS_USERNAME": name,
        "OS_PASSWORD": name,
    }


def test_from_the_nodes_that_have_it(nodes: list[Node], prepared: Prepared, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    first, second, third = nodes
    admin = Terminal(tmp_path, person(first, "admin"), prepared)
    name = ("from-cache", "--file", "back")

    admin.type("image", "create", "from-cache", "--file", "data", "--public")
    said = admin.type("image", "save", *name, "--from-cache").complaint
    assert said.startswith("WARNING: No node has image ") and said.count("\n") == 1
    for node in (second, third):
        Terminal(tmp_path, person(node, "admin"), prepared).type("image", "save", *name)
    admin.type("cache", "delete", "from-cache")
    assert len(admin.json("cache", "nodes", "from-cache")) == 2

    reads = first.reads()
    (tmp_path / "back").unlink()
    said = admin.type("image", "save", *name, "--from-cache").complaint
    assert (said, (tmp_path / "back").read_bytes() == DATA) == ("", True)
    assert admin.type("image", "save", "from-cache", "--from-cache").raw == DATA
    assert first.reads() == reads

    third.kill()
    try:
        said = admin.type("image", "save", *name, "--from-cache", "--connections", "2").complaint
        assert said.count("\n") == 1
        assert said.startswith(f"WARNING: {third.url} is not asked any more: No connection to ")
        assert (tmp_path / "back").read_bytes() == DATA
    finally:
        third.start()

    mary = Terminal(tmp_path, person(first, "mary"), prepared)
    said = mary.type("image", "save", *name, "--from-cache").complaint
    assert said.startswith("WARNING: Not from the cache of a node: ") and said.count("\n") == 1
    assert (tmp_path / "back").read_bytes() == DATA
