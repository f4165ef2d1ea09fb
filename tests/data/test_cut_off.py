"""Clients that go away or fall silent: no bytes stay, the image is free again, so is the thread.

Each way of going away is taken by more clients than there are threads.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.data.conftest import THREADS
from tests.data.site import Site, file_of, soon
from tests.data.wire import OCTETS, Wire
from tests.stores.sources import content

MIB = 1 << 20
TIMEOUT = 1
DEFAULT = f"calotype_client_timeout = {TIMEOUT}\n"
MANY = THREADS + 2

#: More than sockets hold on the way to a client that does not read.
BIG = 64 * MIB


@pytest.fixture(autouse=True)
def nothing_is_left(site: Site) -> Iterator[None]:
    """After each test all threads can be used at once."""
    yield
    assert site.unfinished() == 0
    images = [site.new() for _ in range(THREADS)]
    wires = [begin(site, image_id, "length", content(100)) for image_id in images]
    for wire in wires:
        wire.send(content(102))
        assert wire.answer().status == 204
        wire.close()
    for image_id in images:
        assert site.path(image_id).read_bytes() == content(100) + content(102)


def begin(site: Site, image_id: str, way: str, data: bytes) -> Wire:
    """An upload that has reached the store; `data` is sent, as much and a bit is still to come."""
    wire, size = site.wire(), 2 * len(data) + 2
    if way == "length":
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=size)
        wire.send(data)
    else:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
        wire.send(b"%x\r\n" % size + data)
    assert soon(lambda: any(name.startswith(f".calotype-{image_id}") for name in site.kept()))
    return wire


def goes(wire: Wire) -> None:
    wire.close()


def resets(wire: Wire) -> None:
    wire.reset()


def ends_sending(wire: Wire) -> None:
    """Sends no more but listens: it is told."""
    wire.finish()
    answer = wire.answer()
    assert answer.status == 400
    assert answer.message == "The client went away before the end of its data."
    wire.close()


def falls_silent(wire: Wire) -> None:
    answer = wire.answer()
    assert answer.status == 400
    assert wire.ended()
    wire.close()


@pytest.mark.parametrize("how", [goes, resets, ends_sending, falls_silent])
@pytest.mark.parametrize("way", ["length", "chunked"])
@pytest.mark.parametrize("sent", [0, 1000, 3 * MIB + 5])
def test_a_client_that_stops_in_the_middle(
    site: Site, sent: int, way: str, how: Callable[[Wire], None]
) -> None:
    kept, log = site.kept(), site.log()
    images = [site.new() for _ in range(MANY)]

    def upload(image_id: str) -> None:
        how(begin(site, image_id, way, content(sent)))

    with ThreadPoolExecutor(MANY) as clients:
        list(clients.map(upload, images))
    assert soon(lambda: all(site.status(image_id) == "queued" for image_id in images))
    assert soon(lambda: site.kept() == kept)
    for image_id in images:
        site.untouched(image_id)
    assert log.quiet(), log.text()
    assert site.upload(images[0], b"once more").status == 204


def test_a_client_that_goes_before_the_last_byte(site: Site) -> None:
    """All the data is there, but for one byte: with Content-Length a server says nothing of it."""
    image_id = site.new()
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=MIB + 1)
        wire.send(content(MIB))
        assert soon(lambda: site.status(image_id) == "saving")
    assert soon(lambda: site.status(image_id) == "queued")
    site.untouched(image_id)


def test_a_client_that_goes_before_the_last_chunk(site: Site) -> None:
    image_id = site.new()
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
        wire.chunk(content(MIB))
        assert soon(lambda: site.status(image_id) == "saving")
    assert soon(lambda: site.status(image_id) == "queued")
    site.untouched(image_id)


@pytest.mark.parametrize(
    "end",
    [
        *(b"", b"0", b"0\r\n", b"0\r\nX: y\r\n", b"5\r\nab", b"5\r\nabcde", b"5\r\nabcde\r"),
        *(b"xyz\r\n", b"-1\r\n", b"\r\n", b"5\r\nabcdefgh\r\n0\r\n\r\n", b"2 2\r\nab\r\n"),
        *(b"1" * 9000, b"0\r\n" + b"X: y\r\n" * 50_000, b"5;\x01\r\nabcde\r\n0\r\n\r\n"),
    ],
    ids=lambda end: repr(end)[2:22],
)
def test_chunks_that_are_broken(site: Site, end: bytes) -> None:
    image_id, kept, log = site.new(), site.kept(), site.log()
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
        wire.chunk(content(MIB))
        wire.send(end)
        wire.finish()
        answer = wire.answer()
        assert answer.status == 400
        assert answer.message
        assert wire.ended(), "where the next request begins is not known"
    site.untouched(image_id)
    assert site.kept() == kept
    assert log.quiet(), log.text()


@pytest.mark.parametrize(
    "length",
    [
        *("Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5, 6", "Content-Length: -5"),
        *("Content-Length: 5x", "Content-Length: 0x5", "Content-Length: +5", "Content-Length:"),
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        *("Transfer-Encoding: x", "Transfer-Encoding: chunked, gzip"),
    ],
)
def test_a_body_whose_end_is_not_clear(site: Site, length: str) -> None:
    """What one server takes for the body another may take for the next request."""
    image_id = site.new()
    with site.wire() as wire:
        head = f"PUT {file_of(image_id)} HTTP/1.1\r\nHost: x\r\nContent-Type: {OCTETS}\r\n"
        wire.send(f"{head}{length}\r\n\r\n5\r\nabcde\r\n0\r\n\r\n".encode())
        assert wire.answer().status in (400, 501)
        assert wire.ended()
    site.untouched(image_id)


def test_a_body_that_is_compressed_on_its_way(site: Site) -> None:
    image_id = site.new()
    for coding in ("gzip, chunked", "Deflate,chunked"):
        answer = site.upload_chunked(image_id, b"data", Transfer_Encoding=coding)
        assert answer.status == 400
        assert answer.message.startswith("Transfer-Encoding: ")
    site.untouched(image_id)


def test_a_client_that_is_silent_before_it_has_said_what_it_wants(site: Site) -> None:
    log = site.log()
    wires = [site.wire() for _ in range(MANY)]
    for number, wire in enumerate(wires):
        wire.send(b"GET /healthcheck HTTP/1.1\r\nHost"[: 3 + 7 * number])
    started = time.monotonic()
    assert site.ask("GET", "/healthcheck").status == 200
    assert time.monotonic() - started < 15
    for wire in wires:
        assert wire.ended()
        wire.close()
    assert log.quiet(), log.text()


def test_a_client_that_is_silent_in_a_json_body(site: Site) -> None:
    wires = [site.wire() for _ in range(MANY)]
    for wire in wires:
        wire.head("POST", "/v2/images", Content_Type="application/json", Content_Length=100)
        wire.send(b'{"name": ')
    for wire in wires:
        assert wire.answer().status == 400
        assert wire.ended()
        wire.close()


def test_a_client_that_does_not_close_an_ended_connection(site: Site) -> None:
    """The server waits a little for clients to close; nobody else may have to wait for that."""
    wires = [site.wire() for _ in range(3 * THREADS)]
    for wire in wires:
        wire.head("GET", "/healthcheck", Connection="close")
    started = time.monotonic()
    assert site.ask("GET", "/healthcheck").status == 200
    # One after the other they would be waited for two seconds each.
    assert time.monotonic() - started < 15
    for wire in wires:
        assert wire.answer().status == 200
        assert wire.ended()
        wire.close()


# -- downloads -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def big(site: Site) -> str:
    """An image that does not fit into the sockets on the way."""
    return site.stored(content(BIG))


@pytest.mark.parametrize("part", ["", "bytes=5-"], ids=["whole", "range"])
@pytest.mark.parametrize("how", ["goes", "resets", "does not read"])
def test_a_client_that_stops_taking(site: Site, big: str, how: str, part: str) -> None:
    log = site.log()
    headers = {"Range": part} if part else {}
    wires = [site.wire() for _ in range(THREADS if how == "does not read" else MANY)]
    for wire in wires:
        wire.head("GET", file_of(big), **headers)
    for wire in wires:
        if how == "goes":
            wire.close()
        elif how == "resets":
            wire.reset()
    assert site.ask("GET", "/healthcheck").status == 200
    if how == "does not read":
        time.sleep(TIMEOUT)
        for wire in wires:
            with pytest.raises((AssertionError, ConnectionResetError), match=r"cut off|reset"):
                wire.answer()
            wire.close()
    assert not log.lines(), log.text()


def test_a_client_that_takes_its_time(site: Site, big: str) -> None:
    """Slow is not silent."""
    with site.wire() as wire:
        wire.head("GET", file_of(big))
        end = time.monotonic() + 2 * TIMEOUT
        while time.monotonic() < end:
            time.sleep(TIMEOUT / 4)
            assert wire.socket.recv(MIB)
    with site.wire() as wire:
        image_id, data = site.new(), content(280_000)
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(data))
        for start in range(0, len(data), 40_000):
            wire.send(data[start : start + 40_000])
            time.sleep(TIMEOUT / 3)
        assert wire.answer().status == 204
    assert site.path(image_id).read_bytes() == data
