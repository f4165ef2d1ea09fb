"""A shell at a real terminal, for pages that show what commands show: `Terminal.type`."""

import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

#: Seconds that a command may take.
PATIENCE = 120
#: Rows and columns; a digest of 128 letters fits into a table.
SIZE = (50, 180)
#: What the shell prompts with, so that the end of a command, and how it ended, is seen.
PROMPT = "\x1e$?\x1e"
PROMPTED = re.compile("\x1e([0-9]+)\x1e$")

_SHELL = ("setsid", "--ctty", "bash", "--norc", "--noprofile", "--noediting", "+H")
_PIECES = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Terminal:
    """One shell: what is typed finds what was typed before, e.g. variables."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._ours, theirs = os.openpty()
        _prepare(theirs)
        self._shell = subprocess.Popen(
            _SHELL, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs,
            env={
                **environment, "HOME": str(folder), "TERM": "xterm-256color",
                "LC_ALL": "C.UTF-8", "PS1": PROMPT, "PS2": "",
            },
        )  # fmt: skip
        os.close(theirs)
        self._until_prompted("the shell")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._ours)  # hangs up
        self._shell.send_signal(signal.SIGHUP)
        self._shell.wait(20)

    def type(self, command: str) -> tuple[int, str]:
        """Run a command to its end: the exit status, and what the screen shows of it then."""
        os.write(self._ours, f"{command}\n".encode())
        return self._until_prompted(command)

    def _until_prompted(self, command: str) -> tuple[int, str]:
        deadline, written = time.monotonic() + PATIENCE, b""
        while True:
            text = written.decode(errors="replace")
            if ended := PROMPTED.search(text):
                return int(ended[1]), seen(text[: ended.start()])
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._ours], [], [], left)[0]:
                raise TimeoutError(f"{command} goes on after {PATIENCE} seconds:\n{seen(text)}")
            written += os.read(self._ours, 65536)


def _prepare(terminal: int) -> None:
    """Give it its size, and let it not repeat what is typed."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    settings = termios.tcgetattr(terminal)
    settings[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, settings)


def seen(written: str) -> str:
    """What a screen shows when all of this has been written on it; without colours."""
    lines, row, column = [""], 0, 0
    for numbers, action, move, text in _PIECES.findall(written):
        if text:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + text + line[column + len(text) :]
            column += len(text)
        elif move == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif move == "\r":
            column = 0
        elif action == "A":
            row = max(0, row - int(numbers or 1))
        elif action == "K":
            lines[row] = "" if numbers == "2" else lines[row][:column]
    return "\n".join(line.rstrip() for line in lines).strip("\n")
