"""Deletes: the bytes go too, also when the service dies in the middle of a delete."""

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from tests.data.conftest import Start
from tests.data.site import Site, kill, soon
from tests.stores.sources import content

MIB = 1 << 20
#: Images that are deleted together, so that some are half-way at any moment.
TOGETHER = 12
SETTINGS = "calotype_task_lease = 1"


def test_the_bytes_of_a_deleted_image_go(site: Site) -> None:
    image_id, kept = site.stored(content(MIB)), site.kept()
    assert site.ask("DELETE", f"/v2/images/{image_id}").status == 204
    assert site.kept() == kept - {image_id}
    assert site.download(image_id).status == 404
    assert site.upload(image_id, b"again").status == 404


def test_a_download_that_runs_is_not_cut_off(site: Site) -> None:
    data = content(32 * MIB)
    image_id = site.stored(data)
    with site.wire() as wire:
        wire.head("GET", f"/v2/images/{image_id}/file")
        first = wire.socket.recv(1000)
        assert site.ask("DELETE", f"/v2/images/{image_id}").status == 204
        assert image_id not in site.kept()
        rest = bytearray(first)
        while len(rest) < len(data) + first.index(b"\r\n\r\n") + 4:
            rest += wire.socket.recv(MIB)
    assert rest.partition(b"\r\n\r\n")[2] == data


@pytest.mark.parametrize("way", ["worker", "sweep"])
def test_a_crash_in_the_middle_of_deletes(start: Start, way: str) -> None:
    alone = ("--no-worker",) if way == "sweep" else ()
    site = start("--workers", "2", "--threads", "8", *alone, default=SETTINGS)
    kept = site.stored(b"kept")
    assert soon(lambda: dies_deleting(site, [site.stored(b"data") for _ in range(TOGETHER)]))
    half_way, left = statuses(site, "pending_delete"), site.kept()
    site.service.start()
    for image_id in half_way:
        assert site.ask("GET", f"/v2/images/{image_id}").status == 404, "it does not come back"
    if way == "worker":
        assert soon(lambda: not statuses(site, "pending_delete"))
    else:
        time.sleep(2.1)  # so long that a living process would have renewed its lease
        done = site.service.run("sweep")
        assert done.returncode == 0, done.stderr
        assert f"{len(half_way)} deletes finished" in done.stdout
    assert statuses(site, "pending_delete") == set()
    assert half_way <= statuses(site, "deleted")
    active = statuses(site, "active")
    assert kept in active
    assert site.kept() == active
    assert not half_way & active
    assert site.download(kept).body == b"kept"
    assert left - site.kept() <= half_way
    assert site.service.stop() == 0


def dies_deleting(site: Site, images: list[str]) -> bool:
    """Delete all of these, and kill the service when some are half-way; whether that was seen."""
    path = site.service.folder / "calotype.db"

    def delete(image_id: str) -> None:
        with suppress(OSError, AssertionError):
            site.ask("DELETE", f"/v2/images/{image_id}")

    with ThreadPoolExecutor(TOGETHER) as clients:
        deletes = [clients.submit(delete, image_id) for image_id in images]
        with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
            while not all(done.done() for done in deletes):
                # While we hold this nobody can go on.
                connection.execute("BEGIN IMMEDIATE")
                found = "SELECT count(*) FROM images WHERE status = 'pending_delete'"
                if connection.execute(found).fetchone()[0]:
                    kill(site.service)
                    return True
                connection.execute("ROLLBACK")
                time.sleep(0.0005)
    return False


def statuses(site: Site, status: str) -> set[str]:
    """The ids of all images in a status, deleted ones too."""
    path = site.service.folder / "calotype.db"
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        rows = connection.execute("SELECT id FROM images WHERE status = ?", (status,))
        return {row[0] for row in rows}


def test_the_worker_beside_the_service_scrubs_what_is_delayed(start: Start) -> None:
    site = start("--workers", "1", default="delayed_delete = true\nwakeup_time = 1\n")
    kept, image_id = site.stored(b"kept"), site.stored(b"data")
    assert site.ask("DELETE", f"/v2/images/{image_id}").status == 204
    assert site.download(image_id).status == 404
    assert soon(lambda: statuses(site, "deleted") == {image_id})
    assert site.kept() == {kept}
    assert site.service.stop() == 0
