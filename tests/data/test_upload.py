"""Uploads that go well, and what is learned of the data."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.site import Site, file_of
from tests.data.wire import OCTETS, Answer
from tests.stores.sources import content

BLOCK = 1 << 20
SIZES = [1, 65_536, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK + 7]


def with_length(site: Site, image_id: str, data: bytes) -> Answer:
    return site.upload(image_id, data)


def in_chunks(site: Site, image_id: str, data: bytes) -> Answer:
    return site.upload_chunked(image_id, data)


def in_tiny_chunks(site: Site, image_id: str, data: bytes) -> Answer:
    return site.upload_chunked(image_id, data, piece=997)


def after_asking(site: Site, image_id: str, data: bytes) -> Answer:
    """Sends the body only when told to go on."""
    with site.wire() as wire:
        headers = {"Content_Type": OCTETS, "Content_Length": len(data), "Expect": "100-continue"}
        wire.head("PUT", file_of(image_id), **headers)
        assert wire.answer().status == 100
        wire.send(data)
        return wire.answer()


def byte_by_byte(site: Site, image_id: str, data: bytes) -> Answer:
    """Sends the first bytes each by itself."""
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(data))
        for byte in data[:50]:
            wire.send(bytes([byte]))
        wire.send(data[50:])
        return wire.answer()


Way = Callable[[Site, str, bytes], Answer]
WAYS: list[Way] = [with_length, in_chunks, in_tiny_chunks, after_asking, byte_by_byte]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("size", SIZES)
def test_what_goes_in_comes_out(site: Site, way: Way, size: int) -> None:
    data, log = content(size, shift=size), site.log()
    image_id = site.new()
    answer = way(site, image_id, data)
    assert (answer.status, answer.body) == (204, b"")
    image = site.show(image_id)
    assert image["status"] == "active"
    assert image["size"] == image["virtual_size"] == size
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    assert image["os_hash_algo"] == "sha512"
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert site.path(image_id).read_bytes() == data
    assert site.download(image_id).body == data
    assert log.quiet(), log.text()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_no_data_makes_an_image_without_any(site: Site, way: Way) -> None:
    image_id = site.new()
    assert way(site, image_id, b"").status == 204
    image = site.show(image_id)
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", 0, None)
    assert image["checksum"] == hashlib.md5().hexdigest()
    assert image["os_hash_value"] == hashlib.sha512().hexdigest()
    assert site.path(image_id).read_bytes() == b""


def test_a_request_without_any_sign_of_a_body_has_none(site: Site) -> None:
    image_id = site.new()
    assert site.ask("PUT", file_of(image_id), Content_Type=OCTETS).status == 204
    assert site.show(image_id)["size"] == 0


@pytest.mark.parametrize(
    "declared", ["{}", " {} ", "000{}", "0"], ids=["plain", "spaces", "zeros", "unknown"]
)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_declared_size_that_is_right(site: Site, declared: str, chunked: bool) -> None:
    data, log = content(BLOCK + 5), site.log()
    image_id = site.new()
    send = site.upload_chunked if chunked else site.upload
    answer = send(image_id, data, X_OpenStack_Image_Size=declared.format(len(data)))
    assert answer.status == 204, answer
    assert site.show(image_id)["size"] == len(data)
    assert log.quiet(), log.text()


@pytest.mark.parametrize(
    "media", [OCTETS, "Application/Octet-Stream", f"{OCTETS}; charset=binary", f"{OCTETS};x=y"]
)
def test_a_content_type_that_will_do(site: Site, media: str) -> None:
    assert site.upload(site.new(), b"data", Content_Type=media).status == 204


def test_uploads_follow_one_another_on_one_connection(site: Site) -> None:
    images = [site.new() for _ in range(5)]
    with site.wire() as wire:
        for number, image_id in enumerate(images):
            body = content(BLOCK + number)
            assert wire.ask("PUT", file_of(image_id), body, Content_Type=OCTETS).status == 204
    for number, image_id in enumerate(images):
        assert site.path(image_id).read_bytes() == content(BLOCK + number)


def test_requests_that_are_sent_before_the_answer_is_read(site: Site) -> None:
    first, second = site.new(), site.new()
    with site.wire() as wire:
        for image_id in (first, second):
            wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
            wire.chunk(b"data of " + image_id.encode())
            wire.chunk(b"")
        assert [wire.answer().status, wire.answer().status] == [204, 204]
    for image_id in (first, second):
        assert site.path(image_id).read_bytes() == b"data of " + image_id.encode()


def test_a_chunked_body_with_extensions_and_trailers(site: Site) -> None:
    image_id = site.new()
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
        wire.send(b"4;name=value\r\ndata\r\n0\r\nX-Trailer: 1\r\n\r\n")
        assert wire.answer().status == 204
        assert wire.ask("GET", file_of(image_id)).body == b"data"


def test_curl_uploads(site: Site, curl: str, tmp_path: Path) -> None:
    """As a person at a terminal would: curl asks before it sends, and chunks what it is piped."""
    source = tmp_path / "disk.raw"
    source.write_bytes(content(3 * BLOCK))
    for arguments in (["-T", str(source)], ["-T", "-", "-H", "Transfer-Encoding: chunked"]):
        image_id = site.new()
        url = site.service.url + file_of(image_id)
        command = [curl, "-sS", "-w", "%{http_code}", "-H", f"Content-Type: {OCTETS}"]
        with source.open("rb") as stdin:
            done = subprocess.run(
                [*command, *arguments, url],
                stdin=stdin,
                capture_output=True,
                text=True,
                check=False,
                env={"PATH": os.environ["PATH"]},
            )
        assert done.stdout == "204", done.stderr
        assert site.path(image_id).read_bytes() == source.read_bytes()
