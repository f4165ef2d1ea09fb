"""A body that is not wanted: the client gets to see the reason, and we do not read for ever."""

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.data.conftest import THREADS
from tests.data.site import Site, file_of
from tests.data.wire import OCTETS
from tests.servers import HOST

MIB = 1 << 20
#: What is read of a refused body at most, and for how long.
DRAIN = 2 * MIB
SECONDS = 1
DEFAULT = f"""\
calotype_drain_bytes = {DRAIN}
calotype_drain_seconds = {SECONDS}
calotype_client_timeout = 2
image_size_cap = {64 * MIB}
"""
#: What sockets, gunicorn and its closing of a connection may hold or read beyond that.
SLACK = 16 * MIB
HUGE = 1 << 30

#: Ways of being refused before the body is read: headers, and the status.
EARLY = {
    "media": ({"Content-Type": "text/plain"}, 415),
    "size": ({"Content-Type": OCTETS, "X-OpenStack-Image-Size": "x"}, 400),
    "image": ({"Content-Type": OCTETS}, 404),
}


def target(site: Site, case: str) -> str:
    return file_of("00000000-0000-4000-8000-000000000000" if case == "image" else site.new())


@pytest.mark.parametrize("case", EARLY)
def test_a_small_body_is_read_and_the_connection_goes_on(site: Site, case: str) -> None:
    headers, status = EARLY[case]
    connection = http.client.HTTPConnection(HOST, site.service.port, timeout=20)
    for _ in range(3):
        connection.request("PUT", target(site, case), bytes(DRAIN - 1), headers)
        socket = connection.sock
        answer = connection.getresponse()
        assert answer.status == status, answer.read()
        assert b"message" in answer.read()
        assert connection.sock is socket, "the connection was not kept"
    connection.close()


@pytest.mark.parametrize("case", EARLY)
def test_requests_sees_the_reason_whatever_the_size(site: Site, case: str, tmp_path: Path) -> None:
    headers, status = EARLY[case]
    big = sparse(tmp_path)
    with big.open("rb") as body:
        answer = requests.put(
            site.service.url + target(site, case), data=body, headers=headers, timeout=20
        )
        assert body.tell() < DRAIN + SLACK
    assert answer.status_code == status
    assert answer.json()["message"]


def test_requests_sees_the_reason_when_it_sends_in_chunks(site: Site) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < HUGE:
            sent += MIB
            yield bytes(MIB)

    url = site.service.url + file_of(site.new())
    answer = requests.put(url, data=endless(), headers={"Content-Type": "text/plain"}, timeout=20)
    assert answer.status_code == 415
    assert sent < DRAIN + SLACK


@pytest.mark.parametrize("case", EARLY)
def test_curl_sees_the_reason_whatever_the_size(
    site: Site, case: str, curl: str, tmp_path: Path
) -> None:
    headers, status = EARLY[case]
    command = [curl, "-sS", "-T", str(sparse(tmp_path)), "-o", str(tmp_path / "answer")]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    done = subprocess.run(
        [*command, "-w", "%{http_code} %{size_upload}", site.service.url + target(site, case)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    code, sent = done.stdout.split()
    assert code == str(status), done.stderr
    assert b"message" in (tmp_path / "answer").read_bytes()
    assert int(sent) < DRAIN + SLACK


def test_a_body_beyond_the_bound_ends_the_connection(site: Site) -> None:
    """Sent by a client that does not listen before it has sent everything."""
    with site.wire() as wire:
        wire.head("PUT", target(site, "media"), Content_Type="text/plain", Content_Length=HUGE)
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < HUGE:
                wire.send(bytes(MIB))
                sent += MIB
        assert sent < DRAIN + SLACK
        assert wire.answer().status == 415
        assert wire.ended()


def test_data_beyond_a_limit_ends_the_connection(site: Site) -> None:
    """The same in the middle of an upload: the cap is passed while the client is sending."""
    image_id = site.new()
    with site.wire() as wire:
        chunked = {"Content_Type": OCTETS, "Transfer_Encoding": "chunked"}
        wire.head("PUT", file_of(image_id), **chunked)
        sent = 0
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while sent < HUGE:
                wire.chunk(bytes(MIB))
                sent += MIB
        assert sent < 64 * MIB + DRAIN + SLACK
        assert wire.answer().status == 413
    site.untouched(image_id)


def test_a_client_that_has_said_its_size_is_not_asked_for_the_data(site: Site) -> None:
    """More than the cap is refused by its Content-Length, before a byte of it is stored."""
    image_id = site.new()
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=HUGE)
        started = time.monotonic()
        assert wire.answer().status == 413
        assert time.monotonic() - started < SECONDS + 5
    site.untouched(image_id)


@pytest.mark.parametrize("pause", [0.05, 60], ids=["trickling", "silent"])
def test_a_slow_client_does_not_hold_a_thread(site: Site, pause: float) -> None:
    """As many of them as there are threads: after the time for draining they are back."""
    path, log = target(site, "media"), site.log()
    wires = [site.wire() for _ in range(THREADS)]
    for wire in wires:
        wire.head("PUT", path, Content_Type="text/plain", Content_Length=DRAIN)
        wire.send(b"x")
    started = last = time.monotonic()
    while time.monotonic() - started < 2 * SECONDS:
        if time.monotonic() - last >= pause:
            last = time.monotonic()
            for wire in wires:
                try:
                    wire.send(b"x" * 4096)
                except OSError:
                    continue  # we were dropped
        time.sleep(0.01)
    assert site.ask("GET", "/healthcheck").status == 200
    assert time.monotonic() - started < 40
    for wire in wires:
        assert wire.answer().status == 415
        wire.close()
    assert log.quiet(), log.text()


def sparse(folder: Path) -> Path:
    """A huge file that takes no room."""
    path = folder / "huge"
    with path.open("wb") as file:
        file.truncate(HUGE)
    return path
