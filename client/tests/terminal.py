"""People at a terminal with the client installed, and what it shows them."""

import contextlib
import json
import os
import re
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Self

from prepared import Prepared

SOURCE = Path(__file__).parents[1] / "src"

#: Seconds that a command may take; each takes about one.
PATIENCE = 120


@dataclass(frozen=True)
class Shown:
    """What a command showed, and its exit status."""

    command: str
    status: int
    raw: bytes
    complaint: str

    @property
    def text(self) -> str:
        return self.raw.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True)
class Terminal:
    """A place to type in: a folder, and who one is there."""

    folder: Path
    identity: Mapping[str, str]
    prepared: Prepared

    def having(self, **more: str) -> Self:
        """The same with more in its environment."""
        return replace(self, identity={**self.identity, **more})

    def type(self, *words: str | Path, status: int = 0, stdin: bytes | None = None) -> Shown:
        """Run the client's `calotype`; fail unless it exits with `status`."""
        with TemporaryFile() as out, TemporaryFile() as err, _piped(stdin or b"") as data:
            ended = self._run(words, [data, out.fileno(), err.fileno()])
            shown = Shown(_line(words), ended, _all(out), _all(err).decode())
        assert shown.status == status, shown
        return shown

    def json(self, *words: str | Path, stdin: bytes | None = None) -> Any:
        """What a command shows with `-f json`."""
        return self.type(*words, "-f", "json", stdin=stdin).json

    def complaint(self, *words: str | Path, status: int = 1, stdin: bytes | None = None) -> str:
        """The one line that a command fails with."""
        said = self.type(*words, status=status, stdin=stdin).complaint
        assert said.startswith("ERROR: ") and said.count("\n") == 1, said
        return said.removeprefix("ERROR: ").strip()

    @contextmanager
    def begun(self, *words: str | Path, stdin: int | None = None) -> Iterator["Running"]:
        """A command that runs while the block does; at its end the command must have ended."""
        with TemporaryFile() as out, TemporaryFile() as err, open(os.devnull) as nothing:
            files = [nothing.fileno() if stdin is None else stdin, out.fileno(), err.fileno()]
            typed = [str(word) for word in words]
            pid = self.prepared.begin(typed, self.environment(), self.folder, files)
            running = Running(_line(words), pid, self.prepared, out, err)
            try:
                yield running
            finally:
                if running.shown is None:
                    running.stop(signal.SIGKILL)

    def watched(self, *words: str | Path) -> str:
        """What a command draws on a screen; fail unless it exits with 0."""
        ours, theirs = os.openpty()
        found: list[str] = []
        reader = threading.Thread(target=lambda: found.append(_all_of(ours)))
        reader.start()
        status = self.having(TERM="xterm")._run(words, [theirs] * 3)
        os.close(theirs)
        reader.join()
        drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found[0])
        assert status == 0, drawn
        return drawn

    def _run(self, words: Sequence[str | Path], files: Sequence[int]) -> int:
        typed = [str(word) for word in words]
        return self.prepared.run(typed, self.environment(), self.folder, files, PATIENCE)

    def environment(self) -> dict[str, str]:
        """Only this person's cloud."""
        return {**clean(), "HOME": str(self.folder), **self.identity}


@dataclass
class Running:
    """A command that has begun. `shown`: what it has shown, once it has ended."""

    command: str
    pid: int
    prepared: Prepared
    out: IO[bytes]
    err: IO[bytes]
    shown: Shown | None = None

    def stop(self, number: signal.Signals) -> Shown:
        """Send it a signal, and wait for its end."""
        os.kill(self.pid, number)
        status = self.prepared.end(PATIENCE)
        self.shown = Shown(self.command, status, _all(self.out), _all(self.err).decode())
        return self.shown


def clean() -> dict[str, str]:
    """Our environment without any cloud in it, finding the package in src."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**found, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"}


@contextmanager
def _piped(data: bytes) -> Iterator[int]:
    """A pipe that data comes out of, as long as somebody wants it."""
    out, into = os.pipe()

    def fill() -> None:
        with contextlib.suppress(BrokenPipeError), open(into, "wb", buffering=0) as pipe:
            rest = memoryview(data)
            while rest:
                rest = rest[pipe.write(rest) :]

    writer = threading.Thread(target=fill)
    writer.start()
    try:
        yield out
    finally:
        os.close(out)
        writer.join()


def _all(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _line(words: Sequence[str | Path]) -> str:
    return " ".join(["calotype", *map(str, words)])


def _all_of(terminal: int) -> str:
    """All that is written to a terminal, until nobody writes any more."""
    found = b""
    while True:
        try:
            some = os.read(terminal, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not some:
            break
        found += some
    os.close(terminal)
    return found.decode(errors="replace")
