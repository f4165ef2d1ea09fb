"""`calotype cache` as an operator runs it, beside a service and without one."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype.db.engine import connect
from tests.cache.people import guarded
from tests.cache.site import COUNTED, Node
from tests.service import environment
from tests.tasks.site import Site, until

DATA = bytes(range(256)) * 300
NOBODY = "99999999-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("node")
    with guarded(folder, default="image_cache_max_size = 100000") as running:
        yield running


@pytest.fixture
def site(node: Node) -> Iterator[Site]:
    """A service with an empty cache."""
    database = connect(node.database)
    found = Site(node, database)
    found.ask("DELETE", "/v2/cache").gave(204)
    yield found
    database.close()


def run(node: Node, status: int, *arguments: str) -> list[str]:
    """The lines that a command prints; fails unless it exits with `status`."""
    done = node.run("cache", *arguments)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


def test_queue_and_prefetch(site: Site, node: Node) -> None:
    one, lost = site.stored(DATA), site.stored(DATA)
    node.images.joinpath(lost).unlink()
    (node.cache / "queue" / NOBODY).touch()
    run(node, 0, "queue", one, lost)
    assert {line.split()[0] for line in run(node, 0, "list")} == {one, lost, NOBODY}
    before = node.reads()
    (line,) = run(node, 1, "prefetch")
    assert line == "1 images fetched, 1 could not be fetched and stay queued"
    assert node.reads() == before + 1
    cached, queued = run(node, 0, "list")
    assert cached.split()[:4] == [one, "cached", str(len(DATA)), "0"]
    assert queued.split() == [lost, "queued"]
    site.ask("GET", f"/v2/images/{one}/file").gave(200)
    assert node.reads() == before + 1
    run(node, 0, "remove", one, lost)
    assert run(node, 0, "list") == []


def test_prune_clean_and_clear(site: Site, node: Node) -> None:
    ids = [site.stored(DATA) for _ in range(3)]
    run(node, 0, "queue", *ids)
    run(node, 0, "prefetch")
    (node.cache / "invalid" / NOBODY).touch()
    assert run(node, 0, "clean") == ["1 files removed"]
    assert run(node, 0, "prune") == [f"2 images taken out, {2 * len(DATA)} bytes"]
    assert len(node.cached()) == 1
    run(node, 0, "queue", ids[0])
    assert run(node, 0, "clear") == ["1 images taken out, 1 off the queue"]


def test_wrong_ids(site: Site, node: Node) -> None:
    for verb in ("queue", "remove"):
        run(node, 1, verb, "../etc")
    run(node, 1, "queue", NOBODY)
    run(node, 0, "remove", NOBODY)


def test_without_a_cache(tmp_path: Path) -> None:
    node = guarded(tmp_path, flavor="http_basic")
    lines = node.config.read_text().splitlines()
    node.config.write_text("\n".join(it for it in lines if "image_cache_dir" not in it))
    done = node.run("cache", "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert "image_cache_dir: is not set" in done.stderr


@pytest.mark.parametrize(
    ("program", "says"),
    [("prefetcher", "0 images fetched"), ("pruner", "0 images taken"), ("cleaner", "0 files")],
)
def test_under_the_names_of_glance(site: Site, node: Node, program: str, says: str) -> None:
    code = f"import sys; from calotype.admin.main import glance_cache_{program} as run; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code}sys.exit(run())", "--config-file", str(node.config), "-d"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


def test_a_prune_that_is_killed_loses_nothing(site: Site, node: Node) -> None:
    """Killed between the note and the file of an entry, where the two cannot be one."""
    ids = [site.stored(DATA) for _ in range(3)]
    run(node, 0, "queue", *ids)
    run(node, 0, "prefetch")
    stop = "import os, signal; from calotype.cache.folder import Folder; "
    stop += "Folder.remove = lambda *_: os.kill(os.getpid(), signal.SIGKILL); "
    script = f"import runpy, sys; {stop}runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    killed = subprocess.run(
        [sys.executable, "-c", script, str(COUNTED), *node.command("cache", "prune")[2:]],
        env=environment(),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(run(node, 0, "list")) == 3  # found again: the file without a note
    assert len(node.cached()) == 3
    for image_id in ids:
        site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    run(node, 0, "prune")
    assert len(node.cached()) == len(run(node, 0, "list")) == 1


def test_the_worker_looks_after_the_cache(tmp_path: Path) -> None:
    node = guarded(tmp_path, default="calotype_task_lease = 1\nimage_cache_max_size = 80000")
    database = connect(node.database)
    with node:
        site = Site(node, database)
        one, two = site.stored(DATA), site.stored(DATA)
        with site.worker():
            (node.cache / "queue" / one).touch()
            until(lambda: node.cached() == [one], "the queued image")
            invalid = node.cache / "invalid" / NOBODY
            invalid.touch()
            until(lambda: not invalid.exists(), "the end of what is invalid")
            site.ask("GET", f"/v2/images/{two}/file").gave(200)
            until(lambda: node.cached() == [two], "the end of what was not used for longest")
            os.unlink(node.images / one)
            (node.cache / "queue" / one).touch()
            site.ask("DELETE", f"/v2/images/{one}").gave(204)
            until(lambda: node.cached("queue") == [])
    database.close()
