"""Connections that are kept: a thread stays with one only while there are threads for all."""

import fcntl
import http.client
import json
import os
import socket
import struct
import termios
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.servers import HOST
from tests.service import Service

THREADS = 2


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    arguments = ("--workers", "1", "--threads", str(THREADS), "--no-worker")
    with Service(folder, arguments=arguments) as service:
        yield service


@pytest.mark.parametrize("connections", [1, THREADS, 4 * THREADS])
def test_kept_connections_take_turns(service: Service, connections: int) -> None:
    with ExitStack() as open_:
        kept = [
            open_.enter_context(closing(http.client.HTTPConnection(HOST, service.port, timeout=30)))
            for _ in range(connections)
        ]
        for _ in range(5):
            for connection in kept:
                connection.request("GET", "/v2/images?limit=1")
            for connection in kept:
                answer = connection.getresponse()
                assert (answer.status, answer.read()[:1]) == (200, b"{")


def test_the_next_request_may_come_in_pieces(service: Service) -> None:
    asked = b"GET /healthcheck HTTP/1.1\r\nHost: here\r\n\r\n"
    with closing(http.client.HTTPConnection(HOST, service.port, timeout=30)) as connection:
        connection.request("GET", "/healthcheck")
        assert read(connection).status == 200
        for piece in (asked[:10], asked[10:30], asked[30:]):
            connection.sock.sendall(piece)
            waits_for_more(connection.sock)
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        assert answer.status == 200


def test_a_body_comes_in_pieces_and_the_next_request_right_behind_it(service: Service) -> None:
    body = b'{"name": "in pieces", "disk_format": "raw", "container_format": "bare"}'
    head = (
        "POST /v2/images HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    last = b"GET /v2/images?name=in%20pieces HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    with socket.create_connection((HOST, service.port), timeout=30) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces = [head[:50], head[50:] + body[:7], body[7:20], body[20:] + last]
        for piece in pieces:
            client.sendall(piece)
            waits_for_more(client)
        answers = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answers.count(b"HTTP/1.1 201 ") == 1
    assert answers.count(b"HTTP/1.1 200 ") == 1
    assert answers.count(b'"name":"in pieces"') == 2


def waits_for_more(client: socket.socket) -> None:
    """Let what was sent arrive by itself, not together with what is sent next."""
    unsent = True
    while unsent:
        unsent = struct.unpack("i", fcntl.ioctl(client, termios.TIOCOUTQ, bytes(4)))[0] > 0


def test_data_is_taken_as_it_was_sent(service: Service) -> None:
    """Blocks that are cut anywhere, with and without a beginning that came with the head."""
    data = os.urandom(3 * (1 << 20) + 17)
    with closing(http.client.HTTPConnection(HOST, service.port, timeout=30)) as client:
        for first in (0, 1, 4097, len(data)):
            path = f"/v2/images/{new_image(client)}/file"
            client.putrequest("PUT", path)
            client.putheader("Content-Type", "application/octet-stream")
            client.putheader("Content-Length", str(len(data)))
            client.endheaders(data[:first])
            client.send(data[first:])
            assert read(client).status == 204
            client.request("GET", path)
            assert client.getresponse().read() == data


def new_image(client: http.client.HTTPConnection) -> str:
    fields = {"disk_format": "raw", "container_format": "bare"}
    client.request("POST", "/v2/images", json.dumps(fields), {"Content-Type": "application/json"})
    image: str = json.loads(client.getresponse().read())["id"]
    return image


def read(client: http.client.HTTPConnection) -> http.client.HTTPResponse:
    answer = client.getresponse()
    answer.read()
    return answer
