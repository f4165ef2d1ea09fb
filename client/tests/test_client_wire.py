"""What the library does when connections break, and what it costs."""

import io
import os
import resource
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cutting import cutting

from calotype_client import Client, connect, wire
from calotype_client.errors import Error, NotAllowed, NotConnected, WrongData
from calotype_client.model import Image
from tests.service import Service

MIB = 1 << 20


def at(url: str, **more: Any) -> Client:
    return connect(auth_type="none", auth={"endpoint": url}, **more)


def put(client: Client, data: bytes, name: str = "data") -> Image:
    image = client.images.create(name=name, disk_format="raw", container_format="bare")
    client.data.upload(image, io.BytesIO(data))
    return client.images.get(image.id)


def test_twenty_cuts(client: Client, open_service: Service, tmp_path: Path) -> None:
    data = os.urandom(24 * MIB)
    image = put(client, data)
    told: list[int] = []
    with cutting(open_service.port, lambda number: MIB if number <= 20 else None) as proxy:
        done = at(proxy.url).data.download(image, tmp_path / "back", progress=told.append)
    assert (tmp_path / "back").read_bytes() == data
    assert (done.size, done.verified_by, sum(told)) == (len(data), "sha512", len(data))
    assert proxy.connections == 21
    assert proxy.answered <= 1.05 * len(data)


def test_resets(client: Client, open_service: Service, tmp_path: Path) -> None:
    data = os.urandom(5 * MIB + 1)
    image = put(client, data)
    allow = {1: 0, 2: MIB, 3: 3, 4: 2 * MIB}
    with cutting(open_service.port, allow.get, reset=True) as proxy:
        at(proxy.url).data.download(image, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == data


def test_nothing_comes_any_more(
    client: Client,
    open_service: Service,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("calotype_client.segments.PAUSE", 0)
    image = put(client, b"data")
    with cutting(open_service.port, lambda number: 0) as proxy, pytest.raises(NotConnected):
        at(proxy.url).data.download(image, tmp_path / "back")
    assert 1 < proxy.connections < 10
    assert list(tmp_path.iterdir()) == []


def test_what_is_read_is_tried_again(client: Client, open_service: Service) -> None:
    image = client.images.create(name="read")
    with cutting(open_service.port, lambda number: 0 if number == 1 else None) as proxy:
        assert at(proxy.url).images.get(image.id) == image
        assert proxy.connections == 2
    with cutting(open_service.port, lambda number: 0) as proxy:
        with pytest.raises(NotConnected):
            at(proxy.url).images.update(image.id, {"name": "changed"})
        assert proxy.connections == 1


def test_an_upload_is_not_sent_again(client: Client, open_service: Service) -> None:
    image = client.images.create(name="cut", disk_format="raw", container_format="bare")
    with cutting(open_service.port, lambda number: 0) as proxy, pytest.raises(NotConnected):
        at(proxy.url).data.upload(image, io.BytesIO(bytes(MIB)))
    assert proxy.connections == 1


def test_a_source_that_ends_early(client: Client, tmp_path: Path) -> None:
    class Shrinking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size)[:100] if self.tell() == 0 else b""

    image = client.images.create(name="early", disk_format="raw", container_format="bare")
    with pytest.raises(Error, match="ended 900 bytes early"):
        client.data.upload(image, Shrinking(bytes(1000)))


def test_a_refusal_ends_the_sending(client: Client, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(4096 * MIB)
    image = client.images.create(name="refused", container_format="bare")  # no disk_format
    told: list[int] = []
    with pytest.raises(Error, match="disk_format"), (tmp_path / "large").open("rb") as file:
        client.data.upload(image, file, progress=told.append)
    assert sum(told) < 1024 * MIB


@pytest.mark.parametrize("way", ["file", "pipe"])
def test_memory_does_not_grow(client: Client, tmp_path: Path, way: str) -> None:
    size = 128 * MIB
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)

    class Pipe:
        left = size

        def read(self, count: int = -1, /) -> bytes:
            block = bytes(min(count, self.left))
            self.left -= len(block)
            return block

    before = _peak()
    image = client.images.create(name=way, disk_format="raw", container_format="bare")
    with (tmp_path / "large").open("rb") as file:
        client.data.upload(image, file if way == "file" else Pipe())
    client.data.download(client.images.get(image.id), tmp_path / "back")
    assert _peak() - before < 48 * MIB
    assert (tmp_path / "back").stat().st_size == size


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_a_wrong_digest(client: Client, tmp_path: Path) -> None:
    image = replace(put(client, b"the data"), os_hash_value="0" * 128)
    with pytest.raises(WrongData, match="not what its sha512 says"):
        client.data.download(image, tmp_path / "back")
    assert list(tmp_path.iterdir()) == []


def test_refusals_have_one_line(client: Client) -> None:
    image = client.images.create(name="kept", protected=True)
    with pytest.raises(NotAllowed) as refused:
        client.images.delete(image.id)
    assert refused.value.status == 403
    assert "\n" not in str(refused.value) and "<" not in str(refused.value)


def test_proxies_of_the_environment(
    client: Client, open_service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = put(client, b"through a proxy")
    monkeypatch.setenv("http_proxy", open_service.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    sink = io.BytesIO()
    # Our service takes a whole address as a request, as a proxy does.
    assert wire._proxy(wire.urlsplit("http://images.example.org/v2")) is not None
    at("http://images.example.org").data.download(image, sink)
    assert sink.getvalue() == b"through a proxy"
