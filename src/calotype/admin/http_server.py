"""gunicorn as this service needs it: no client may hold up others, however slow or silent it is."""

import logging
import select
import socket
import struct
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from gunicorn.glogging import Logger
from gunicorn.util import close_graceful
from gunicorn.workers.gthread import ThreadWorker

#: Milliseconds that a thread stays with a connection whose request it has answered.
SOON = 20


class Worker(ThreadWorker):
    """gunicorn's process of threads, which do all the waiting for clients."""

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
    limit = struct.pack("ll", seconds, 0)
    for listener in listeners:
        # Connections inherit this from the socket that accepts them.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, option, limit)
