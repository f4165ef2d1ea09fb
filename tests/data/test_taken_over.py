"""A process that sleeps through its lease: another one takes over, and the sleeper does no harm.

Two services share a database and a store, as nodes do. One is stopped in its tracks, like a virtual
machine that is paused, while its uploads are taken for dead; then it goes on.
"""

import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.data.conftest import Start
from tests.data.site import Site, descendants, file_of, soon
from tests.data.wire import OCTETS, Wire
from tests.servers import halt
from tests.stores.sources import content

MIB = 1 << 20
THEIRS = content(2 * MIB, shift=3)
OURS = content(MIB, shift=8)
SETTINGS = "calotype_task_lease = 1"


@pytest.fixture
def nodes(start: Start) -> tuple[Site, Site]:
    """The one that falls asleep, and the one that stays awake, whose worker looks for the dead."""
    few = ("--workers", "1", "--threads", "4")
    sleeper = start(*few, "--no-worker", default=SETTINGS)
    share = sleeper.service
    awake = start(
        *few,
        default=SETTINGS,
        extra=(
            f"filesystem_store_datadir = {share.images}\n"
            f"[database]\nconnection = {share.database}\n"
        ),
    )
    awake.service.images = share.images
    return sleeper, awake


def stop(site: Site) -> None:
    """Stop all processes of a service in their tracks, none of them amid a transaction.

    On SQLite that would keep everybody else out too.
    """
    with nobody_writes(site):
        halt_all(site)


def halt_all(site: Site) -> None:
    for pid in (site.service.process.pid, *descendants(site.service.process.pid)):
        halt(pid)


def go_on(site: Site) -> None:
    for pid in (site.service.process.pid, *descendants(site.service.process.pid)):
        os.kill(pid, signal.SIGCONT)


def begin(site: Site, image_id: str) -> Wire:
    """An upload of which the last byte is still to come."""
    wire = site.wire()
    wire.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(THEIRS))
    wire.send(THEIRS[:-1])
    assert soon(lambda: site.unfinished() == 1)
    return wire


def safe(site: Site, image_id: str) -> None:
    """Assert that the image has our data and nothing else is left."""
    assert site.status(image_id) == "active"
    assert site.download(image_id).body == OURS
    assert site.kept() == {image_id}


@contextmanager
def nobody_writes(site: Site) -> Iterator[None]:
    """Keep everybody from writing the database of both."""
    path = site.service.folder / "calotype.db"
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def test_the_sleeper_had_not_all_data(nodes: tuple[Site, Site]) -> None:
    sleeper, awake = nodes
    image_id = sleeper.new()
    wire = begin(sleeper, image_id)
    stop(sleeper)
    assert soon(lambda: awake.status(image_id) == "queued")
    assert awake.upload(image_id, OURS).status == 204
    go_on(sleeper)
    wire.send(THEIRS[-1:])
    assert wire.answer().status == 409
    safe(awake, image_id)


def test_the_other_one_has_not_all_data_yet(nodes: tuple[Site, Site]) -> None:
    """Two uploads of one image are on their way; the one that is taken for dead comes first."""
    sleeper, awake = nodes
    image_id = sleeper.new()
    wire = begin(sleeper, image_id)
    stop(sleeper)
    assert soon(lambda: awake.status(image_id) == "queued")
    ours = awake.wire()
    ours.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(OURS))
    ours.send(OURS[:-1])
    assert soon(lambda: awake.unfinished() == 2)
    go_on(sleeper)
    wire.send(THEIRS[-1:])
    answer = wire.answer()
    assert answer.status == 409
    assert "took over" in answer.message
    assert awake.status(image_id) == "saving"
    ours.send(OURS[-1:])
    status = ours.answer().status
    # What the sleeper has stored meanwhile may stand in the way: then nothing is lost, and the
    # next upload replaces it.
    if status == 409:
        assert soon(lambda: awake.status(image_id) == "queued")
        assert awake.upload(image_id, OURS).status == 204
    else:
        assert status == 204
    safe(awake, image_id)


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "on-its-way"])
def test_the_sleeper_had_but_to_say_so(nodes: tuple[Site, Site], ended: bool) -> None:
    """Its data has its name already, and is replaced: it must not remove what is there now."""
    sleeper, awake = nodes
    image_id = sleeper.new()
    wire = begin(sleeper, image_id)
    with nobody_writes(sleeper):
        wire.send(THEIRS[-1:])
        assert soon(sleeper.path(image_id).exists)
        halt_all(sleeper)
    assert soon(lambda: awake.status(image_id) == "queued")
    if ended:
        assert awake.upload(image_id, OURS).status == 204
    else:
        ours = awake.wire()
        ours.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(OURS))
        ours.send(OURS[:-1])
        assert soon(lambda: awake.unfinished() == 1)
    go_on(sleeper)
    answer = wire.answer()
    assert answer.status == 409, "two cannot have made it active"
    if not ended:
        ours.send(OURS[-1:])
        assert ours.answer().status == 204
    safe(awake, image_id)


def test_the_sleeper_fails_for_another_reason(nodes: tuple[Site, Site]) -> None:
    """Its client goes away: queueing the image again is no business of it any more."""
    sleeper, awake = nodes
    image_id = sleeper.new()
    wire = begin(sleeper, image_id)
    stop(sleeper)
    assert soon(lambda: awake.status(image_id) == "queued")
    ours = awake.wire()
    ours.head("PUT", file_of(image_id), Content_Type=OCTETS, Content_Length=len(OURS))
    ours.send(OURS[:-1])
    assert soon(lambda: awake.unfinished() == 2)
    wire.close()
    go_on(sleeper)
    assert soon(lambda: awake.unfinished() == 1)
    log = sleeper.log()
    assert sleeper.ask("GET", "/healthcheck").status == 200
    assert soon(lambda: "is left to the worker" in sleeper.service.log.read_text()), log.text()
    assert awake.status(image_id) == "saving"
    ours.send(OURS[-1:])
    assert ours.answer().status == 204
    safe(awake, image_id)
