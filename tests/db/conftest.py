"""What the tests of the database layer share."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import make_url

from calotype.db.engine import Database, Tuning, connect
from tests.servers import HOST


class Wire:
    """A relay between a driver and its server that counts how often the driver had to wait.

    A round trip is whatever the client sends until the server answers.
    """

    def __init__(self, port: int) -> None:
        self.round_trips = 0
        self._target = port
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self._asking: dict[int, bool] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """End all connections, as a server that restarts does."""
        for end in self._sockets:
            with suppress(OSError):  # it has ended already
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Accept no more, and end what there is."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in self._sockets:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((HOST, self._target))
            self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                relay = threading.Thread(
                    target=self._relay, args=(source, sink, client), daemon=True
                )
                relay.start()

    def _relay(self, source: socket.socket, sink: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                self._count(id(client), from_client=source is client)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def _count(self, connection: int, *, from_client: bool) -> None:
        if from_client and not self._asking.get(connection):
            self.round_trips += 1
        self._asking[connection] = from_client


@pytest.fixture
def wire(database: Database) -> Iterator[tuple[Wire, Database]]:
    """A database on the other end of a counting wire; not for SQLite, which has none."""
    url = make_url(database.address)
    assert url.port is not None
    relay = Wire(url.port)
    far = connect(
        url.set(port=relay.port).render_as_string(hide_password=False), Tuning(max_pool_size=1)
    )
    yield relay, far
    far.close()
    relay.close()
