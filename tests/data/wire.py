"""HTTP by hand: a connection on which a test decides about every byte, and when it is sent."""

import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Self

import orjson

from tests.servers import HOST

OCTETS = "application/octet-stream"
#: Statuses whose answers have no body, whatever their headers say.
BODILESS = {204, 304}


@dataclass(frozen=True)
class Answer:
    """One answer: header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        assert self.headers["content-type"].startswith("application/json"), self
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        """What the answer says is wrong; its body must have the one form of all errors."""
        assert self.json.keys() == {"message", "code", "title"}, self.json
        assert self.json["code"].startswith(str(self.status))
        return str(self.json["message"])


class Wire:
    """One connection to a server. What it waits for longer than `timeout` seconds is a failure."""

    #: All that are not closed yet, so that a test which fails leaves none behind.
    opened: ClassVar[set["Wire"]] = set()

    def __init__(self, port: int, timeout: float = 30) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=timeout)
        self._reader: BinaryIO = self.socket.makefile("rb")
        Wire.opened.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def head(self, method: str, path: str, **headers: object) -> None:
        """Send the head of a request; `_` in the names of headers stands for `-`."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def chunk(self, data: bytes) -> None:
        """Send one chunk of a chunked body; without data, the last one."""
        self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def answer(self, method: str = "GET") -> Answer:
        """Take just one answer from the connection; what follows it stays there."""
        line = self._reader.readline()
        assert line.startswith(b"HTTP/1.1 "), f"no answer but {line!r}"
        status = int(line.split()[1])
        headers = {}
        while line := self._reader.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if method == "HEAD" or status in BODILESS or status < 200:
            return Answer(status, headers)
        assert "transfer-encoding" not in headers, "all our answers know their length"
        length = int(headers["content-length"])
        body = self._reader.read(length)
        assert len(body) == length, f"cut off after {len(body)} of {length} bytes"
        return Answer(status, headers, body)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: object) -> Answer:
        """Send a whole request and take its answer."""
        if body is not None:
            headers = {"Content_Length": len(body), **headers}
        self.head(method, path, **headers)
        self.send(body or b"")
        return self.answer(method)

    def ended(self) -> bool:
        """Whether the server says nothing more and closes, within the timeout."""
        try:
            return self._reader.read(1) == b""
        except ConnectionResetError:
            return True

    def finish(self) -> None:
        """Send no more, but listen."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close in the orderly way."""
        Wire.opened.discard(self)
        self._reader.close()
        self.socket.close()

    def reset(self) -> None:
        """Vanish: the server gets a reset and no goodbye."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()
