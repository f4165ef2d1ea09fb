"""The client of all measurements, a process of its own: `python -m tools.bench.client JOB`.

It must never be what is measured, so the kernel does its work: uploads leave a file by sendfile,
and what is downloaded is dropped in the socket (MSG_TRUNC), never copied. JOB is a JSON object,
and so is what is printed: seconds, what the job found, and the CPU seconds the client used itself.
"""

import hashlib
import json
import os
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

HOST = "127.0.0.1"
#: Seconds after which a silent server counts as broken.
PATIENCE = 120
#: Seconds between two looks whether some work is done.
LOOK = 0.02
#: Most bytes asked of the kernel in one call.
PIECE = 4 << 20

#: Who asks. Heard only by the server that is set up to believe it.
WHO = (
    "X-Identity-Status: Confirmed", "X-Roles: admin", "X-User-Id: bench", "X-Project-Id: bench",
)  # fmt: skip

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_NEXT = re.compile(rb'"next": ?"([^"]+)"')


class Refused(Exception):
    """The server answered with another status than it should, or not at all."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of an answer: `length` of the body (None: until the end), what came of it."""

    status: int
    length: int | None
    closes: bool
    rest: bytes


class Connection:
    """A connection to the server, opened when needed and kept while the server keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._asked = b""

    def fileno(self) -> int:
        """The socket's number, for `select`."""
        return self._opened().fileno()

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, request: bytes) -> socket.socket:
        """Send a request (its head, or all of it); the socket, to send a body on."""
        self._asked = request
        opened = self._opened()
        opened.sendall(request)
        return opened

    def head(self) -> Head:
        """The head of the answer. Raises Refused."""
        raw = self._first_bytes()
        while b"\r\n\r\n" not in raw:
            more = self._opened().recv(65536)
            if not more:
                raise Refused(f"The connection ended in the head of an answer: {raw[:200]!r}")
            raw += more
        head, _, rest = raw.partition(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        found = _LENGTH.search(head)
        length = int(found[1]) if found else 0 if status in (204, 304) else None
        old = head.startswith(b"HTTP/1.0")
        return Head(status, length, old or _CLOSES.search(head) is not None, rest)

    def answer(self, wanted: int) -> bytes:
        """The whole body of the answer. Raises Refused when the status is not the one wanted."""
        head = self.head()
        pieces, have = [head.rest], len(head.rest)
        while head.length is None or have < head.length:
            piece = self._opened().recv(1 << 20)
            if not piece:
                break
            pieces.append(piece)
            have += len(piece)
        if head.closes or head.length is None:
            self.close()
        body = b"".join(pieces)
        if head.status != wanted:
            text = " ".join(body[:200].decode(errors="replace").split())
            raise Refused(f"Status {head.status}, not {wanted}: {text}")
        return body

    def _opened(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection((HOST, self._port), timeout=PATIENCE)
            # With a timeout Python polls before every call; the kernel's own costs nothing.
            self._socket.settimeout(None)
            limit = PATIENCE.to_bytes(8, sys.byteorder) + bytes(8)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _first_bytes(self) -> bytes:
        """What the answer begins with; the request is sent again when the server hung up."""
        for _ in range(2):
            try:
                raw = self._opened().recv(65536)
            except ConnectionError:
                raw = b""
            if raw:
                return raw
            self.close()
            self._opened().sendall(self._asked)
        raise Refused("The server hangs up without an answer")


def request(method: str, path: str, *headers: str, body: bytes = b"", length: int = 0) -> bytes:
    """A request as bytes; `length` when the body is sent later."""
    size = length or len(body)
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *WHO, *headers]
    if size or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {size}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def upload(job: dict[str, Any]) -> dict[str, Any]:
    """Send the file to every path, all at once."""
    with open(job["file"], "rb") as file:
        size = os.fstat(file.fileno()).st_size

        def send(path: str) -> None:
            connection = Connection(job["port"])
            kind = "Content-Type: application/octet-stream"
            out = connection.ask(request("PUT", path, kind, *job.get("headers", ()), length=size))
            sent = 0
            try:
                while sent < size:
                    sent += os.sendfile(out.fileno(), file.fileno(), sent, size - sent)
            except ConnectionError:
                pass  # the answer says why
            connection.answer(204)
            connection.close()

        return _at_once(send, job["paths"])


def download(job: dict[str, Any]) -> dict[str, Any]:
    """Get every path, all at once; each must be `size` bytes."""
    return _at_once(lambda path: _drop(Connection(job["port"]), path, job["size"]), job["paths"])


def _drop(connection: Connection, path: str, size: int) -> None:
    incoming = connection.ask(request("GET", path))
    head = connection.head()
    if head.status != 200 or head.length not in (size, None):
        raise Refused(f"Status {head.status} with {head.length} bytes, not 200 with {size}")
    # Without a length it is sent in chunks, whose heads count little, until the connection ends.
    left, room = size - len(head.rest), bytearray(PIECE)
    while left > 0 or head.length is None:
        want = PIECE if head.length is None else min(left, PIECE)
        dropped = incoming.recv_into(room, want, socket.MSG_TRUNC | socket.MSG_WAITALL)
        if not dropped:
            break
        left -= dropped
    if left > 0:
        raise Refused(f"The download ended {left} bytes early")
    connection.close()


def digest(job: dict[str, Any]) -> dict[str, Any]:
    """The SHA-256 of what a path gives."""
    connection = Connection(job["port"])
    incoming = connection.ask(request("GET", job["path"]))
    head = connection.head()
    if head.status != 200:
        raise Refused(f"Status {head.status}, not 200")
    value, left = hashlib.sha256(head.rest), (head.length or 0) - len(head.rest)
    while left and (piece := incoming.recv(min(left, 1 << 20))):
        value.update(piece)
        left -= len(piece)
    connection.close()
    return {"digest": value.hexdigest()}


def ask(job: dict[str, Any]) -> dict[str, Any]:
    """Send requests one after the other on one connection: the seconds each took, the bodies."""
    connection = Connection(job["port"])
    times, bodies = [], []
    for method, path, content in job["requests"]:
        kind = ["Content-Type: application/json"] if content else []
        raw = request(method, path, *kind, body=content.encode())
        began = time.perf_counter()
        connection.ask(raw)
        body = connection.answer(job["status"])
        times.append(time.perf_counter() - began)
        bodies.append(body)
    connection.close()
    keep = job.get("keep", False)
    return {"times": times, "bodies": [b.decode() for b in bodies] if keep else []}


def until(job: dict[str, Any]) -> dict[str, Any]:
    """Ask for work (method, path, body), and then for a path until its body matches a pattern.

    Another pattern says that it failed. The time is that from the request to the match.
    """
    connection = Connection(job["port"])
    method, path, content = job["request"]
    kind = "Content-Type: application/json"
    connection.ask(request(method, path, kind, body=content.encode()))
    connection.answer(202)
    done, failed = re.compile(job["done"].encode()), re.compile(job["failed"].encode())
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        connection.ask(request("GET", job["look_at"]))
        body = connection.answer(200)
        if done.search(body):
            connection.close()
            return {}
        if failed.search(body):
            raise Refused(f"It failed: {body[-500:]!r}")
        time.sleep(LOOK)
    raise Refused(f"It is not done after {PATIENCE} seconds: {body[-500:]!r}")


def forget(job: dict[str, Any]) -> dict[str, Any]:
    """Take an image out of the cache, if it is there."""
    connection = Connection(job["port"])
    connection.ask(request("DELETE", job["path"]))
    status = connection.head().status
    connection.close()
    if status not in (204, 404):
        raise Refused(f"Status {status}, not 204")
    return {}


def walk(job: dict[str, Any]) -> dict[str, Any]:
    """Follow a list from its first page to its last; how many images it has."""
    connection, path, count = Connection(job["port"]), job["path"], 0
    while path:
        connection.ask(request("GET", path))
        page = connection.answer(200)
        count += page.count(b'"/v2/schemas/image"')
        found = _NEXT.search(page)
        path = found[1].decode() if found else ""
    connection.close()
    return {"count": count}


def load(job: dict[str, Any]) -> dict[str, Any]:
    """Keep `connections` busy for `period` seconds, each asking again when it has its answer."""
    paths: Iterator[str] = cycle(job["paths"])
    poll, waiting = select.epoll(), {}

    def next_request(connection: Connection) -> None:
        connection.ask(request("GET", next(paths)))
        number = connection.fileno()
        if number not in waiting:
            waiting[number] = connection
            poll.register(number, select.EPOLLIN)

    began = time.perf_counter()
    for _ in range(job["connections"]):
        next_request(Connection(job["port"]))
    done = 0
    while time.perf_counter() - began < job["period"]:
        for number, _ in poll.poll(1.0):
            connection = waiting.pop(number)
            poll.unregister(number)
            connection.answer(200)  # small, so all of it is there
            done += 1
            next_request(connection)
    took = time.perf_counter() - began
    for connection in waiting.values():
        connection.close()
    return {"count": done, "seconds": took}


def _at_once(work: Callable[[str], None], paths: list[str]) -> dict[str, Any]:
    failures: list[Exception] = []

    def guarded(path: str) -> None:
        try:
            work(path)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise Refused(str(failures[0])) from failures[0]
    return {}


JOBS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "upload": upload,
    "download": download,
    "digest": digest,
    "ask": ask,
    "forget": forget,
    "until": until,
    "walk": walk,
    "load": load,
}


def main() -> int:
    """Do the job of the command line and print what came out."""
    job = json.loads(sys.stdin.read())
    began, used = time.perf_counter(), time.process_time()
    try:
        found = JOBS[job["job"]](job)
    except (Refused, OSError) as error:
        print(json.dumps({"failed": str(error)}))
        return 1
    measured = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - used}
    print(json.dumps(measured | found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
