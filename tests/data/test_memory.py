"""The memory of a process that serves does not grow with the size of an image.

Measured as the highest use ever (VmHWM), so nothing depends on when one looks.
"""

import re
import sqlite3
from pathlib import Path

import pytest

from tests.data.conftest import THREADS, Start
from tests.data.site import Site, file_of
from tests.data.wire import OCTETS
from tests.stores.sources import content

MIB = 1 << 20
#: What one transfer may take at most, whatever its size.
GROWTH = 16 * MIB
HUGE = 2 << 30
LARGE = 512 * MIB
#: Zeros are kept as holes, so that the image takes no room here.
HOLES = "filesystem_thin_provisioning = true"


@pytest.fixture
def fresh(start: Start) -> Site:
    """A service that has done nothing yet but some small uploads and downloads."""
    site = start(
        *("--workers", "1", "--threads", str(THREADS), "--no-worker"),
        extra=HOLES,
        default="hashing_algorithm = sha256",
    )
    for _ in range(2 * THREADS):  # each thread has its stack and its connection then
        assert site.download(site.stored(content(3 * MIB))).status == 200
    return site


def most_used(site: Site) -> int:
    """The highest use of memory by the process that serves, in bytes."""
    (child,) = children(site.service.process.pid)
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{child}/status").read_text())
    assert found
    return int(found[1]) * 1024


def children(pid: int) -> list[int]:
    """The processes that another started."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize(
    ("way", "size"), [("chunked", HUGE), ("one chunk", LARGE), ("length", LARGE)]
)
def test_an_upload(fresh: Site, way: str, size: int) -> None:
    before, image_id, block = most_used(fresh), fresh.new(), bytes(MIB)
    with fresh.wire(timeout=120) as wire:
        if way == "length":
            wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=size)
        else:
            wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
        if way == "one chunk":
            wire.send(b"%x\r\n" % size)
        for _ in range(size // MIB):
            if way == "chunked":
                wire.chunk(block)
            else:
                wire.send(block)
        if way == "one chunk":
            wire.send(b"\r\n")
        if way != "length":
            wire.chunk(b"")
        assert wire.answer().status == 204
    assert fresh.show(image_id)["size"] == size
    assert most_used(fresh) - before <= GROWTH


@pytest.mark.parametrize(
    ("size", "part"), [(HUGE, None), (LARGE, f"bytes=1-{LARGE - 2}")], ids=["whole", "part"]
)
def test_a_download(fresh: Site, size: int, part: str | None) -> None:
    image_id = fresh.stored(b"")
    # As large as one likes, without an upload of it: the row and the file are made to say so.
    with fresh.path(image_id).open("r+b") as file:
        file.truncate(size)
    resize(fresh, image_id, size)
    before, received = most_used(fresh), 0
    with fresh.wire() as wire:
        wire.head("GET", file_of(image_id), **({"Range": part} if part else {}))
        buffer = bytearray(MIB)
        while received < size - 2:
            received += wire.socket.recv_into(buffer)
    assert most_used(fresh) - before <= GROWTH


def resize(site: Site, image_id: str, size: int) -> None:
    """Have the row of an image say another size."""
    with sqlite3.connect(site.service.folder / "calotype.db", timeout=20) as connection:
        connection.execute("UPDATE images SET size = ? WHERE id = ?", (size, image_id))
    connection.close()
