"""Downloads: whole and in part, conditions, and connections that stay in step."""

import base64
import hashlib
import random
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.data.site import Site, file_of
from tests.data.wire import OCTETS, Answer, Wire
from tests.stores.sources import content

MIB = 1 << 20
SIZE = 3 * MIB + 123
DATA = content(SIZE, shift=5)
MD5 = hashlib.md5(DATA).hexdigest()
ETAG = f'"{hashlib.sha512(DATA).hexdigest()}"'


@pytest.fixture(scope="module")
def image_id(site: Site) -> str:
    """An image with DATA."""
    return site.stored(DATA)


@pytest.fixture(scope="module")
def empty(site: Site) -> str:
    """An active image of no bytes."""
    return site.stored(b"")


# -- whole -----------------------------------------------------------------------------------------


def test_the_whole(site: Site, image_id: str) -> None:
    answer = site.download(image_id)
    assert answer.status == 200
    assert answer.body == DATA
    assert answer.headers["content-type"] == OCTETS
    assert answer.headers["content-length"] == str(SIZE)
    assert answer.headers["content-md5"] == MD5
    assert answer.headers["etag"] == ETAG
    assert answer.headers["accept-ranges"] == "bytes"
    assert "content-range" not in answer.headers


def test_only_the_head(site: Site, image_id: str) -> None:
    whole, head = site.download(image_id), site.ask("HEAD", file_of(image_id))
    own = {"date", "x-openstack-request-id"}
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }
    assert head.status == 200


def test_the_head_of_a_part(site: Site, image_id: str) -> None:
    head = site.ask("HEAD", file_of(image_id), Range="bytes=10-19")
    assert head.status == 206
    assert head.headers["content-length"] == "10"
    assert head.headers["content-range"] == f"bytes 10-19/{SIZE}"


def test_no_bytes(site: Site, empty: str) -> None:
    for method in ("GET", "HEAD"):
        answer = site.ask(method, file_of(empty))
        assert (answer.status, answer.body) == (200, b"")
        assert answer.headers["content-length"] == "0"
        assert answer.headers["content-md5"] == hashlib.md5().hexdigest()
    for asked in ("bytes=0-0", "bytes=0-", "bytes=-1"):
        assert site.download(empty, Range=asked).status == 416


def test_no_data_yet(site: Site) -> None:
    queued = site.new()
    for headers in ({}, {"Range": "bytes=0-5"}, {"If_None_Match": "*"}):
        for method in ("GET", "HEAD"):
            answer = site.ask(method, file_of(queued), **headers)
            assert answer.status == 204
            assert not {"content-type", "content-range", "etag", "content-md5"} & set(
                answer.headers
            )


def test_no_image(site: Site) -> None:
    for method in ("GET", "HEAD"):
        assert site.ask(method, file_of("00000000-0000-4000-8000-000000000000")).status == 404


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=1-2"}], ids=["whole", "part"])
def test_data_that_is_lost(site: Site, headers: dict[str, str]) -> None:
    lost = site.stored(b"data")
    site.path(lost).unlink()
    log = site.log()
    answer = site.download(lost, **headers)
    assert answer.status == 204
    assert "content-range" not in answer.headers
    (line,) = log.lines()
    assert " ERROR " in line
    assert lost in line


