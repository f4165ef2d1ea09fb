"""A real service with real worker processes and people who ask it, for the tests of tasks."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import bcrypt
import requests
from sqlalchemy import select, update

from calotype.db.engine import Database, connect
from calotype.db.tables import calotype_leases, calotype_task_runs, images, tasks
from calotype.db.tasks import Tasks
from calotype.model.task import Task
from tests.servers import Process
from tests.service import Service, environment

MIB = 1 << 20
GIB = 1 << 30
#: Seconds within which everything that is waited for happens, with much to spare.
SOON = 90.0

USERS = """
admin: {project: operations, roles: [admin]}
mary: {project: ours, roles: [member]}
rita: {project: ours, roles: [reader]}
otto: {project: theirs, roles: [member]}
"""
NAMES = ("admin", "mary", "rita", "otto")

#: Two stores of files: data goes to `slow` unless said otherwise, and is read from `fast` first.
STORES = """\
[fast]
filesystem_store_datadir = {folder}/fast
weight = 2
[slow]
filesystem_store_datadir = {folder}/slow
weight = 1
"""


def digest(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data).hexdigest()


def make_service(
    folder: Path, *arguments: str, default: str = "", database: str | None = None
) -> Service:
    """A service with people and two stores, not yet started."""
    folder.mkdir(parents=True, exist_ok=True)
    hashed = {name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in NAMES}
    (folder / "htpasswd").write_text("".join(f"{n}:{hashed[n]}\n" for n in NAMES))
    (folder / "users.yaml").write_text(USERS)
    return Service(
        folder,
        database=database,
        default=(
            f"calotype_basic_auth_users = {folder}/users.yaml\n"
            f"enabled_backends = fast:file, slow:file\n{default}\n"
        ),
        extra=(
            "default_backend = slow\n[paste_deploy]\nflavor = http_basic\n"
            f"[oslo_middleware]\nhttp_basic_auth_user_file = {folder}/htpasswd\n"
            + STORES.format(folder=folder)
        ),
        arguments=("--workers", "1", "--no-worker", *arguments),
    )


def until(condition: Callable[[], Any], what: str = "it") -> Any:
    """What `condition` gives as soon as it gives something."""
    deadline = time.monotonic() + SOON
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come about in {SOON:.0f} seconds"
        time.sleep(0.02)
    return found


@dataclass(frozen=True)
class Answer:
    """What the service answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def message(self) -> str:
        return str(self.json["message"])

    def gave(self, status: int, *says: str) -> Self:
        """This answer, if it has that status and its message says these things."""
        assert self.status == status, (self.status, self.text)
        for words in says:
            assert words in self.message, self.message
        return self

    def gave_data(self, data: bytes) -> Self:
        """This answer, if it has just this data."""
        assert self.status == 200 and self.text.encode() == data
        return self

    def gave_nothing(self, status: int) -> Self:
        """This answer, if it has that status and no body."""
        assert (self.status, self.text) == (status, "")
        return self


