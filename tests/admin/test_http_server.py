"""Connections that are kept: a thread stays with one only while there are threads for all."""

import http.client
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


def test_the_next_request_may_be_there_already(service: Service) -> None:
    asked = b"GET /healthcheck HTTP/1.1\r\nHost: here\r\n\r\n"
    with closing(http.client.HTTPConnection(HOST, service.port, timeout=30)) as connection:
        connection.connect()
        connection.sock.sendall(asked)
        connection.sock.recv(1 << 16)
        connection.sock.sendall(asked[:10])
        connection.sock.sendall(asked[10:])
        assert connection.sock.recv(1 << 16).startswith(b"HTTP/1.1 200")
