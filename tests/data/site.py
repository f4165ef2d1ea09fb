"""A running service as the tests of data see it: its API, its store and its log."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from tests.data.wire import OCTETS, Answer, Wire
from tests.service import Service

#: Seconds within which everything that is waited for happens, with much to spare.
SOON = 20.0


class Site:
    """One service with what a test asks of it. `authorization`: who asks, where that matters."""

    def __init__(self, service: Service, authorization: str | None = None) -> None:
        self.service = service
        self._who = {} if authorization is None else {"Authorization": authorization}

    def as_user(self, authorization: str) -> "Site":
        """The same service, asked by somebody."""
        return Site(self.service, authorization)

    # -- asking --------------------------------------------------------------------------------

    def wire(self, timeout: float = 30) -> Wire:
        """A new connection."""
        return Wire(self.service.port, timeout)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: object) -> Answer:
        """One request on a connection of its own."""
        with self.wire() as wire:
            return wire.ask(method, path, body, **self._who, **headers)

    def new(self, disk_format: str | None = "raw", container_format: str | None = "bare") -> str:
        """The id of a new image, still without data."""
        fields = {"disk_format": disk_format, "container_format": container_format}
        body = orjson.dumps({name: value for name, value in fields.items() if value})
        answer = self.ask("POST", "/v2/images", body, Content_Type="application/json")
        assert answer.status == 201, answer
        return str(answer.json["id"])

    def show(self, image_id: str) -> dict[str, Any]:
        """What the API says of an image."""
        answer = self.ask("GET", f"/v2/images/{image_id}")
        assert answer.status == 200, answer
        return dict(answer.json)

    def status(self, image_id: str) -> str:
        return str(self.show(image_id)["status"])

    def upload(self, image_id: str, data: bytes, **headers: object) -> Answer:
        """Upload with Content-Length."""
        headers = {"Content_Type": OCTETS, **headers}
        return self.ask("PUT", file_of(image_id), data, **headers)

    def upload_chunked(
        self, image_id: str, data: bytes, piece: int = 100_000, **headers: object
    ) -> Answer:
        """Upload in chunks of `piece` bytes."""
        headers = {"Content_Type": OCTETS, "Transfer_Encoding": "chunked", **headers}
        with self.wire() as wire:
            wire.head("PUT", file_of(image_id), **self._who, **headers)
            for start in range(0, len(data), piece):
                wire.chunk(data[start : start + piece])
            wire.chunk(b"")
            return wire.answer()

    def stored(self, data: bytes, disk_format: str = "raw") -> str:
        """The id of an active image with this data."""
        image_id = self.new(disk_format)
        answer = self.upload(image_id, data)
        assert answer.status == 204, answer
        return image_id

    def download(self, image_id: str, **headers: object) -> Answer:
        return self.ask("GET", file_of(image_id), b"", **headers)

    # -- looking -------------------------------------------------------------------------------

    def kept(self) -> set[str]:
        """The names of all files in the store, unfinished ones too."""
        return set(os.listdir(self.service.images))

    def path(self, image_id: str) -> Path:
        """Where the data of an image lies."""
        return self.service.images / image_id

    def unfinished(self) -> int:
        """How many uploads are on their way into the store."""
        return sum(name.startswith(".calotype-") for name in self.kept())

    def log(self) -> "Log":
        """What is logged from now on."""
        return Log(self.service.log)

    def untouched(self, image_id: str) -> None:
        """Assert that an image is as it was made, without data and free for it."""
        image = self.show(image_id)
        assert image["status"] == "queued"
        learned = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")
        assert {name: image[name] for name in learned} == dict.fromkeys(learned)
        assert not {name for name in self.kept() if image_id in name}
        assert self.download(image_id).status == 204


def kill(service: Service) -> None:
    """End all processes of a service at once, also its worker, as a power failure would."""
    (*children,) = descendants(service.process.pid)
    service.kill()
    for pid in children:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def descendants(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that these started."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from descendants(int(child))
        yield int(child)


class Log:
    """What a service has written to its log since this was made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = path.stat().st_size if path.exists() else 0

    def text(self) -> str:
        with self._path.open("rb") as file:
            file.seek(self._start)
            return file.read().decode()

    def lines(self, *levels: str) -> list[str]:
        """The lines of these levels, by default of all that are worth a look."""
        wanted = levels or ("WARNING", "ERROR", "CRITICAL")
        lines = self.text().splitlines()
        return [line for line in lines if any(f" {level} " in line[:60] for level in wanted)]

    def quiet(self) -> bool:
        """Whether nothing in it is worth a look."""
        return not self.lines() and "Traceback" not in self.text()


def file_of(image_id: str) -> str:
    """The path of an image's data."""
    return f"/v2/images/{image_id}/file"


def soon(happens: Callable[[], bool], seconds: float = SOON) -> bool:
    """Whether it comes true; asks again and again."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Made:
    """Makes services, each with a database that has its tables already."""

    def __init__(self, template: Path) -> None:
        self._template = template

    def __call__(
        self,
        folder: Path,
        *arguments: str,
        default: str = "",
        extra: str = "",
        database: str | None = None,
    ) -> Service:
        """A service in a folder, not started. `arguments` are those of `calotype serve`.

        `database`: the address of an empty one, in the place of SQLite.
        """
        service = Service(
            folder, default=default, extra=extra, arguments=arguments, database=database
        )
        service.images.mkdir(exist_ok=True)
        if database is None:
            shutil.copy(self._template, folder / "calotype.db")
        else:
            done = service.run("db", "sync")
            assert done.returncode == 0, done.stderr
        return service
