"""Stores that are full, gone or read-only: the client is told, and the image is as before."""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.data.conftest import THREADS
from tests.data.site import Made, Site, file_of, soon
from tests.data.wire import OCTETS
from tests.stores.sources import content

MIB = 1 << 20
#: The size of the file system that the store lies on.
ROOM = 8 * MIB


@pytest.fixture(scope="module")
def small(
    make_service: Made,
    tmp_path_factory: pytest.TempPathFactory,
    missing_server: Callable[[str, str], None],
) -> Iterator[Site]:
    """A service whose store lies on a file system of its own, with room for few images."""
    service = make_service(
        tmp_path_factory.mktemp("service"),
        *("--workers", "1", "--threads", str(THREADS), "--no-worker"),
    )
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "calotype-test", str(service.images)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        missing_server("a file system to fill", f"mounting needs root: {done.stderr.strip()}")
    try:
        yield Site(service.start())
        assert service.stop() == 0
    finally:
        service.stop()
        subprocess.run(["umount", str(service.images)], check=True)


def send(site: Site, image_id: str, data: bytes, *, chunked: bool) -> tuple[int, str]:
    answer = (site.upload_chunked if chunked else site.upload)(image_id, data)
    return answer.status, answer.message if answer.body else ""


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_store_without_room(small: Site, chunked: bool) -> None:
    big, kept = small.new(), small.kept()
    status, message = send(small, big, content(ROOM + MIB), chunked=chunked)
    assert status == 413
    assert "no room" in message
    assert str(small.service.folder) not in message, "paths are for the operator"
    small.untouched(big)
    assert small.kept() == kept
    assert send(small, big, content(ROOM // 2), chunked=chunked) == (204, "")
    assert small.ask("DELETE", f"/v2/images/{big}").status == 204


def test_uploads_that_fill_the_store_together(small: Site) -> None:
    """Each fits by itself when it begins; who comes too late leaves nothing behind."""
    size, images, wires = ROOM // 2 + MIB, [small.new(), small.new()], []
    for image_id in images:
        wires.append(wire := small.wire())
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=size)
        wire.send(content(MIB))
    assert soon(lambda: small.unfinished() == 2)
    statuses = []
    for wire in wires:
        wire.send(content(size, 0)[MIB:])
        statuses.append(wire.answer().status)
    assert statuses == [204, 413]
    small.untouched(images[1])
    assert small.path(images[0]).read_bytes() == content(size)
    assert small.ask("DELETE", f"/v2/images/{images[0]}").status == 204


def test_a_store_that_may_not_be_written(small: Site) -> None:
    """By a mount that is read-only, since root may write where modes say no."""
    image_id, there = small.new(), small.stored(b"there")
    remount = ["mount", "-o", "remount,{}", str(small.service.images)]
    subprocess.run([word.format("ro") for word in remount], check=True)
    try:
        log = small.log()
        status, message = send(small, image_id, content(MIB), chunked=False)
        assert status == 503
        assert "not usable now" in message
        assert log.lines("WARNING")
        assert small.download(there).body == b"there"
        assert small.ask("DELETE", f"/v2/images/{there}").status == 204
    finally:
        subprocess.run([word.format("rw") for word in remount], check=True)
    small.path(there).unlink()  # what could not be deleted
    small.untouched(image_id)
    assert small.upload(image_id, b"now").status == 204
    small.ask("DELETE", f"/v2/images/{image_id}")


@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_folder_that_vanished(site: Site, instead: str) -> None:
    image_id, there = site.new(), site.stored(b"there")
    folder: Path = site.service.images
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    if instead == "a file":
        folder.touch()
    try:
        log = site.log()
        for chunked in (False, True):
            status, message = send(site, image_id, content(3 * MIB), chunked=chunked)
            assert status == 503
            assert str(folder) not in message
        assert any(str(folder) in line for line in log.lines()), "the operator needs to know where"
        assert site.download(there).status == 503
        assert site.status(image_id) == "queued"
    finally:
        if folder.exists():
            folder.unlink()
        elsewhere.rename(folder)
    site.untouched(image_id)
    assert site.download(there).body == b"there"
    assert site.upload(image_id, b"now").status == 204


def test_a_folder_that_vanishes_during_an_upload(site: Site) -> None:
    image_id, folder = site.new(), site.service.images
    with site.wire() as wire:
        wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=3 * MIB)
        wire.send(content(2 * MIB))
        assert soon(lambda: site.unfinished() == 1)
        shutil.rmtree(folder)
        folder.mkdir()
        wire.send(content(MIB))
        answer = wire.answer()
    assert answer.status in (500, 503)
    assert answer.message
    site.untouched(image_id)
    assert site.upload(image_id, b"now").status == 204


def test_what_lies_there_already(site: Site) -> None:
    """A file under the name of the image that no row names: left by a crash, and replaced."""
    image_id, log = site.new(), site.log()
    site.path(image_id).write_bytes(b"left by a crash, longer than what comes")
    assert site.upload(image_id, b"new data").status == 204
    assert site.download(image_id).body == b"new data"
    (line,) = log.lines()
    assert " WARNING " in line
    assert image_id in line


def test_what_another_image_has_there(site: Site) -> None:
    """Never replaced: a row names it. So it would be if somebody added it as a location."""
    image_id, other = site.new(), site.stored(b"precious")
    os.rename(site.path(other), site.path(image_id))
    rename_location(site, other, image_id)
    kept = site.kept()
    answer = site.upload(image_id, b"new data")
    assert answer.status == 409
    assert site.path(image_id).read_bytes() == b"precious"
    assert site.kept() == kept
    assert site.status(image_id) == "queued"
    assert site.download(other).body == b"precious"
    assert site.ask("DELETE", f"/v2/images/{other}").status == 204
    assert site.upload(image_id, b"new data").status == 204


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a link"])
def test_what_is_no_data_there(site: Site, what: str, tmp_path: Path) -> None:
    image_id = site.new()
    path = site.path(image_id)
    if what == "a folder":
        (path / "within").mkdir(parents=True)
    elif what == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path)
    status = site.upload(image_id, b"new data").status
    if what == "a folder":
        assert status == 409, "a folder is not removed"
        assert site.status(image_id) == "queued"
        shutil.rmtree(path)
        status = site.upload(image_id, b"new data").status
    assert status == 204
    assert site.download(image_id).body == b"new data"


def rename_location(site: Site, image_id: str, name: str) -> None:
    """Have the row of an image name another file."""
    with sqlite3.connect(site.service.folder / "calotype.db", timeout=20) as connection:
        changed = connection.execute(
            "UPDATE image_locations SET value = ? WHERE image_id = ?",
            (f"file://{site.path(name)}", image_id),
        )
        assert changed.rowcount == 1
    connection.close()
