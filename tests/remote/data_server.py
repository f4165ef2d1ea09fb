"""A web server on loopback that has data, and keeps to the rules of HTTP as far as a test wants."""

import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Manners:
    """How a server answers. `fail`: the status of so many answers to come. `each` sees a GET."""

    ranges: bool = True
    heads: bool = True
    lengths: bool = True
    cut: int = 0
    fail: list[int] = field(default_factory=list)
    each: Callable[[], None] = lambda: None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        server: DataServer = self.server  # type: ignore[assignment]
        server.asked.append((self.command, self.path, self.headers.get("Range")))
        self.close_connection = True
        manners, data = server.manners, server.files.get(self.path)
        if body:
            manners.each()
        if manners.fail and body:
            self._refuse(manners.fail.pop(0))
        elif self.path in server.elsewhere:
            self._refuse(302, Location=server.elsewhere[self.path])
        elif not body and not manners.heads:
            self._refuse(405)
        elif data is None:
            self._refuse(404)
        else:
            self._give(data, body)

    def _refuse(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _give(self, data: bytes, body: bool) -> None:
        server: DataServer = self.server  # type: ignore[assignment]
        manners, part = server.manners, re.match(r"bytes=(\d+)-(\d*)$", self.headers["Range"] or "")
        if part and manners.ranges:
            start, end = int(part[1]), int(part[2]) + 1 if part[2] else len(data)
            if start >= len(data):
                self._refuse(416)
                return
            self.send_response(206)
            last = min(end, len(data)) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(data)}")
            data = data[start:end]
        else:
            self.send_response(200)
        if manners.lengths:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[: len(data) - manners.cut])

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class DataServer(ThreadingHTTPServer):
    """`files`: data by path. `elsewhere`: redirects. `asked`: method, path and range, in order."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.elsewhere: dict[str, str] = {}
        self.asked: list[tuple[str, str, str | None]] = []
        self.manners = Manners()
        self.port = self.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""


@contextmanager
def giving(tls: ssl.SSLContext | None = None) -> Iterator[DataServer]:
    """A server while the block runs."""
    server = DataServer(tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
