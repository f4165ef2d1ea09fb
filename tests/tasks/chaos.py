"""A service whose processes are killed at random moments, and people who use it all the same."""

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.imports.web import Reply, Web
from tests.servers import Process
from tests.service import Service, environment, file_stores

#: Three stores: one on the file system of the staging folder, two on another one, so that data is
#: moved to the first and read for the others.
STORES = ("here", "far", "away")
DEFAULT = """\
calotype_task_lease = 1
calotype_task_attempts = 3
calotype_sweep_interval = 0
"""
EXTRA = """\
[database]
sqlite_synchronous = false
"""
OCTETS = {"Content-Type": "application/octet-stream"}
FORMATS = {"disk_format": "raw", "container_format": "bare"}
#: Seconds between two kills, at least and at most.
PAUSE = (0.2, 1.5)
#: The largest image, in bytes.
LARGEST = 3 << 20


class Away(Exception):
    """The service did not answer, or not to the end."""


@dataclass
class Site:
    """The processes. Each is killed and started again under one lock, so none is forgotten."""

    service: Service
    memory: Path
    workers: list[Process] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    logs: list[Path] = field(default_factory=list)

    def start(self) -> None:
        """The API and two workers."""
        self.service.make_tables()
        self.service.start()
        self.workers = [self._worker(), self._worker()]

    def stop(self) -> None:
        for worker in self.workers:
            worker.stop()
        self.service.stop()

    def kill(self, victim: int) -> None:
        """End a process as a power failure would, and start its like: a worker, or (2) the API.

        A worker that has not begun to work yet is left alone.
        """
        if victim < len(self.workers):
            if "is ready" not in self.workers[victim].output():
                return
            self.kills["worker"] += 1
            self.workers[victim].kill()
            self.workers[victim] = self._worker()
        else:
            self.kills["API"] += 1
            self.service.kill()
            self.service.start()

    def folder(self, store: str) -> Path:
        return (self.service.folder if store == "here" else self.memory) / store

    def _worker(self) -> Process:
        log = self.service.folder / f"worker-{len(self.logs)}.log"
        self.logs.append(log)
        return Process(self.service.command("worker"), log, env=environment()).start()


