"""Workers that die in the middle of an import, as processes of their own, over real HTTP."""

import hashlib
import json
import os
import signal
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.imports.web import Web, held_back, serving
from tests.servers import Process
from tests.service import Service, environment, file_stores

DATA = os.urandom(8 << 20)
STORES = ("fast", "far")

TASKS = """\
calotype_task_lease = {lease}
calotype_task_attempts = {attempts}
"""


class Site:
    """A service whose workers are started and killed by the test."""

    def __init__(
        self,
        folder: Path,
        port: int,
        attempts: int,
        *,
        lease: int = 1,
        database: str | None = None,
    ) -> None:
        self.folder = folder
        folders = {name: folder / name for name in STORES}
        default, extra = file_stores(folders, folder / "staging", fetch_from=port)
        self.service = Service(
            folder,
            database=database,
            default=default + TASKS.format(attempts=attempts, lease=lease),
            extra=extra,
            arguments=("--no-worker", "--workers", "1"),
        )
        self.service.make_tables()
        self.service.start()
        self.workers: list[Process] = []

    def worker(self) -> Process:
        """One more worker process."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Process(self.service.command("worker"), log, env=environment()).start()
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.service.stop()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One request; the JSON of its answer."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            f"{self.service.url}{path}", data=data, method=method, headers=named
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def create(self) -> str:
        body = {"disk_format": "raw", "container_format": "bare"}
        return str(self.ask("POST", "/v2/images", body)["id"])

    def image(self, image_id: str) -> Any:
        return self.ask("GET", f"/v2/images/{image_id}")

    def task(self, image_id: str) -> Any:
        """The newest task of an image."""
        return self.ask("GET", f"/v2/images/{image_id}/tasks")["tasks"][0]

    def begin(self, image_id: str, method: dict[str, str], **body: Any) -> None:
        self.ask("POST", f"/v2/images/{image_id}/import", {"method": method, **body})

    def wait(self, done: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, [it.output()[-2000:] for it in self.workers]
            time.sleep(0.02)

    def wait_ended(self, image_id: str) -> Any:
        """The task when it has ended."""
        self.wait(lambda: self.task(image_id)["status"] in ("success", "failure"))
        return self.task(image_id)

    def held(self) -> list[str]:
        """What lies in the stores and the staging folder."""
        folders = [self.folder / name for name in (*STORES, "staging")]
        return sorted(
            f"{folder.name}/{path.name}"
            for folder in folders
            if folder.is_dir()
            for path in folder.iterdir()
        )


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@pytest.fixture
def make_site(tmp_path: Path, web: Web) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(attempts: int = 3) -> Site:
        made.append(Site(tmp_path, web.port, attempts))
        return made[-1]

    yield make
    for site in made:
        site.stop()


def kill(worker: Process) -> None:
    """As a power failure would."""
    os.kill(worker.pid, signal.SIGKILL)
    worker.kill()


def test_another_worker_finishes_the_import_of_one_that_died(
    make_site: Callable[..., Site], web: Web
) -> None:
    site, go_on = make_site(), threading.Event()
    web.pages["/image"] = held_back(DATA, 5 << 20, go_on)
    image_id = site.create()
    uri = {"name": "web-download", "uri": f"{web.url}/image"}
    first = site.worker()
    site.begin(image_id, uri, all_stores=True)
    site.wait(lambda: site.task(image_id)["message"].startswith("Copied"))
    assert site.task(image_id)["status"] == "processing"
    kill(first)
    go_on.set()
    second = site.worker()
    assert site.wait_ended(image_id)["status"] == "success", second.output()
    image = site.image(image_id)
    assert (image["status"], image["stores"]) == ("active", "fast,far")
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert "os_glance_import_task" not in image
    left = [name for name in site.held() if "calotype-" not in name]
    assert left == [f"far/{image_id}", f"fast/{image_id}"]
    assert all((site.folder / store / image_id).read_bytes() == DATA for store in STORES)
    # The first worker's unfinished file has a name that the sweeper knows.
    assert len(site.held()) <= 3


def test_a_worker_that_is_asked_to_stop_hands_its_import_over(
    make_site: Callable[..., Site], web: Web
) -> None:
    site, go_on = make_site(attempts=1), threading.Event()
    # Data goes on coming, slowly: a step between two blocks is where a worker can stop.
    web.pages["/image"] = dripping(DATA, go_on)
    image_id = site.create()
    first = site.worker()
    site.begin(image_id, {"name": "web-download", "uri": f"{web.url}/image"})
    site.wait(lambda: site.task(image_id)["message"].startswith("Copied"))
    assert first.stop() == 0
    go_on.set()
    site.worker()
    assert site.wait_ended(image_id)["status"] == "success"
    site.wait(lambda: site.held() == [f"fast/{image_id}"])  # the task ends before its stage goes


def dripping(data: bytes, go_on: threading.Event) -> Any:
    """The data, a piece at a time with pauses, until it may go on at once."""

    def reply(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        piece = 1 << 19
        for start in range(0, len(data), piece):
            handler.wfile.write(data[start : start + piece])
            handler.wfile.flush()
            go_on.wait(0.2)

    return reply


def test_an_import_whose_workers_all_die_fails_and_leaves_nothing(
    make_site: Callable[..., Site], web: Web
) -> None:
    site, go_on = make_site(attempts=2), threading.Event()
    web.pages["/image"] = held_back(DATA, 5 << 20, go_on)
    image_id = site.create()
    site.begin(image_id, {"name": "web-download", "uri": f"{web.url}/image"})
    for attempt in range(2):
        worker = site.worker()
        site.wait(lambda: len(web.asked) > attempt)  # noqa: B023  (used up in this turn)
        kill(worker)
    go_on.set()
    site.worker()
    task = site.wait_ended(image_id)
    assert task["status"] == "failure" and "the worker died" in task["message"]
    image = site.image(image_id)
    assert (image["status"], image["size"]) == ("queued", None)
    assert "os_glance_import_task" not in image
    assert [name for name in site.held() if "calotype-" not in name] == []


@pytest.mark.parametrize("moment", [1, 3])
def test_whenever_a_worker_dies_the_import_ends_well(
    make_site: Callable[..., Site], moment: int
) -> None:
    """Staged data into two stores, and copies; the worker is killed a little later each time."""
    site = make_site(attempts=5)
    data = DATA * 4
    image_id = site.create()
    site.ask("PUT", f"/v2/images/{image_id}/stage", data, Content_Type="application/octet-stream")
    for name in (site.folder / "staging").glob("*.facts"):
        name.unlink()  # so that there is some work to do
    site.begin(image_id, {"name": "glance-direct"}, stores=["far", "fast"])
    worker = site.worker()
    site.wait(lambda: site.task(image_id)["status"] != "pending")
    time.sleep(moment * 0.07)
    kill(worker)
    site.worker()
    assert site.wait_ended(image_id)["status"] == "success"
    image = site.image(image_id)
    assert (image["status"], image["stores"]) == ("active", "far,fast")
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    files = [(site.folder / store / image_id).read_bytes() for store in STORES]
    assert files == [data, data]
    rows = sqlite3.connect(site.folder / "calotype.db")
    (count,) = rows.execute("SELECT count(*) FROM image_locations WHERE deleted = 0").fetchone()
    rows.close()
    assert count == 2