@dataclass(frozen=True)
class Site:
    """A service as one person sees it."""

    service: Service
    database: Database
    name: str = "admin"

    def as_(self, name: str) -> Self:
        return replace(self, name=name)

    def ask(self, method: str, path: str, **more: Any) -> Answer:
        """One request."""
        url = f"{self.service.url}{path}"
        got = requests.request(method, url, auth=(self.name, self.name), timeout=60, **more)
        return Answer(got.status_code, got.headers, got.text)

    # -- images --------------------------------------------------------------------------------

    def new(self, **fields: Any) -> str:
        """The id of a new image without data."""
        body = {"disk_format": "raw", "container_format": "bare", **fields}
        return str(self.ask("POST", "/v2/images", json=body).gave(201).json["id"])

    def stored(self, data: bytes = b"data", store: str | None = None, **fields: Any) -> str:
        """The id of an active image with this data and its digests."""
        image_id = self.new(**fields)
        headers = {"Content-Type": "application/octet-stream"}
        if store:
            headers["x-image-meta-store"] = store
        path = f"/v2/images/{image_id}/file"
        self.ask("PUT", path, data=data, headers=headers).gave(204)
        return image_id

    def bare(self, data: bytes = b"data", **more: Any) -> str:
        """As `stored`, but without digests, as a snapshot of old or an image by location has it."""
        image_id = self.stored(data, **more)
        self.record(image_id, checksum=None, os_hash_algo=None, os_hash_value=None)
        return image_id

    def vast(self, size: int) -> str:
        """As `bare`, with `size` zeros that take no room: it takes its time to hash them."""
        image_id = self.bare(bytes(1))
        os.truncate(self.file(image_id), size)
        self.record(image_id, size=size)
        return image_id

    def show(self, image_id: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/v2/images/{image_id}").gave(200).json)

    def digests(self, image_id: str) -> tuple[str | None, str | None, str | None]:
        """checksum, os_hash_algo, os_hash_value."""
        it = self.show(image_id)
        return it["checksum"], it["os_hash_algo"], it["os_hash_value"]

    def file(self, image_id: str, store: str = "slow") -> Path:
        """Where a store keeps the data."""
        return self.service.folder / store / image_id

    def record(self, image_id: str, **values: Any) -> None:
        """Write into the row of an image, behind the back of the service."""
        row = update(images).where(images.c.id == image_id).values(**values)
        self.database.transaction(lambda connection: connection.execute(row))

    # -- tasks ---------------------------------------------------------------------------------

    def hash(self, image_id: str, body: Any = None, **more: Any) -> Answer:
        """POST …/hash; without a body unless one is given."""
        given = {} if body is None else {"json": body}
        return self.ask("POST", f"/v2/images/{image_id}/hash", **given, **more)

    def begin(self, image_id: str, algorithm: str = "sha512") -> str:
        """Ask for digests; the id of the task."""
        answer = self.hash(image_id, {"os_hash_algo": algorithm}).gave(202)
        return str(answer.json["id"])

    def tasks(self, image_id: str) -> list[dict[str, Any]]:
        answer = self.ask("GET", f"/v2/images/{image_id}/tasks").gave(200).json
        assert list(answer) == ["tasks"]
        return list(answer["tasks"])

    def task(self, image_id: str, task_id: str) -> dict[str, Any]:
        (found,) = [one for one in self.tasks(image_id) if one["id"] == task_id]
        return found

    def ended(self, image_id: str, task_id: str) -> dict[str, Any]:
        """The task, once it has ended."""

        def has_ended() -> dict[str, Any] | None:
            task = self.task(image_id, task_id)
            return task if task["status"] in ("success", "failure") else None

        return dict(until(has_ended, f"the end of task {task_id}"))

    def moving(self, image_id: str, task_id: str) -> dict[str, Any]:
        """The task, once it has read something."""

        def moves() -> dict[str, Any] | None:
            task = self.task(image_id, task_id)
            assert task["status"] in ("pending", "processing"), task
            return task if task["message"] not in ("", "Hashed 0 MiB") else None

        return dict(until(moves, f"progress of task {task_id}"))

    # -- looking behind ------------------------------------------------------------------------

    def row(self, task_id: str) -> Mapping[str, Any]:
        """The row of a task, also of an image that is gone."""
        with self.database.reading() as connection:
            found = connection.execute(select(tasks).where(tasks.c.id == task_id)).one()
        return dict(found._mapping)

    def stored_task(self, task_id: str) -> Task:
        """A task as it is kept, also of an image that is gone."""
        return Tasks(self.database, 48).get(task_id)

    def attempts(self, task_id: str) -> int | None:
        """How often it was begun; None when it has ended."""
        wanted = select(calotype_task_runs.c.attempts).where(
            calotype_task_runs.c.task_id == task_id
        )
        with self.database.reading() as connection:
            return connection.execute(wanted).scalar()

    def leases(self) -> list[str]:
        with self.database.reading() as connection:
            return list(connection.scalars(select(calotype_leases.c.name)))

    # -- workers -------------------------------------------------------------------------------

    def worker(self, name: str = "worker") -> Process:
        """A `calotype worker` of its own, not yet started."""
        log = self.service.folder / f"{name}.log"
        return Process(self.service.command("worker"), log, env=environment())


@contextmanager
def serving(service: Service) -> Iterator[Site]:
    """The service while the block runs, as the admin sees it."""
    database = connect(service.database)
    with service:
        yield Site(service, database)
    database.close()
