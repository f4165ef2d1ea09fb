"""gunicorn as this service needs it: no client may hold up others, however slow or silent it is."""

import logging
import os
import select
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.http.body import Body, LengthReader
from gunicorn.util import close_graceful
from gunicorn.workers.gthread import ThreadWorker

from calotype.admin.forking import signals_come, signals_wait

#: Milliseconds that a thread stays with a connection whose request it has answered.
SOON = 20

#: The two options of a socket that say how long a call may wait, and the form of their values.
_SILENCE = (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO)
_LIMIT = struct.Struct("ll")


class PatientSocket(socket.socket):
    """A connection on which the kernel itself gives up on a silent client.

    With a timeout of Python's own each call is two (wait, then do), and moves no more than fits
    into the buffers of the kernel: a file leaves here in as few calls as it has GiB.
    """

    def __init__(self, *args: Any, **more: Any) -> None:
        """As any socket; the limits it has, or has inherited, are those of `settimeout(None)`."""
        super().__init__(*args, **more)
        self._limits = [
            self.getsockopt(socket.SOL_SOCKET, option, _LIMIT.size) for option in _SILENCE
        ]

    def settimeout(self, value: float | None) -> None:
        """Let reads and writes fail that wait for so many seconds."""
        limits = self._limits if value is None else [_limit(value)] * len(_SILENCE)
        for option, limit in zip(_SILENCE, limits, strict=True):
            self.setsockopt(socket.SOL_SOCKET, option, limit)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Up to `size` bytes. Raises TimeoutError."""
        try:
            return super().recv(size, flags)
        except BlockingIOError as error:
            raise TimeoutError("The client is silent") from error

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send so many bytes of a file. Raises TimeoutError, ConnectionError."""
        sent, wanted = 0, sys.maxsize if count is None else count
        while sent < wanted:
            try:
                done = os.sendfile(self.fileno(), file.fileno(), offset + sent, wanted - sent)
            except BlockingIOError as error:
                raise TimeoutError("The client takes nothing") from error
            if done == 0:
                break
            sent += done
        return sent


class DirectReader(LengthReader):
    """What is left of a body of known length, from the kernel in one copy."""

    def read(self, size: int) -> bytes:
        """`size` bytes, fewer only at the end of the body or when the client has gone."""
        size = min(self.length, size)
        block = self._buffered(size) if self.length else b""
        self.length -= len(block)
        while len(block) < size and (more := self._receive(size - len(block))):
            block = block + more if block else more
            self.length -= len(more)
        return block

    def _buffered(self, size: int) -> bytes:
        block: bytes = self.unreader.take_buffered()
        if len(block) > size:
            self.unreader.unread(block[size:])
        return block[:size]

    def _receive(self, size: int) -> bytes:
        more: bytes = self.unreader.sock.recv(size, socket.MSG_WAITALL)
        return more


class DirectBody(Body):
    """The body of a request whose blocks come as its reader gives them, not collected anew."""

    def read(self, size: int | None = None) -> bytes:
        """`size` bytes, fewer only at the end of the body or when the client has gone."""
        if size is None or size < 0 or self.buf.tell():
            return bytes(super().read(size))
        return bytes(self._read_reader(size))


class Processes(Arbiter):
    """gunicorn's master of its processes."""

    def spawn_worker(self) -> Any:
        """Start a process, which hears of a SIGTERM however early that comes."""
        with signals_wait():
            return super().spawn_worker()


class Worker(ThreadWorker):
    """gunicorn's process of threads, which do all the waiting for clients."""

    def init_signals(self) -> None:
        """Handle signals in the way of this process from now on."""
        super().init_signals()
        signals_come()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Take new connections, or no more."""
        super().set_accept_enabled(enabled)
        if not self.alive:
            # While running transfers come to their end, a client that connects would wait for an
            # answer all the time: it had better be refused and go elsewhere.
            for listener in self.sockets:
                listener.close()

    def handle(self, conn: Any) -> Any:
        """Answer requests on a connection; whether to go on with it."""
        if not conn.initialized and not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(fileno=conn.sock.detach())
        goes_on = super().handle(conn)
        while goes_on is True and self._asks_again(conn):
            goes_on = super().handle(conn)
        if not goes_on:
            # A connection is closed in two steps, with a wait for the client in between. The main
            # loop would do the waiting, and nobody else would be served meanwhile.
            with suppress(OSError):
                close_graceful(conn.sock.dup())
                conn.sock.shutdown(socket.SHUT_RD)  # what is waited for from here on has come
        return goes_on

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer one request; whether the connection can be used again."""
        if type(req.body.reader) is LengthReader:
            req.body = DirectBody(DirectReader(req.unreader, req.body.reader.length))
        return super().handle_request(req, conn)

    def _asks_again(self, conn: Any) -> bool:
        """Whether the client's next request comes at once, so that this thread had better stay.

        To go by way of the main loop costs two changes of threads. As long as there are no more
        connections than threads, none of them waits for this one.
        """
        if not self.alive or self.nr_conns > self.cfg.threads:
            return False
        poll = select.poll()
        poll.register(conn.sock, select.POLLIN)
        return bool(poll.poll(SOON))


class ServerLog(Logger):
    """gunicorn's messages through our own logging; only the access log keeps its handler."""

    def setup(self, cfg: Any) -> None:
        """Give each log its handler."""
        self.loglevel = logging.INFO
        self.error_log.handlers = []
        self.error_log.propagate = True
        if cfg.accesslog:
            self._set_handler(self.access_log, cfg.accesslog, fmt=logging.Formatter("%(message)s"))
            self.access_log.setLevel(logging.INFO)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log the error at hand; that a client was silent is none of ours."""
        if isinstance(sys.exc_info()[1], BlockingIOError | TimeoutError):
            self.info("Dropped a client that was silent for too long")
        else:
            super().exception(msg, *args, **kwargs)


def limit_silence(listeners: Iterable[Any], seconds: int) -> None:
    """Let reads and writes on all connections fail that wait for a client longer than that."""
    for listener in listeners:
        # Connections inherit this from the socket that accepts them.
        for option in _SILENCE:
            listener.sock.setsockopt(socket.SOL_SOCKET, option, _limit(seconds))


def _limit(seconds: float) -> bytes:
    whole, part = divmod(max(seconds, 0.000001), 1)  # nothing would mean for ever
    return _LIMIT.pack(int(whole), int(part * 1e6))