@contextmanager
def site(folder: Path, port: int, database: str | None = None) -> Iterator[Site]:
    """A started site that may fetch from a web server on this port."""
    with ExitStack() as ends:
        memory = Path(ends.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm")))
        here, *others = STORES
        folders = {here: folder / here, **{name: memory / name for name in others}}
        default, extra = file_stores(folders, folder / "staging", fetch_from=port)
        service = Service(
            folder,
            default=default + DEFAULT,
            extra=extra + EXTRA,
            arguments=("--workers", "2", "--no-worker"),
            database=database,
        )
        made = Site(service, memory)
        ends.callback(made.stop)
        made.start()
        yield made


@contextmanager
def killing(site: Site, chance: random.Random, apis: int) -> Iterator[None]:
    """Somebody who kills one process after the other while the block runs.

    `apis`: how often the API at most, since nothing can be asked for until it is back.
    """
    stop, trouble = threading.Event(), list[BaseException]()

    def kill() -> None:
        try:
            while not stop.wait(chance.uniform(*PAUSE)):
                site.kill(chance.randrange(3 if site.kills["API"] < apis else 2))
        except BaseException as error:
            trouble.append(error)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert trouble == []


def dripping(data: bytes, seconds: float) -> Reply:
    """The data, in ten pieces over some time."""

    def reply(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        piece = len(data) // 10 + 1
        for start in range(0, len(data), piece):
            handler.wfile.write(data[start : start + piece])
            time.sleep(seconds / 10)

    return reply


@dataclass
class People:
    """Those who use the service: many things at once, without waiting for an end.

    `images`: the size and the seed of the data that each image has, or shall have.
    """

    site: Site
    web: Web
    chance: random.Random
    images: dict[str, tuple[int, int]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def data(self, image_id: str) -> bytes:
        """The data of an image."""
        size, seed = self.images[image_id]
        return random.Random(seed).randbytes(size)

    def work(self, enough: Callable[[], bool], threads: int = 4) -> None:
        """Ask for tasks until it is enough, on several threads. Raises what went wrong with one."""
        trouble: list[BaseException] = []
        seeds = [self.chance.random() for _ in range(threads)]

        def go_on(seed: float) -> None:
            chance = random.Random(seed)
            try:
                while not enough() and not trouble:
                    self._do(chance)
            except BaseException as error:
                trouble.append(error)

        people = [threading.Thread(target=go_on, args=(seed,)) for seed in seeds]
        for person in people:
            person.start()
        for person in people:
            person.join()
        if trouble:
            raise trouble[0]

    def _do(self, chance: random.Random) -> None:
        kinds: Sequence[tuple[str, Callable[[random.Random], bool]]] = (
            ("direct", self._direct),
            ("web", self._from_web),
            ("copy", self._copy),
            ("hash", self._hash),
        )
        name, do = chance.choice(kinds)
        try:
            done = do(chance)
        except Away:
            time.sleep(0.1)
            return
        with self._lock:
            self.asked[name] += done

    def _direct(self, chance: random.Random) -> bool:
        image_id = self._new(chance)
        path = f"/v2/images/{image_id}"
        self._ask("PUT", f"{path}/stage", data=self.data(image_id), headers=OCTETS, gives=204)
        return self._import(image_id, {"name": "glance-direct"}, chance)

    def _from_web(self, chance: random.Random) -> bool:
        image_id = self._new(chance)
        self.web.pages[f"/{image_id}"] = dripping(self.data(image_id), chance.uniform(0, 1.5))
        uri = f"{self.web.url}/{image_id}"
        return self._import(image_id, {"name": "web-download", "uri": uri}, chance)

    def _import(self, image_id: str, method: dict[str, str], chance: random.Random) -> bool:
        stores = chance.sample(STORES, chance.randint(1, 3))
        body = {
            "method": method,
            "stores": stores,
            "all_stores_must_succeed": chance.random() < 0.7,
        }
        self._ask("POST", f"/v2/images/{image_id}/import", json=body, gives=202)
        return True

    def _copy(self, chance: random.Random) -> bool:
        image_id = self._active(chance)
        if image_id is None:
            return False
        body = {"method": {"name": "copy-image"}, "all_stores": True}
        image = self._ask("GET", f"/v2/images/{image_id}", gives=200).json()
        if len(image["stores"].split(",")) == len(STORES):
            return False
        answer = self._ask("POST", f"/v2/images/{image_id}/import", json=body)
        assert answer.status_code in (202, 409), answer.text  # another task may be at it
        return answer.status_code == 202

    def _hash(self, chance: random.Random) -> bool:
        image_id = self._active(chance)
        if image_id is None:
            return False
        body = {"os_hash_algo": chance.choice(("sha256", "sha512", "blake2b"))}
        answer = self._ask("POST", f"/v2/images/{image_id}/hash", json=body)
        assert answer.status_code in (202, 409), answer.text
        return answer.status_code == 202

    def _new(self, chance: random.Random) -> str:
        facts = chance.randint(1, LARGEST), chance.randrange(1 << 30)
        image_id = str(self._ask("POST", "/v2/images", json=FORMATS, gives=201).json()["id"])
        with self._lock:
            self.images[image_id] = facts
        return image_id

    def _active(self, chance: random.Random) -> str | None:
        found = self._ask("GET", "/v2/images?status=active&limit=100", gives=200).json()["images"]
        return str(chance.choice(found)["id"]) if found else None

    def _ask(
        self, method: str, path: str, gives: int | None = None, **more: Any
    ) -> requests.Response:
        """One request. Raises Away when there was no answer, or one of 503."""
        url = f"{self.site.service.url}{path}"
        try:
            answer = requests.request(method, url, timeout=60, **more)
        except requests.RequestException as error:
            raise Away() from error
        if answer.status_code == 503:
            raise Away()
        assert gives in (None, answer.status_code), (method, path, answer.text)
        return answer
