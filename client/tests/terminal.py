"""People at a terminal with the client installed, and what it shows them."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

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

    def having(self, **more: str) -> Self:
        """The same with more in its environment."""
        return replace(self, identity={**self.identity, **more})

    def type(self, *words: str | Path, status: int = 0, stdin: bytes | None = None) -> Shown:
        """Run the client's `calotype`; fail unless it exits with `status`."""
        done = subprocess.run(
            self.command(words),
            env=self.environment(),
            cwd=self.folder,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            input=stdin or b"",
        )
        shown = Shown(_line(words), done.returncode, done.stdout, done.stderr.decode())
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

    def watched(self, *words: str | Path) -> str:
        """What a command draws on a screen; fail unless it exits with 0."""
        ours, theirs = os.openpty()
        with subprocess.Popen(
            self.command(words),
            env=self.environment() | {"TERM": "xterm"},
            cwd=self.folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        ) as process:
            os.close(theirs)
            drawn = _all_of(ours)
            assert process.wait(PATIENCE) == 0, drawn
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)

    def command(self, words: Sequence[str | Path]) -> list[str]:
        return [sys.executable, "-m", "calotype_client", *map(str, words)]

    def environment(self) -> dict[str, str]:
        """Only this person's cloud, and nothing remembered from elsewhere."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        place = {"HOME": str(self.folder), "PYTHONPATH": str(SOURCE), "COLUMNS": "200"}
        return {**clean, **place, **self.identity}


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
