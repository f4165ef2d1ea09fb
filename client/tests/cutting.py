"""A proxy on loopback that cuts connections."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Pace = Callable[[int, int], None]


class Cutting:
    """Hands everything on to a port; of each answer only as much as `allow` says for now.

    `allow(number)`: how many bytes the answer of this connection may have, None: all. With `hold`
    the connection is not cut after that; both it and a request of more than `take` bytes go no
    further until the end. `pace(number, count)`: called before more of an answer is handed on than
    these bytes of it.
    """

    def __init__(
        self,
        port: int,
        allow: Callable[[int], int | None] = lambda number: None,
        pace: Pace = lambda number, count: None,
        *,
        reset: bool = False,
        hold: bool = False,
        take: int | None = None,
    ) -> None:
        self._port = port
        self._allow = allow
        self._pace = pace
        self._reset = reset
        self._hold = hold
        self._take = take
        self._end = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: The bytes of answers that were handed on, and of requests.
        self.answered = 0
        self.sent = 0
        self._callers: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """How many there were."""
        return len(self._callers)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        # `close` alone would not wake the one who waits.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for near in self._callers:  # those that keep a connection for later
            with suppress(OSError):
                near.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _serve(self) -> None:
        threads: list[threading.Thread] = []
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                break
            self._callers.append(near)
            far = socket.create_connection(("127.0.0.1", self._port))
            threads.append(threading.Thread(target=self._up, args=(near, far)))
            threads.append(threading.Thread(target=self._down, args=(far, near, self.connections)))
            for thread in threads[-2:]:
                thread.start()
        for thread in threads:
            thread.join()

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        taken = 0
        try:
            while block := near.recv(65536):
                self.sent += len(block)
                taken += len(block)
                far.sendall(block)
                if self._take is not None and taken > self._take:
                    self._end.wait()
        except OSError:
            pass  # a caller that is ended with something unread resets the connection
        finally:
            # However it ended, the service must see that nothing more comes.
            with suppress(OSError):
                far.shutdown(socket.SHUT_WR)

    def _down(self, far: socket.socket, near: socket.socket, number: int) -> None:
        left, count = self._allow(number), 0
        try:
            while left != 0 and (block := far.recv(65536 if left is None else min(65536, left))):
                self._pace(number, count)
                near.sendall(block)
                count += len(block)
                self.answered += len(block)
                left = None if left is None else left - len(block)
            if left == 0 and self._hold:
                self._end.wait()
            if self._reset:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # Wakes the one who reads the request; only then `close` has an effect.
            near.shutdown(socket.SHUT_RD if self._reset else socket.SHUT_RDWR)
        except OSError:
            pass
        finally:
            near.close()
            far.close()


@contextmanager
def cutting(port: int, *manners: Any, **more: Any) -> Iterator[Cutting]:
    """The proxy while the block runs; its manners are those of `Cutting`."""
    proxy = Cutting(port, *manners, **more)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
