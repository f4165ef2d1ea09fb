"""A real service whose default store is a folder, and two further stores are in some backend."""

import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select

from calotype.db.engine import connect
from calotype.db.images import Images
from calotype.db.tables import images
from calotype.model.location import Location
from tests.backends.kinds import Backend
from tests.data.site import Log
from tests.servers import Process, halt
from tests.service import Service
from tests.stores.sources import content
from tests.tasks.site import MIB, Site, digest, until

#: The stores: of files, and two in the backend.
FILES, STORE, TWIN = "files", "store", "twin"

#: One that goes as it is, and one that goes in parts to those that know such.
SMALL, BIG = content(3 * MIB + 5), content(20 * MIB + 3, shift=7)

OCTETS = "application/octet-stream"
SIZE = "x-openstack-image-size"


@dataclass(frozen=True)
class Scene(Site):
    """The service, with a worker beside it, and its backend."""

    backend: Backend = None  # type: ignore[assignment]
    worker_process: Process | None = None

    # -- data ----------------------------------------------------------------------------------

    def put(
        self,
        image_id: str,
        data: bytes,
        *,
        store: str = STORE,
        call: str = "file",
        declared: int | None = None,
        chunked: bool = False,
    ) -> requests.Response:
        """Send data: with Content-Length unless `chunked`."""
        headers = {"Content-Type": OCTETS}
        if call == "file":
            headers["x-image-meta-store"] = store
        if declared is not None:
            headers[SIZE] = str(declared)
        body: Any = pieces(data) if chunked else data
        url = f"{self.service.url}/v2/images/{image_id}/{call}"
        return requests.put(url, data=body, headers=headers, timeout=120)

    def active(self, data: bytes = SMALL, store: str = STORE) -> str:
        """The id of an image with this data in a store."""
        image_id = self.new()
        answer = self.put(image_id, data, store=store)
        assert answer.status_code == 204, answer.text
        return image_id

    def data(self, image_id: str, store: str | None = None, part: str | None = None) -> bytes:
        """The data of an image, or a part of it, from a store."""
        answer = requests.get(
            f"{self.service.url}/v2/images/{image_id}/file",
            params={"prefer": store} if store else {},
            headers={"Range": f"bytes={part}"} if part else {},
            timeout=120,
        )
        assert answer.status_code == (206 if part else 200), answer.text
        return answer.content

    def whole(self, image_id: str, data: bytes, *stores: str) -> None:
        """Assert that an image is active, in just these stores, and has this data in each."""
        image = self.show(image_id)
        assert image["status"] == "active"
        assert (image["size"], image["os_hash_value"]) == (len(data), digest("sha512", data))
        assert set(image["stores"].split(",")) == set(stores)
        for store in stores:
            assert self.data(image_id, store) == data

    def location(self, image_id: str, store: str = STORE) -> Location:
        """Where the data of an image lies."""
        places = Images(self.database).get(image_id).locations
        (found,) = [place for place in places if place.store == store]
        return found

    # -- imports -------------------------------------------------------------------------------

    def imported(self, image_id: str, method: str, *stores: str, **more: Any) -> dict[str, Any]:
        """The task of an import, once it has ended."""
        before = {task["id"] for task in self.tasks(image_id)}
        body = {"method": {"name": method}, "stores": [*stores], **more}
        self.ask("POST", f"/v2/images/{image_id}/import", json=body).gave(202)
        (task_id,) = {task["id"] for task in self.tasks(image_id)} - before
        return self.ended(image_id, task_id)

    # -- the worker ----------------------------------------------------------------------------

    @contextmanager
    def halted(self) -> Iterator[None]:
        """The worker does nothing while the block runs."""
        assert self.worker_process is not None
        halt(self.worker_process.pid)
        try:
            yield
        finally:
            os.kill(self.worker_process.pid, signal.SIGCONT)

    def worker_log(self) -> Log:
        """What the worker logs from now on."""
        return Log(self.service.folder / "worker.log")

    def scrub(self, *arguments: str, status: int = 0) -> str:
        """Run `calotype scrub` to its end; what it logs."""
        pid_file = str(self.service.folder / "scrubber.pid")
        done = self.service.run("scrub", "--pid-file", pid_file, *arguments)
        assert done.returncode == status, done.stderr
        return done.stderr

    # -- looking behind ------------------------------------------------------------------------

    def image_row(self, image_id: str) -> Mapping[str, Any]:
        """The row of an image, also of one that is gone."""
        with self.database.reading() as connection:
            found = connection.execute(select(images).where(images.c.id == image_id)).one()
        return dict(found._mapping)

    def gone(self, image_id: str) -> None:
        """Assert that an image is deleted and that nothing of it is left in the backend."""
        self.ask("GET", f"/v2/images/{image_id}").gave(404)
        assert self.image_row(image_id)["status"] == "deleted"
        assert not any(image_id in name for name in self.backend.held())

    def log(self) -> Log:
        """What the service logs from now on."""
        return Log(self.service.log)

    def empties(self, before: set[str]) -> None:
        """Wait until there lies no more in the backend than before."""
        until(lambda: self.backend.held() <= before, "an empty backend")


def pieces(data: bytes, size: int = 100_000) -> Iterable[bytes]:
    """The data in pieces, so that `requests` does not know its length."""
    return (data[start : start + size] for start in range(0, len(data), size))


def make_service(
    folder: Path, backend: Backend, default: str = "", database: str | None = None
) -> Service:
    """A service with the three stores, not yet started."""
    sections: dict[str, Mapping[str, object]] = {
        FILES: {"filesystem_store_datadir": folder / "images"},
        **dict(zip((STORE, TWIN), backend.stores(), strict=True)),
        "os_glance_staging_store": {"filesystem_store_datadir": folder / "staging"},
        "os_glance_tasks_store": {"filesystem_store_datadir": folder / "tasks"},
    }
    lines = ["default_backend = files"]
    for name, options in sections.items():
        lines += [f"[{name}]", *(f"{option} = {value}" for option, value in options.items())]
    kind = backend.type
    return Service(
        folder,
        database=database,
        default=f"enabled_backends = {FILES}:file, {STORE}:{kind}, {TWIN}:{kind}\n{default}",
        extra="\n".join(lines),
        arguments=("--workers", "1", "--no-worker"),
    )


@contextmanager
def playing(service: Service, backend: Backend, *, worker: bool = True) -> Iterator[Scene]:
    """The service while the block runs, and a worker unless it is to be without."""
    database = connect(service.database)
    with ExitStack() as ends:
        ends.callback(database.close)
        ends.enter_context(service)
        scene = Scene(service, database, backend=backend)
        if worker:
            scene = replace(scene, worker_process=ends.enter_context(scene.worker()))
        yield scene
