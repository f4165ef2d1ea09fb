"""A segment of the data of an image, read over as many connections as it takes."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from urllib.parse import quote, urlsplit

from calotype_client.calls import Calls
from calotype_client.errors import (
    PASSING,
    BadRequest,
    Error,
    NoData,
    NotConnected,
    Refused,
    WrongData,
)
from calotype_client.images import path
from calotype_client.model import Image

LOG = logging.getLogger(__name__)

#: How often a segment goes on after a cut that brought nothing new.
CUTS = 6
#: Seconds before the first of these, doubled each time.
PAUSE = 0.5

#: What is read at once: into memory that is used again and again, and stays in the processor's
#: cache until it is written.
BLOCK = 512 << 10

#: Takes a block of data, which is another one afterwards; the number says where it begins.
Put = Callable[[int, memoryview], None]
Opened = tuple[HTTPConnection, HTTPResponse]


class Mirrors:
    """Where the data of an image can be had: at nodes that have it, and at the service itself.

    A node is asked as long as it gives data; the service, when no node is left.
    """

    def __init__(
        self, calls: Calls, image: Image, *, prefer: str | None = None, nodes: Sequence[str] = ()
    ) -> None:
        self.image = image
        self._calls = calls
        self._address = path(image.id, "file") + (f"?prefer={quote(prefer)}" if prefer else "")
        self._nodes = [url.rstrip("/").removesuffix("/v2") for url in nodes if self._trusted(url)]
        self._lock = threading.Lock()

    def pick(self, number: int) -> str | None:
        """The node for a segment of this number; None is the service itself."""
        with self._lock:
            return self._nodes[number % len(self._nodes)] if self._nodes else None

    def drop(self, node: str, reason: Exception) -> None:
        """Ask a node no more."""
        with self._lock:
            if node not in self._nodes:
                return
            self._nodes.remove(node)
        LOG.warning("%s is not asked any more: %s", node, reason)

    def open(self, node: str | None, begin: int, end: int) -> Opened:
        """Begin to read what lies between; the answer may be all of it. Raises Refused."""
        whole = (begin, end) == (0, self.image.size)
        try:
            headers = {} if whole else {"Range": f"bytes={begin}-{end - 1}"}
            return self._calls.get(self._address, headers, node)
        except BadRequest:
            if whole:
                raise
        # The store cannot begin in the middle: read from the start, past what is there.
        return self._calls.get(self._address, {}, node)

    def _trusted(self, node: str) -> bool:
        """Whether the token may go there: not in the clear, where the service is not asked so."""
        scheme = urlsplit(node).scheme
        if scheme == "https" or (scheme == "http" and self._calls.endpoint.startswith("http:")):
            return True
        LOG.warning("%s is not asked: it is not as safe as %s", node, self._calls.endpoint)
        return False


class Segment:
    """The bytes of an image from `begin` to `end`; `put` is given them in order."""

    def __init__(self, mirrors: Mirrors, number: int, begin: int, end: int, put: Put) -> None:
        self._mirrors = mirrors
        self._number = number
        self._at, self._end = begin, end
        self._put = put
        #: Who was asked last, and the connection while there is one.
        self._node: str | None = None
        self._opened: Opened | None = None
        self._cuts = 0
        self._stopped = threading.Event()

    def begin(self) -> bool:
        """Try to open a connection; whether only what was asked for comes on it."""
        try:
            self._step()
        except (NotConnected, Refused, NoData, WrongData) as error:
            LOG.info("%s", error)  # `read` tries again, and says it
        return self._opened is not None and self._opened[1].status == 206

    def end_at(self, end: int) -> None:
        """Read up to another end."""
        self._end = end

    def close(self) -> None:
        """Give up the connection, if there is one."""
        opened, self._opened = self._opened, None
        if opened is not None:
            connection, answer = opened
            answer.close()
            connection.close()

    def read(self) -> None:
        """Read to the end. Raises Refused, NotConnected, NoData, WrongData."""
        try:
            while self._at < self._end:
                self._try()
        finally:
            self.close()

    def stop(self) -> None:
        """Read no more than what is on its way; `read` raises then."""
        self._stopped.set()

    def _try(self) -> None:
        """Go one step on; after a cut, make another step possible."""
        before = self._at
        try:
            self._step()
        except (NotConnected, Refused, NoData, WrongData) as error:
            if self._stopped.is_set():
                raise
            if self._node is None:
                self._pause(error, self._at > before)
            elif self._at == before:
                self._mirrors.drop(self._node, error)
        if self._stopped.is_set():
            raise NotConnected("The download was stopped")

    def _step(self) -> None:
        """Open a connection or, when there is one, read what it gives."""
        if self._opened is None:
            self._node = self._mirrors.pick(self._number)
            self._opened = self._mirrors.open(self._node, self._at, self._end)
            return
        (connection, answer), self._opened = self._opened, None
        with closing(connection), answer:
            skip = self._skip(answer)
            self._copy(answer, skip)
        if self._at < self._end:
            raise NotConnected(f"The connection ended at byte {self._at}")

    def _skip(self, answer: HTTPResponse) -> int:
        """How many bytes come before those that are wanted. Raises NoData, WrongData."""
        image = self._mirrors.image
        if answer.status == 204:
            raise NoData(f"Image {image.id} has no data")
        if answer.status == 206:
            said = answer.headers.get("Content-Range", "")
            if not said.startswith(f"bytes {self._at}-") or not said.endswith(f"/{image.size}"):
                raise WrongData(f"Not the part that was asked for, of {image.id}: {said!r}")
            return 0
        if answer.length not in (None, image.size):
            raise WrongData(f"{answer.length} bytes come, image {image.id} has {image.size}")
        return self._at

    def _copy(self, answer: HTTPResponse, skip: int) -> None:
        room = memoryview(bytearray(BLOCK))
        while self._at < self._end and not self._stopped.is_set():
            block = room[: _read(answer, room)]
            if not block:
                break
            fresh, skip = block[skip:], max(0, skip - len(block))
            fresh = fresh[: self._end - self._at]
            if fresh:
                self._put(self._at, fresh)
                self._at += len(fresh)

    def _pause(self, error: Error, came_further: bool) -> None:
        """Wait before the next attempt; raise the error when there is none."""
        passing = isinstance(error, NotConnected) or getattr(error, "status", 0) in PASSING
        self._cuts = 0 if came_further else self._cuts + 1
        if not passing or self._cuts >= CUTS:
            raise error
        LOG.info("%s; going on at byte %d", error, self._at)
        if self._cuts:
            self._stopped.wait(PAUSE * 2 ** (self._cuts - 1))


def _read(answer: HTTPResponse, room: memoryview) -> int:
    """Read what comes, and how much it is; nothing at the end. Raises NotConnected."""
    try:
        return answer.readinto(room)
    except (OSError, HTTPException) as error:
        raise NotConnected(f"The connection broke: {error}") from error
