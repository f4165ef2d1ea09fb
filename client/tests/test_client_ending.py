"""How commands end. Of those that are cut short nothing is left over, and nobody reads a traceback.

The table in the manual says what the exit codes mean; each of its rows is tried.
"""

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGTERM, Signals
from typing import IO

import pytest
from cutting import Cutting, cutting
from terminal import Shown, Terminal

from calotype_client import Client
from tests.service import Service

MIB = 1 << 20
MANUAL = Path(__file__).parents[2] / "docs" / "client" / "README.md"


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def saving(client: Client, name: str) -> bool:
    """Whether the data of an image is on its way."""
    return [it.status for it in client.images.list(name=name)] == ["saving"]


@contextmanager
def dripping() -> Iterator[tuple[int, IO[bytes]]]:
    """A pipe that more may come out of: the end to read, and the one to write to."""
    out, into = os.pipe()
    with open(into, "wb", buffering=0) as writer:
        try:
            yield out, writer
        finally:
            os.close(out)


def assert_quiet(shown: Shown, number: Signals) -> None:
    assert (shown.status, shown.text, shown.complaint) == (128 + number, "", "")


def cut_short(anybody: Terminal, client: Client, number: Signals) -> Shown:
    """What an upload says of a signal that comes while it waits for more to send."""
    name = f"cut-{number.name}"
    with (
        dripping() as (out, writer),
        anybody.begun("image", "create", name, "--file", "-", stdin=out) as running,
    ):
        writer.write(bytes(64 << 10))  # only what a pipe holds at once
        until(lambda: saving(client, name))
        shown = running.stop(number)
    assert list(client.images.list(name=name)) == []
    return shown


def documented() -> set[int]:
    """The exit codes of the manual."""
    table = (
        MANUAL.read_text().partition("| exit code | meaning |\n|---|---|\n")[2].partition("\n\n")[0]
    )
    return {
        int(code) for row in table.splitlines() for code in re.findall(r"\d+", row.split("|")[1])
    }


def test_exit_codes(anybody: Terminal, client: Client) -> None:
    client.images.create(name="kept-by-protection", protected=True)
    found = {
        0: anybody.type("image", "list", status=0),
        1: anybody.type("image", "create", "x", "--file", "missing", status=1),
        2: anybody.type("image", "list", "--limit", "none", status=2),
        3: anybody.type("image", "show", "nobody", status=3),
        4: anybody.type("image", "delete", "kept-by-protection", status=4),
        141: unread(anybody, "image", "list"),
    }
    found |= {128 + it: cut_short(anybody, client, it) for it in (SIGINT, SIGTERM, SIGHUP)}
    assert {code: shown.status for code, shown in found.items()} == {it: it for it in documented()}
    said = {code for code, shown in found.items() if shown.complaint}
    assert said == {1, 2, 3, 4}
    for code in said:
        [*_, last] = found[code].complaint.splitlines()
        assert ("error: " if code == 2 else "ERROR: ") in last
    no_cloud = anybody.having(OS_CLOUD="unknown").complaint("image", "list", status=2)
    assert "unknown" in no_cloud


@pytest.fixture
def stalling(open_service: Service) -> Iterator[Cutting]:
    """A way to the service on which large bodies get stuck, there and back."""
    with cutting(open_service.port, lambda _: MIB, hold=True, take=MIB) as proxy:
        yield proxy


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
def test_a_file_is_uploaded(
    anybody: Terminal, client: Client, stalling: Cutting, number: Signals
) -> None:
    name = f"file-{number.name}"
    with (anybody.folder / "big").open("wb") as big:
        big.truncate(256 * MIB)
    there = anybody.having(OS_ENDPOINT=stalling.url)
    with there.begun("image", "create", name, "--file", "big") as running:
        until(lambda: saving(client, name))
        shown = running.stop(number)
    assert_quiet(shown, number)
    assert list(client.images.list(name=name)) == []


@pytest.mark.parametrize("number", [SIGINT, SIGTERM])
@pytest.mark.parametrize("connections", ["1", "3"])
def test_a_download(
    anybody: Terminal, client: Client, stalling: Cutting, connections: str, number: Signals
) -> None:
    image = client.images.create(name="kept", disk_format="raw", container_format="bare")
    client.data.upload(image, io.BytesIO(bytes(48 * MIB)))
    there = anybody.having(OS_ENDPOINT=stalling.url)
    wanted = ("image", "save", image.id, "--connections", connections, "--file", "half")
    with there.begun(*wanted) as running:
        until(lambda: stalling.answered > int(connections) * MIB and any(anybody.folder.iterdir()))
        shown = running.stop(number)
    assert_quiet(shown, number)
    assert list(anybody.folder.iterdir()) == []
    assert client.images.get(image.id).status == "active"


def unread(anybody: Terminal, *words: str) -> Shown:
    """As in `calotype image save x | head -c 1`, where Python ends as it does at a shell."""
    out, into = os.pipe()
    os.close(out)
    with open(into, "wb") as closed:
        return into_file(anybody, closed, *words)


def into_file(anybody: Terminal, file: IO[bytes], *words: str) -> Shown:
    done = subprocess.run(
        [sys.executable, "-m", "calotype_client", *words],
        env=anybody.environment(), stdout=file, stderr=subprocess.PIPE, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    return Shown(" ".join(words), done.returncode, b"", done.stderr)


def test_nobody_reads_the_data(anybody: Terminal, disk: Path) -> None:
    anybody.type("image", "create", "unread", "--file", disk)
    shown = unread(anybody, "image", "save", "unread")
    assert (shown.status, shown.complaint) == (141, "")


@pytest.mark.parametrize("line", ["image list", "image save full"])
def test_the_disk_is_full(anybody: Terminal, disk: Path, line: str) -> None:
    if line.startswith("image save"):
        anybody.type("image", "create", "full", "--file", disk)
    with open("/dev/full", "wb") as full:
        shown = into_file(anybody, full, *line.split())
    assert (shown.status, shown.complaint.count("\n")) == (1, 1)
    assert "No space left on device" in shown.complaint
