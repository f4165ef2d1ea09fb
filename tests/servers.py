"""Private real servers for the tests: each in a folder and on a port of its own, on loopback.

Nothing here touches a server of the system, and only processes started here are ended, by pid.
"""

import itertools
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HOST = "127.0.0.1"

#: Below the ports that the system gives to outgoing connections: none can come in between.
_PORTS = range(10_240, 30_720)
#: Each of the workers that share a run has a part of them to itself.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 8
_OURS = _PORTS[len(_PORTS) // 8 * _WORKER : len(_PORTS) // 8 * (_WORKER + 1)]
#: Not from the first on, as another run may go on beside this one.
_next = itertools.cycle(random.Random(os.getpid()).sample(_OURS, len(_OURS)))


class Missing(Exception):
    """A server is not installed on this machine; the message says what brings it."""


def free_port() -> int:
    """A port on which nothing listens just now; another one each time."""
    return next(port for port in _next if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        try:
            listener.bind((HOST, port))
        except OSError:
            return False
    return True


def fast_folder() -> str | None:
    """Memory, if there is plenty: making tables is five times faster there than on a disk."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return str(memory)
    return None


def program(name: str, *folders: str, brought_by: str) -> str:
    """The path of a program, looked for in PATH and `folders`. Raises Missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *folders])
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install {brought_by}")
    return found


class Process:
    """A server process: started, waited for, and stopped by its pid. Its output goes to `log`.

    As a context manager it is started on entry and stopped on exit. `user`: whom to run as, when
    we are root. `stop_with`: the signal that asks for an orderly end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self._env = env
        self._cwd = cwd
        self._user = user
        self._stop_with = stop_with
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id; only while it is started."""
        assert self._popen is not None, "not started"
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._popen is not None and self._popen.poll() is None

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> Self:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if self._env is None else dict(self._env),
                cwd=self._cwd,
                start_new_session=True,
                **as_user(self._user),
            )
        return self

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60) -> Self:
        """Return when `ready()` is true; fail with the end of the log when it ends or is late."""
        deadline = time.monotonic() + seconds
        while not ready():
            late = time.monotonic() > deadline
            if late or not self.running:
                what = "is not ready" if late else "has ended"
                self.stop()
                raise RuntimeError(f"{self.command[0]} {what}:\n{self.output()[-4000:]}")
            time.sleep(0.02)
        return self

    def wait_port(self, port: int, seconds: float = 60) -> Self:
        """Return when something accepts connections on the port."""
        return self.wait_until(lambda: _accepts(port), seconds)

    def wait_url(self, url: str, seconds: float = 60) -> Self:
        """Return when the URL answers, whatever the status."""
        return self.wait_until(lambda: _answers(url), seconds)

    def stop(self, seconds: float = 20) -> int | None:
        """Ask it to end, then end it, with all that is left of its session; returns its status."""
        if self._popen is None:
            return None
        if self.running:
            self._popen.send_signal(self._stop_with)
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._popen.wait()

    def kill(self) -> None:
        """End it and its children at once, as a power failure would."""
        assert self._popen is not None, "not started"
        # The session is ours and its leader still exists, so the number cannot be another's.
        if self.running:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


def halt(pid: int) -> None:
    """Stop a process in its tracks; SIGCONT lets it go on.

    One thread takes the signal, and only then are the others stopped. Until that one has its turn
    they go on, and could take e.g. a lock on a database into their sleep.
    """
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + 20
    while not _halted(pid):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.001)


def _halted(pid: int) -> bool:
    threads = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(text.rpartition(")")[2].split()[0] == "T" for text in threads)


def as_user(user: str | None) -> dict[str, Any]:
    """The arguments of `subprocess` that run a command as that user, when we are root."""
    if user is None or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True
