"""Worker processes that are killed, stopped, paused by their database, and many at once."""

import itertools
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from calotype.db import schema
from calotype.db.engine import connect
from tests.database_servers import DatabaseServer, MariaDB
from tests.servers import Missing, Process, halt
from tests.tasks.site import GIB, Site, digest, make_service, serving, until

#: Short, so that the tests need not wait for it; and so many attempts.
LEASE, ATTEMPTS = 1, 2
DEFAULT = f"calotype_task_lease = {LEASE}\ncalotype_task_attempts = {ATTEMPTS}\n"

#: Bytes that take a while to hash, and so many that it does not end within a test.
SLOW, ENDLESS = GIB // 2, 512 * GIB
#: The digests of SLOW zeros: md5 and sha512.
ZEROS = (
    "aa559b4e3523a6c931f08f4df52d58f2",
    "df68d060d2adafc2c4794407118f8116d000715233b2550302115556380d1d5b"
    "018ebce1c7fa412a8bc5e01e097b33db64d1e9117b3f7bdd8925f09b6594590a",
)


_NUMBERS = itertools.count()


@contextmanager
def working(site: Site) -> Iterator[Process]:
    """A worker process, once it is ready."""
    with site.worker(f"worker-{next(_NUMBERS)}") as worker:
        yield worker.wait_until(lambda: "is ready" in worker.output())


def kill(worker: Process) -> None:
    worker.kill()
    assert not worker.running


# -- killed ----------------------------------------------------------------------------------------


def test_another_worker_takes_over_within_a_lease_of_the_death(idle: Site) -> None:
    image_id = idle.vast(SLOW)
    with working(idle) as one, working(idle) as other:
        task_id = idle.begin(image_id)
        begins = f"Task {task_id} ("
        idle.moving(image_id, task_id)
        victim, heir = (one, other) if begins in one.output() else (other, one)
        assert begins not in heir.output()
        kill(victim)
        died = time.monotonic()
        until(lambda: begins in heir.output(), "the take-over")
        # A lease and a look; the rest is for a machine that is busy with other things.
        assert time.monotonic() - died < LEASE + 5
        assert idle.ended(image_id, task_id)["status"] == "success"
    assert idle.digests(image_id)[::2] == ZEROS
    assert idle.show(image_id)["status"] == "active"
    assert idle.leases() == []


@pytest.mark.parametrize("was", ["nothing", "recorded"])
def test_after_so_many_deaths_it_fails_and_all_is_as_it_was(idle: Site, was: str) -> None:
    image_id = idle.vast(ENDLESS)
    if was == "recorded":
        idle.record(image_id, checksum="1" * 32, os_hash_algo="sha256", os_hash_value="2" * 64)
    before = idle.show(image_id)
    task_id = idle.begin(image_id)
    for number in range(1, ATTEMPTS + 1):
        with working(idle) as victim:
            until(lambda number=number: idle.attempts(task_id) == number, "the next attempt")
            idle.moving(image_id, task_id)
            kill(victim)
    with working(idle):
        task = idle.ended(image_id, task_id)
    assert task["status"] == "failure"
    assert task["message"] == (
        f"Given up: in each of {ATTEMPTS} attempts the worker died, or could not bring this to an "
        "end"
    )
    assert idle.show(image_id) == before
    assert idle.attempts(task_id) is None
    idle.ask("DELETE", f"/v2/images/{image_id}").gave(204)


# -- stopped ---------------------------------------------------------------------------------------


def test_sigterm_hands_over_and_does_not_count(idle: Site) -> None:
    image_id = idle.vast(SLOW)
    task_id = idle.begin(image_id)
    for _ in range(ATTEMPTS + 1):  # more often than a task may be begun
        with working(idle) as worker:
            until(lambda worker=worker: f"Task {task_id} (" in worker.output(), "the beginning")
            assert worker.stop() == 0
            assert f"Task {task_id} is left to another attempt" in worker.output()
        assert idle.attempts(task_id) == 0
        assert idle.leases() == []
        assert idle.task(image_id, task_id)["status"] == "processing"
        assert idle.digests(image_id) == (None, "sha512", None)
    with working(idle):
        assert idle.ended(image_id, task_id)["status"] == "success"
    assert idle.digests(image_id)[::2] == ZEROS


