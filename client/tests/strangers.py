"""Servers that are not the image service one thinks to speak to, or not as it should be."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Request(BaseHTTPRequestHandler):
    """One request to a stranger."""

    server: "Stranger"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.server.asked.append(self)
        self.server.answer(self)

    def give(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer it."""
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


class Stranger(ThreadingHTTPServer):
    """Answers as it is told. `asked`: the requests that came."""

    def __init__(self, answer: Callable[[Request], None]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answer = answer
        self.asked: list[Request] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *who: object) -> None:
        """Clients may leave."""


@contextmanager
def stranger(
    answer: Callable[[Request], None], tls: ssl.SSLContext | None = None
) -> Iterator[Stranger]:
    """The server while the block runs."""
    server = Stranger(answer)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.url = server.url.replace("http:", "https:")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
