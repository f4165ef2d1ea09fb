"""A shell at a terminal, whose `calotype` is the prepared client, for lines as pages show them."""

import json
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from prepared import LONGEST, Prepared

from tools.terminal import PATIENCE, Terminal

#: `calotype`: hands its words and its stdin, stdout and stderr to the one who has it loaded.
PROGRAM = """\
#!{python} -SE
import json, os, socket, sys
there = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
there.connect({address!r})
told = dict(words=sys.argv[1:], environment=dict(os.environ), folder=os.getcwd())
socket.send_fds(there, [json.dumps(told).encode()], [0, 1, 2])
sys.exit(int(there.recv(16)))
"""


class Shell:
    """A shell in a folder, with more in its environment; `type` runs a line."""

    def __init__(self, folder: Path, environment: Mapping[str, str], prepared: Prepared) -> None:
        self.folder = folder
        self._prepared = prepared
        programs = folder / ".programs"
        programs.mkdir()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(programs / "socket"))
        self._listener.listen()
        program = programs / "calotype"
        program.write_text(PROGRAM.format(python=sys.executable, address=str(programs / "socket")))
        program.chmod(0o755)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        path = f"{programs}:{os.environ['PATH']}"
        self._terminal = Terminal(folder, {**environment, "PATH": path})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._terminal.__exit__(kind, error, trace)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def type(self, line: str) -> str:
        """Run a line of a page; what the screen shows of it. Fails unless it ends well."""
        status, shown = self._terminal.type(line)
        assert status == 0, f"{line} ended with {status}:\n{shown}"
        return shown

    def _serve(self) -> None:
        while True:
            try:
                there, _ = self._listener.accept()
            except OSError:  # shut down
                return
            with there:
                told, files, _, _ = socket.recv_fds(there, LONGEST, 3)
                try:
                    it = json.loads(told)
                    status = self._prepared.run(
                        it["words"], it["environment"], Path(it["folder"]), files, PATIENCE
                    )
                finally:
                    for file in files:
                        os.close(file)
                there.send(str(status).encode())
