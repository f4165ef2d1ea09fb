"""A web server on loopback that answers as a test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = Callable[[BaseHTTPRequestHandler], None]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server: Web = self.server  # type: ignore[assignment]
        server.asked.append((self.path, self.headers["Host"]))
        self.close_connection = True
        path = self.path.partition("?")[0]
        reply = server.pages.get(path)
        if reply is None:
            self.send_error(404, "Not Here")
        else:
            reply(self)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


class Web(ThreadingHTTPServer):
    """`pages`: what each path answers. `asked`: the paths and hosts that were asked for."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages: dict[str, Reply] = {}
        self.asked: list[tuple[str, str]] = []
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""


@contextmanager
def serving() -> Iterator[Web]:
    """A server while the block runs."""
    web = Web()
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield web
    finally:
        web.shutdown()
        thread.join()
        web.server_close()


def page(data: bytes, length: int | None = None, status: int = 200) -> Reply:
    """The data, with its length or a wrong one; -1: none is told."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        if length != -1:
            handler.send_header("Content-Length", str(len(data) if length is None else length))
        handler.end_headers()
        handler.wfile.write(data)

    return reply


def chunked(data: bytes, *, cut: bool = False) -> Reply:
    """The data in chunks, perhaps without the last one."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(data), 70_000):
            piece = data[start : start + 70_000]
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        if not cut:
            handler.wfile.write(b"0\r\n\r\n")

    return reply


def elsewhere(where: str, status: int = 302) -> Reply:
    """A redirect."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Location", where)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


def held_back(data: bytes, first: int, go_on: threading.Event) -> Reply:
    """The first bytes of the data, and the others once they may."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:first])
        handler.wfile.flush()
        go_on.wait(60)
        handler.wfile.write(data[first:])

    return reply