@pytest.mark.parametrize("damaged", [b"", b"dat", b"data and more"], ids=["gone", "cut", "long"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-1"}], ids=["whole", "part"])
def test_data_of_a_wrong_length(site: Site, damaged: bytes, headers: dict[str, str]) -> None:
    bad = site.stored(b"data")
    site.path(bad).write_bytes(damaged)
    log = site.log()
    assert site.download(bad, **headers).status == 204
    (line,) = log.lines()
    assert " ERROR " in line
    assert f"{len(damaged)} bytes where 4" in line


def test_a_get_with_a_body(site: Site, image_id: str) -> None:
    assert site.ask("GET", file_of(image_id), b"body").status == 400
    with site.wire() as wire:
        wire.head("GET", file_of(image_id), Transfer_Encoding="chunked")
        wire.chunk(b"")
        assert wire.answer().body == DATA, "an empty body is none"
        wire.head("GET", file_of(image_id), Transfer_Encoding="chunked", Range="bytes=5-9")
        wire.chunk(b"")
        assert wire.answer().body == DATA[5:10]


# -- parts -----------------------------------------------------------------------------------------

LAST = SIZE - 1
#: What is asked for, and the first and last byte of what comes.
PARTS = {
    "bytes=0-0": (0, 0),
    "bytes=0-99": (0, 99),
    "bytes=100-": (100, LAST),
    "bytes=-1": (LAST, LAST),
    "bytes=-100": (SIZE - 100, LAST),
    f"bytes=0-{LAST}": (0, LAST),
    f"bytes=0-{SIZE}": (0, LAST),
    f"bytes=5-{10**18}": (5, LAST),
    f"bytes={LAST}-": (LAST, LAST),
    f"bytes={LAST}-{LAST}": (LAST, LAST),
    f"bytes=-{SIZE}": (0, LAST),
    f"bytes=-{SIZE + 1}": (0, LAST),
    f"bytes=-{10**18}": (0, LAST),
    "Bytes=7-8": (7, 8),
    f"bytes={MIB - 1}-{MIB}": (MIB - 1, MIB),
    " bytes=3-4 ": (3, 4),
}


@pytest.mark.parametrize("asked", PARTS)
def test_a_part(site: Site, image_id: str, asked: str) -> None:
    first, last = PARTS[asked]
    answer = site.download(image_id, Range=asked)
    assert answer.status == 206
    assert answer.body == DATA[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["content-md5"] == MD5, "that of the whole"
    assert answer.headers["etag"] == ETAG


@pytest.mark.parametrize(
    "asked",
    [
        *(f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=5-2", "bytes=-0", "bytes=-"),
        *("bytes=", "bytes", "bytes=a-b", "bytes=1", "bytes=--1", "bytes= 1-2", "items=0-5"),
        *("0-5", "bytes 0-5", "bytes=1-2-3", "bytes=0x0-0x5", "bytes=²-³", f"bytes={10**19}-"),
        *("bytes=0-" + "9" * 5000, "bytes=" + "0" * 5000 + "-5"),
    ],
    ids=lambda asked: asked[:20],
)
def test_a_part_that_cannot_be(site: Site, image_id: str, asked: str) -> None:
    answer = site.download(image_id, Range=asked)
    assert answer.status == 416
    assert answer.message
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=0-1, 3-4", "bytes=0-0,-1", "bytes=1-2,"])
def test_several_parts(site: Site, image_id: str, asked: str) -> None:
    answer = site.download(image_id, Range=asked)
    assert answer.status == 400
    assert "one range" in answer.message


@pytest.mark.parametrize(
    ("asked", "window"),
    {
        f"bytes 0-9/{SIZE}": (0, 9),
        "bytes 10-19/*": (10, 19),
        f"bytes {LAST}-{LAST}/{SIZE}": (LAST, LAST),
        f"bytes 5-{SIZE + 99}/*": (5, LAST),
    }.items(),
)
def test_a_part_in_the_old_way(
    site: Site, image_id: str, asked: str, window: tuple[int, int]
) -> None:
    first, last = window
    answer = site.download(image_id, Content_Range=asked)
    assert answer.status == 206
    assert answer.body == DATA[first : last + 1]
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"


@pytest.mark.parametrize(
    "asked",
    [f"bytes {SIZE}-{SIZE}/*", "bytes 5-2/*", "bytes=0-5", "bytes */5", "items 0-5/*", "x"],
)
def test_a_part_in_the_old_way_that_cannot_be(site: Site, image_id: str, asked: str) -> None:
    assert site.download(image_id, Content_Range=asked).status == 416


def test_range_counts_more_than_the_old_way(site: Site, image_id: str) -> None:
    answer = site.download(image_id, Range="bytes=1-2", Content_Range="bytes 5-9/*")
    assert answer.body == DATA[1:3]


def test_any_part_is_exact(site: Site, image_id: str) -> None:
    """Random ones, sent by the kernel from the middle of the file, on one connection."""
    chance = random.Random(1839)
    with site.wire() as wire:
        for _ in range(200):
            first = chance.randrange(SIZE)
            last = min(LAST, first + chance.choice([0, 1, 100, 65_536, MIB]))
            asked, end = chance.choice(
                [
                    (f"bytes={first}-{last}", last + 1),
                    (f"bytes={first}-", SIZE),
                    (f"bytes=-{SIZE - first}", SIZE),
                ]
            )
            answer = wire.ask("GET", file_of(image_id), Range=asked)
            assert answer.status == 206
            assert answer.body == DATA[first:end], asked


# -- conditions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tags", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*", f'{ETAG}, "y"'], ids=lambda tags: tags[:6]
)
def test_the_client_has_it_already(site: Site, image_id: str, tags: str) -> None:
    for method in ("GET", "HEAD"):
        for headers in ({}, {"Range": "bytes=1-2"}, {"Range": "bytes=5-2"}):
            answer = site.ask(method, file_of(image_id), If_None_Match=tags, **headers)
            assert (answer.status, answer.body) == (304, b"")
            assert answer.headers["etag"] == ETAG
            assert "content-range" not in answer.headers


@pytest.mark.parametrize("tags", ['"x"', ETAG.strip('"'), f'"{MD5}"', ""])
def test_the_client_has_another(site: Site, image_id: str, tags: str) -> None:
    answer = site.download(image_id, If_None_Match=tags)
    assert (answer.status, answer.body) == (200, DATA)


def test_a_part_of_what_the_client_has(site: Site, image_id: str) -> None:
    part = {"Range": "bytes=10-19"}
    answer = site.download(image_id, If_Range=ETAG, **part)
    assert (answer.status, answer.body) == (206, DATA[10:20])
    for other in ('"x"', f"W/{ETAG}", "Sat, 29 Oct 1994 19:43:31 GMT"):
        answer = site.download(image_id, If_Range=other, **part)
        assert (answer.status, answer.body) == (200, DATA)
    assert site.download(image_id, If_Range='"x"', Range="bytes=5-2").status == 200


# -- connections -----------------------------------------------------------------------------------

Kind = Callable[[Site, Wire, str], Answer]


def asks(method: str, **headers: str) -> Kind:
    return lambda site, wire, image_id: wire.ask(method, file_of(image_id), **headers)


def queued(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("GET", file_of(site.new()))


def refused(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("PUT", file_of(image_id), content(MIB), Content_Type="text/plain")


def refused_chunks(site: Site, wire: Wire, image_id: str) -> Answer:
    wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
    wire.chunk(content(MIB))
    wire.chunk(b"")
    return wire.answer()


def unsafe(site: Site, wire: Wire, image_id: str) -> Answer:
    path = file_of(site.new("qcow2"))
    return wire.ask("PUT", path, content(2 * MIB), Content_Type=OCTETS)


def uploads(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("PUT", file_of(site.new()), content(MIB), Content_Type=OCTETS)


def get_with_body(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("GET", file_of(image_id), b"GET /nonsense HTTP/1.1\r\n\r\n")


def bad_json(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("POST", "/v2/images", b"{" * 9000, Content_Type="application/json")


def nowhere(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("PUT", "/v2/nowhere", content(MIB))


def wrong_method(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("POST", file_of(image_id), content(MIB))


def lists(site: Site, wire: Wire, image_id: str) -> Answer:
    return wire.ask("GET", "/v2/images?limit=2")


KINDS: dict[str, tuple[Kind, int]] = {
    "whole": (asks("GET"), 200),
    "head": (asks("HEAD"), 200),
    "part": (asks("GET", Range="bytes=7-99"), 206),
    "end": (asks("GET", Range="bytes=-5"), 206),
    "head of a part": (asks("HEAD", Range="bytes=7-99"), 206),
    "not modified": (asks("GET", If_None_Match=ETAG), 304),
    "head not modified": (asks("HEAD", If_None_Match=ETAG), 304),
    "bad range": (asks("GET", Range="bytes=5-2"), 416),
    "head of a bad range": (asks("HEAD", Range="bytes=5-2"), 416),
    "several ranges": (asks("GET", Range="bytes=1-2,3-4"), 400),
    "queued": (queued, 204),
    "refused": (refused, 415),
    "refused chunks": (refused_chunks, 409),
    "unsafe": (unsafe, 415),
    "uploads": (uploads, 204),
    "get with a body": (get_with_body, 400),
    "bad json": (bad_json, 400),
    "nowhere": (nowhere, 404),
    "wrong method": (wrong_method, 405),
    "list": (lists, 200),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_stays_in_step_after(site: Site, image_id: str, kind: str) -> None:
    ask, status = KINDS[kind]
    with site.wire() as wire:
        for _ in range(2):
            assert ask(site, wire, image_id).status == status
            answer = wire.ask("GET", file_of(image_id), Range="bytes=100-199")
            assert (answer.status, answer.body) == (206, DATA[100:200])


def test_a_connection_stays_in_step_through_everything(site: Site, image_id: str) -> None:
    chance = random.Random(1841)
    with site.wire() as wire:
        for _ in range(100):
            ask, status = KINDS[chance.choice(list(KINDS))]
            assert ask(site, wire, image_id).status == status


def test_many_at_once(site: Site, image_id: str) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda _: site.download(image_id), range(24))
        assert all(answer.body == DATA for answer in answers)


def test_a_reader_that_is_slow(site: Site) -> None:
    data = content(24 * MIB)
    image_id = site.stored(data)
    with site.wire() as wire:
        wire.head("GET", file_of(image_id))
        received = b""
        while len(received) < len(data):
            time.sleep(0.02)
            received += wire.socket.recv(MIB)
    assert received.endswith(data[-MIB:])
    assert received.partition(b"\r\n\r\n")[2] == data


def test_what_a_client_verifies(site: Site, image_id: str) -> None:
    """Content-MD5 is what Glance sends: the digest in hex, not in base64 as RFC 1864 has it."""
    sent = site.ask("HEAD", file_of(image_id)).headers["content-md5"]
    assert sent == hashlib.md5(DATA).hexdigest()
    assert sent != base64.b64encode(hashlib.md5(DATA).digest()).decode()


def test_curl_goes_on_with_what_it_has(
    site: Site, image_id: str, curl: str, tmp_path: Path
) -> None:
    target = tmp_path / "copy"
    target.write_bytes(DATA[: 2 * MIB])
    url = site.service.url + file_of(image_id)
    done = subprocess.run(
        [curl, "-sS", "-C", "-", "-o", str(target), url],
        capture_output=True,
        check=False,
        env={"PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert target.read_bytes() == DATA
