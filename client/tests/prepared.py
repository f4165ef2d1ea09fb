"""A process with the client loaded, which forks for each command that it is told.

A command is a process of its own, as at a shell, without the second that Python needs to load it.
`python prepared.py FD` serves on a socket; `Prepared` is the other end.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LONGEST = 1 << 16


class Prepared:
    """Starts commands. One at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env=dict(environment),
                pass_fds=[theirs.fileno()],
            )

    def run(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        files: Sequence[int],
        patience: float,
    ) -> int:
        """Run `calotype` with these words on stdin, stdout and stderr; its exit status."""
        self.begin(words, environment, folder, files)
        return self.end(patience)

    def begin(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        files: Sequence[int],
    ) -> int:
        """Begin to run it; the id of its process."""
        told = {"words": list(words), "environment": dict(environment), "folder": str(folder)}
        self._socket.settimeout(20)
        socket.send_fds(self._socket, [json.dumps(told).encode()], files)
        return int(self._socket.recv(LONGEST))

    def end(self, patience: float) -> int:
        """Wait for the end of what has begun; its exit status, negative for a signal."""
        self._socket.settimeout(patience)
        return int(self._socket.recv(LONGEST))

    def stop(self) -> None:
        """End it; it ends by itself when nobody can tell it anything."""
        self._socket.close()
        self._process.wait(20)


def serve(ours: socket.socket) -> None:
    """Run what is told, one after the other."""
    while True:
        told, files, _, _ = socket.recv_fds(ours, LONGEST, 3)
        if not told:
            return
        child = os.fork()
        if child == 0:
            ours.close()
            become(files=files, **json.loads(told))
        ours.send(str(child).encode())
        for file in files:
            os.close(file)
        _, status = os.waitpid(child, 0)
        ours.send(str(os.waitstatus_to_exitcode(status)).encode())


def become(words: list[str], environment: dict[str, str], folder: str, files: list[int]) -> None:
    """Be the command, and end."""
    from calotype_client.cli import dispatch

    code: Any = 70
    try:
        for number, file in enumerate(files):
            os.dup2(file, number)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        code = dispatch.run(words)
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def load() -> None:
    """Load what commands need."""
    import rich.progress  # noqa: F401
    from stevedore import ExtensionManager

    import calotype_client.cli.app  # noqa: F401

    for kind in ("list", "show"):
        ExtensionManager(f"cliff.formatter.{kind}")


def obey() -> None:
    """Take signals as at a shell, whoever has had us ignore them, as `nohup` or `&` do."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    load()
    obey()
    serve(socket.socket(fileno=int(sys.argv[1])))
