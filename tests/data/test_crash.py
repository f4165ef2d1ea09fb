"""kill -9 at any moment of an upload: no active image without its bytes, no bytes without an image.

The whole service dies with several uploads on their way, again and again. One of them, the victim,
has come to a chosen point; the others are anywhere. CALOTYPE_CRASH_POINTS=n cuts off n uploads.
"""

import hashlib
import itertools
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field

import pytest

from tests.data.conftest import Start
from tests.data.site import Site, file_of, kill, soon
from tests.data.wire import OCTETS, Wire
from tests.stores.sources import content

#: At how many points uploads are cut off.
POINTS = int(os.environ.get("CALOTYPE_CRASH_POINTS", "42"))
MIB = 1 << 20
#: The data of the uploads that are on their way when the service dies.
SIZES = [0, 1, 1000, MIB, MIB + 1, 3 * MIB + 7]
SETTINGS = "calotype_task_lease = 1\ncalotype_client_timeout = 20"


@dataclass
class Upload:
    """One image and the upload of its data, by a thread that may be told to stop on its way."""

    image_id: str
    data: bytes
    chunked: bool
    #: Seconds between two pieces.
    pause: float
    begun: bool = False
    sent: bool = False
    acknowledged: bool = False
    stop_before_end: bool = False
    go_on: threading.Event = field(default_factory=threading.Event)

    def run(self, site: Site) -> None:
        """Send it all, if the service lives so long."""
        with suppress(OSError, AssertionError), site.wire() as wire:
            self._send(wire)
            self.sent = True
            self.acknowledged = wire.answer().status == 204

    def _send(self, wire: Wire) -> None:
        size = len(self.data)
        length = {"Transfer_Encoding": "chunked"} if self.chunked else {"Content_Length": size}
        wire.head("PUT", file_of(self.image_id), Content_Type=OCTETS, **length)
        self.begun = True
        send = wire.chunk if self.chunked else wire.send
        for start in range(0, size - 1, max(1, size // 5)):
            time.sleep(self.pause)
            send(self.data[start : min(size - 1, start + max(1, size // 5))])
        if self.stop_before_end:
            self.go_on.wait(20)
        if self.data:
            send(self.data[-1:])
        if self.chunked:
            wire.chunk(b"")


# -- the points at which the service dies ----------------------------------------------------------


def at_the_head(site: Site, victim: Upload) -> None:
    assert soon(lambda: victim.begun)


def in_the_body(site: Site, victim: Upload) -> None:
    victim.stop_before_end = True
    assert soon(lambda: any(victim.image_id in name for name in site.kept()))


def just_after_the_last_byte(site: Site, victim: Upload) -> None:
    assert soon(lambda: victim.sent)


def a_little_later(site: Site, victim: Upload) -> None:
    assert soon(lambda: victim.sent)
    time.sleep(random.uniform(0, 0.03))


def when_it_has_its_name(site: Site, victim: Upload) -> None:
    path = site.path(victim.image_id)
    while not path.exists() and not victim.acknowledged:
        pass


def before_its_transaction(site: Site, victim: Upload) -> None:
    """Nobody else can write the database, so the data has its name and the row does not know."""
    path = site.path(victim.image_id)
    assert soon(lambda: any(victim.image_id in name for name in site.kept()))
    with closing(database(site)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        victim.go_on.set()
        assert soon(path.exists)
        kill(site.service)
        connection.execute("ROLLBACK")
    assert not victim.acknowledged


def when_it_is_answered(site: Site, victim: Upload) -> None:
    assert soon(lambda: victim.acknowledged)


DEATHS: list[Callable[[Site, Upload], None]] = [
    before_its_transaction,
    at_the_head,
    just_after_the_last_byte,
    when_it_has_its_name,
    in_the_body,
    a_little_later,
    when_it_is_answered,
    before_its_transaction,
    a_little_later,
    when_it_has_its_name,
]


# -- the test --------------------------------------------------------------------------------------


@pytest.fixture
def site(start: Start) -> Site:
    return start("--workers", "2", "--threads", "8", default=SETTINGS)


def test_a_crash_at_any_moment_of_an_upload(site: Site) -> None:
    chance = random.Random(1839)
    uploads: list[Upload] = []
    points, deaths, log = 0, itertools.cycle(DEATHS), site.log()
    while points < POINTS:
        if not site.service.process.running:
            site.service.start()
        retried = [upload for upload in uploads[-len(SIZES) :] if not upload.acknowledged][:2]
        for upload in retried:
            assert soon(lambda id_=upload.image_id: site.status(id_) in ("queued", "active"))
        fresh = [new(site, chance, size) for size in chance.sample(SIZES, len(SIZES))]
        fresh.sort(key=lambda upload: not upload.data)  # the victim has some
        uploads += fresh
        for upload in retried:  # before anything is swept
            if site.status(upload.image_id) == "queued":
                assert site.upload(upload.image_id, upload.data).status == 204
            upload.acknowledged = True
        die(site, fresh, next(deaths))
        points += sum(upload.begun and not upload.acknowledged for upload in fresh)
        check(site, uploads)
    assert "replacing the data that a crashed upload left behind" in log.text()

    site.service.start()
    assert soon(lambda: not statuses(site) & {"saving"})
    swept = site.service.run("sweep", "--grace", "0")
    assert swept.returncode == 0, swept.stderr
    check(site, uploads)
    assert statuses(site) <= {"active", "queued"}
    active = {upload.image_id for upload in uploads if site.status(upload.image_id) == "active"}
    assert site.kept() == active
    for upload in uploads:
        if upload.image_id not in active:
            site.untouched(upload.image_id)
            assert site.upload(upload.image_id, upload.data).status == 204
        assert site.download(upload.image_id).body == upload.data
    check(site, uploads)
    assert site.service.stop() == 0


def new(site: Site, chance: random.Random, size: int) -> Upload:
    data = content(size, chance.randrange(MIB))
    return Upload(site.new(), data, chance.random() < 0.5, chance.uniform(0, 0.1))


def die(site: Site, uploads: list[Upload], death: Callable[[Site, Upload], None]) -> None:
    victim = uploads[0]
    victim.stop_before_end = death is before_its_transaction
    threads = [threading.Thread(target=upload.run, args=(site,)) for upload in uploads]
    for thread in threads:
        thread.start()
    try:
        death(site, victim)
    finally:
        if site.service.process.running:
            kill(site.service)
        for upload in uploads:
            upload.go_on.set()
        for thread in threads:
            thread.join()


def check(site: Site, uploads: list[Upload]) -> None:
    """What must hold at any moment, whether the service runs or not."""
    with closing(database(site)) as connection:
        rows = {row[0]: row[1:] for row in connection.execute(IMAGES)}
        named = {row[0]: row[1] for row in connection.execute(LOCATIONS)}
    for upload in uploads:
        status, size, checksum, digest = rows[upload.image_id]
        if status == "active":
            assert site.path(upload.image_id).read_bytes() == upload.data
            assert size == len(upload.data)
            assert checksum == hashlib.md5(upload.data).hexdigest()
            assert digest == hashlib.sha512(upload.data).hexdigest()
            assert named[upload.image_id] == f"file://{site.path(upload.image_id)}"
        else:
            assert not upload.acknowledged, "the client was told that it is done"
            assert status in ("queued", "saving")
            assert (size, checksum, digest) == (None, None, None)
            assert upload.image_id not in named


IMAGES = "SELECT id, status, size, checksum, os_hash_value FROM images"
LOCATIONS = "SELECT image_id, value FROM image_locations WHERE deleted = 0"


def statuses(site: Site) -> set[str]:
    with closing(database(site)) as connection:
        return {row[0] for row in connection.execute("SELECT status FROM images")}


def database(site: Site) -> sqlite3.Connection:
    """A connection of our own to the database of the service."""
    path = site.service.folder / "calotype.db"
    return sqlite3.connect(path, timeout=20, isolation_level=None)
