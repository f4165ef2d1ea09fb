"""The released clients, loaded once, for they take longer to load than to do what they are told."""

import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO

SERVER = Path(__file__).with_name("warm_server.py")


@cache
def warm(programs: Path) -> "WarmPrograms":
    """The clients in that folder; `cool_down` ends them."""
    _started.append(WarmPrograms(programs))
    return _started[-1]


_started: list["WarmPrograms"] = []


def cool_down() -> None:
    """End all that have clients loaded."""
    while _started:
        _started.pop().stop()
    warm.cache_clear()


class WarmPrograms:
    """`openstack` and `glance` of one environment, each command a process of its own."""

    def __init__(self, programs: Path) -> None:
        self._programs = programs
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._orders: socket.socket | None = None

    def run(
        self,
        program: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        standard_input: int | bytes,
        patience: float,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end; what it reads is a descriptor, or comes out of a pipe."""
        order = {
            "program": program,
            "path": str(self._programs / program),
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(folder),
        }
        with self._lock, ExitStack() as ends:
            output = ends.enter_context(tempfile.TemporaryFile())
            complaint = ends.enter_context(tempfile.TemporaryFile())
            if isinstance(standard_input, bytes):
                standard_input = _piped(standard_input, ends)
            descriptors = [standard_input, output.fileno(), complaint.fileno()]
            status = self._do(order, descriptors, patience)
            return subprocess.CompletedProcess(
                [program, *arguments], status, _content(output), _content(complaint)
            )

    def stop(self) -> None:
        """End what has the clients loaded."""
        if self._orders is not None and self._process is not None:
            self._orders.close()
            self._process.wait(30)
        self._orders = self._process = None

    def _do(self, order: object, descriptors: list[int], patience: float) -> int:
        orders = self._orders or self._start()
        orders.settimeout(patience)
        socket.send_fds(orders, [json.dumps(order).encode()], descriptors)
        answer = orders.recv(64)
        assert answer, "what has the clients loaded has died"
        return int(answer)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [self._programs / "python", "-P", SERVER, str(theirs.fileno())],
                env={**os.environ, "PYTHONWARNINGS": "ignore"},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._orders = ours
        return ours


def _piped(data: bytes, ends: ExitStack) -> int:
    reading, writing = os.pipe()

    def write() -> None:
        with suppress(BrokenPipeError), open(writing, "wb") as pipe:
            pipe.write(data)

    thread = threading.Thread(target=write)
    thread.start()
    ends.callback(thread.join)
    ends.callback(os.close, reading)
    return reading


def _content(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()