def test_sigterm_is_obeyed_at_once_by_a_worker_without_tasks(idle: Site) -> None:
    with working(idle) as worker:
        assert worker.stop() == 0
        assert "ends" in worker.output()


def test_a_worker_that_slept_too_long_does_not_meddle(idle: Site) -> None:
    """Its lease ran out while it could not renew it; another one is at the task."""
    image_id = idle.vast(ENDLESS)
    task_id = idle.begin(image_id)
    with working(idle) as sleeper:
        idle.moving(image_id, task_id)
        # Not amid a transaction, which on SQLite would keep everybody else out too.
        with idle.database.writing():
            halt(sleeper.pid)
        with working(idle) as heir:
            until(lambda: f"Task {task_id} (" in heir.output(), "the take-over")
            sleeper._popen.send_signal(signal.SIGCONT)  # type: ignore[union-attr]
            until(lambda: "it is no longer ours" in sleeper.output(), "the insight")
            assert idle.task(image_id, task_id)["status"] == "processing"
            idle.ask("DELETE", f"/v2/images/{image_id}").gave(204)
            until(lambda: idle.attempts(task_id) is None, "the end")
    assert "deleted" in idle.stored_task(task_id).message


# -- without a database ----------------------------------------------------------------------------


def test_a_restart_of_the_database_fails_no_task(
    tmp_path: Path, missing_server: Callable[[str, str], None]
) -> None:
    server = MariaDB()
    try:
        server.start()
    except Missing as reason:
        server.remove()
        missing_server("MariaDB", str(reason))
    try:
        _restart_in_the_middle(tmp_path, server)
    finally:
        server.remove()


def _restart_in_the_middle(tmp_path: Path, server: DatabaseServer) -> None:
    service = make_service(
        tmp_path, default="calotype_task_attempts = 1", database=server.url(server.create())
    )
    with serving(service) as site, working(site) as worker:
        image_id = site.vast(SLOW)
        task_id = site.begin(image_id)
        site.moving(image_id, task_id)
        server.stop()
        until(lambda: "without the database" in worker.output(), "the worker's notice")
        server.start()
        until(lambda: site.ask("GET", "/v2/images").status == 200, "the API")
        task = site.ended(image_id, task_id)
        assert (task["status"], site.digests(image_id)[::2]) == ("success", ZEROS)


# -- many ------------------------------------------------------------------------------------------

IMAGES, WORKERS = 50, 3
_BEGINS = re.compile(r"^(\S+ \S+) .*Task (\S+) \(calculate_hash\) of image \S+ begins", re.M)
_ENDS = re.compile(r"^(\S+ \S+) .*Task (\S+) is done", re.M)


@pytest.mark.parametrize("engine", ["sqlite", "mariadb", "postgresql"])
def test_workers_share_the_tasks_and_do_none_twice(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = None
    if engine != "sqlite":
        server: DatabaseServer = request.getfixturevalue(engine)
        database = server.url(server.create())
        schema.sync(made := connect(database))
        made.close()
    data = {}
    with serving(make_service(tmp_path, database=database)) as site:
        with ThreadPoolExecutor(4) as pool:
            contents = [b"%d" % number * 1000 for number in range(IMAGES)]
            for image_id, content in zip(pool.map(site.bare, contents), contents, strict=True):
                data[image_id] = content
        begun = {site.begin(image_id): image_id for image_id in data}
        with ExitStack() as stack:
            workers = [stack.enter_context(working(site)) for number in range(WORKERS)]
            until(lambda: all(site.attempts(task_id) is None for task_id in begun), "the end")
        logs = [worker.output() for worker in workers]
        for task_id, image_id in begun.items():
            assert site.stored_task(task_id).status == "success"
            assert site.digests(image_id)[2] == digest("sha512", data[image_id])
    starts = sorted(found for log in logs for found in _BEGINS.findall(log))
    ends = dict(reversed(found) for log in logs for found in _ENDS.findall(log))
    assert sorted(task_id for _, task_id in starts) == sorted(begun) == sorted(ends)
    assert all(start <= ends[task_id] for start, task_id in starts)
