"""SIGTERM while data is on its way: what runs comes to its end, within the time that is given."""

import os
import signal
import time

import pytest

from tests.data.conftest import Start
from tests.data.site import Site, file_of, soon
from tests.data.wire import OCTETS, Wire
from tests.stores.sources import content

MIB = 1 << 20
BIG = 64 * MIB


def terminate(site: Site) -> None:
    """Send SIGTERM, and return when the service takes no new connections."""
    os.kill(site.service.process.pid, signal.SIGTERM)
    assert soon(lambda: not listens(site))


def listens(site: Site) -> bool:
    try:
        site.wire().close()
    except ConnectionRefusedError:
        return False
    return True


def ended(site: Site) -> bool:
    return not site.service.process.running


def begin_upload(site: Site, image_id: str, data: bytes, *, chunked: bool = False) -> Wire:
    """An upload of which half is sent."""
    wire = site.wire()
    if chunked:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Transfer_Encoding="chunked")
        wire.chunk(data[: len(data) // 2])
    else:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(data))
        wire.send(data[: len(data) // 2])
    assert soon(lambda: any(image_id in name for name in site.kept()))
    return wire


@pytest.mark.parametrize("worker", [True, False], ids=["with-worker", "without"])
def test_transfers_come_to_their_end(start: Start, worker: bool) -> None:
    arguments = () if worker else ("--no-worker",)
    site = start("--workers", "2", "--threads", "4", *arguments)
    big, data = site.stored(content(BIG)), content(4 * MIB)
    uploads = {site.new(): chunked for chunked in (False, True, False)}
    wires = {
        image_id: begin_upload(site, image_id, data, chunked=chunked)
        for image_id, chunked in uploads.items()
    }
    download = site.wire()
    download.head("GET", file_of(big))
    first = download.socket.recv(100)
    idle = site.wire()
    assert idle.ask("GET", "/healthcheck").status == 200

    terminate(site)
    time.sleep(1.5)  # longer than the loops of the server turn
    for image_id, wire in wires.items():
        assert site.service.process.running
        if uploads[image_id]:
            wire.chunk(data[len(data) // 2 :])
            wire.chunk(b"")
        else:
            wire.send(data[len(data) // 2 :])
        assert wire.answer().status == 204
    rest = first + b"".join(iter(lambda: download.socket.recv(MIB), b""))
    assert rest.partition(b"\r\n\r\n")[2] == content(BIG)
    download.close()
    assert idle.ended()
    assert soon(lambda: ended(site))
    assert site.service.stop() == 0
    assert not site.unfinished()
    for image_id in uploads:
        assert site.path(image_id).read_bytes() == data

    site.service.start()
    for image_id in uploads:
        assert site.status(image_id) == "active"
        assert site.download(image_id).body == data
    assert site.service.stop() == 0


def test_what_takes_too_long_is_cut_off(start: Start) -> None:
    patience = 2
    site = start(
        *("--workers", "1", "--threads", "4", "--graceful-timeout", str(patience)),
        default="calotype_task_lease = 1",
    )
    service = site.service
    stuck, there = site.new(), site.stored(b"there")
    begin_upload(site, stuck, content(4 * MIB))
    started = time.monotonic()
    terminate(site)
    assert soon(lambda: ended(site))
    assert patience - 0.5 < time.monotonic() - started < patience + 10
    assert service.stop() == 0
    assert any(stuck in name for name in site.kept()), "the test came too late"

    service.start()  # its worker looks for such images
    assert soon(lambda: site.status(stuck) == "queued")
    assert service.run("sweep", "--grace", "0").returncode == 0
    site.untouched(stuck)
    assert site.upload(stuck, b"once more").status == 204
    assert site.download(there).body == b"there"
    assert service.stop() == 0


def test_nothing_to_wait_for(start: Start) -> None:
    site = start("--workers", "2")
    site.stored(b"data")
    started = time.monotonic()
    assert site.service.stop() == 0
    assert time.monotonic() - started < 8
    assert "Traceback" not in site.service.log.read_text()
