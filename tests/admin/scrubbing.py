"""A service whose deletes are delayed, and its scrubbers as processes of their own."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import insert, select, update

from calotype.db.deletes import Deletes
from calotype.db.engine import connect
from calotype.db.images import Images, now
from calotype.db.leases import exactly_now
from calotype.db.tables import calotype_leases, image_locations, images
from calotype.model.image import Status
from calotype.model.location import Location
from tests.db.samples import new_image
from tests.servers import Process
from tests.service import environment
from tests.tasks.site import Site, make_service, until

HOUR = 3600
DELAYED = f"delayed_delete = true\nscrub_time = {HOUR}\nwakeup_time = 1\ncalotype_task_lease = 2\n"
#: The script that pip installs, as unit files and cron call it.
SCRIPT = str(Path(sys.executable).with_name("glance-scrubber"))
RUNNING = "ERROR: glance-scrubber is already running. Please ensure that the daemon is stopped.\n"


LONG_AGO = datetime(2020, 1, 1)


def ago(seconds: int) -> datetime:
    """The moment so many seconds before this one, as tables keep it."""
    return now() - timedelta(seconds=seconds)


@dataclass(frozen=True)
class Scrubbing(Site):
    """A site, with what an operator does about deleted images."""

    # -- the command ---------------------------------------------------------------------------

    @property
    def pid_file(self) -> Path:
        return self.service.folder / "scrubber.pid"

    def command(self, *arguments: str) -> list[str]:
        return self.service.command("scrub", "--pid-file", str(self.pid_file), *arguments)

    def scrub(self, *arguments: str, status: int = 0) -> str:
        """Run `calotype scrub` to its end; what it prints last to stderr."""
        return self.run(self.command(*arguments), status)

    def run(self, command: list[str], status: int = 0, **env: str) -> str:
        """Run a command to its end; the last line it prints to stderr."""
        done = subprocess.run(
            command, env=environment(env), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == status, (done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.stdout == ""
        return "".join(done.stderr.splitlines(keepends=True)[-1:])

    def process(self, *arguments: str, pid_file: Path | None = None) -> Process:
        """A scrubber of its own, started."""
        command = self.command(*arguments, *(["--pid-file", str(pid_file)] if pid_file else []))
        log = self.service.folder / "scrubber.log"
        return Process(command, log, env=environment()).start()

    def daemon(self, pid_file: Path | None = None) -> Process:
        """A daemon, once it keeps the others out."""
        started = self.process("--daemon", pid_file=pid_file)
        return started.wait_until(lambda: "scrubber" in self.leases())

    # -- images --------------------------------------------------------------------------------

    def delete(self, image_id: str) -> None:
        self.ask("DELETE", f"/v2/images/{image_id}").gave(204)

    def deleted(self, data: bytes = b"data", seconds: int = 0, **fields: Any) -> str:
        """The id of an image that was deleted so many seconds ago."""
        image_id = self.stored(data, **fields)
        self.delete(image_id)
        if seconds:
            self.record(image_id, deleted_at=ago(seconds))
        return image_id

    def many_deleted(self, count: int, data: bytes, name: str) -> list[str]:
        """The ids of images that were just deleted, made faster than by asking for each."""
        rows, deletes = Images(self.database), Deletes(self.database)
        made = [new_image(status=Status.ACTIVE, name=name, size=len(data)) for _ in range(count)]
        for image in made:
            file = self.file(image.id)
            file.write_bytes(data)
            rows.add(image.with_(locations=(Location(f"file://{file}", {"store": "slow"}),)))
            deletes.delay(image)
        return [image.id for image in made]

    def copied(self, data: bytes = b"data") -> str:
        """The id of an active image with a copy in each of the two stores."""
        image_id = self.stored(data)
        copy = self.file(image_id, "fast")
        shutil.copy(self.file(image_id), copy)
        row = {
            "image_id": image_id, "value": f"file://{copy}", "status": "active",
            "meta_data": orjson.dumps({"store": "fast"}).decode(),
            "created_at": now(), "updated_at": now(), "deleted": False,
        }  # fmt: skip
        with self.database.writing() as connection:
            connection.execute(insert(image_locations).values(**row))
        assert self.show(image_id)["stores"] == "slow,fast"
        return image_id

    def leave_pending(self, image_id: str, moment: datetime) -> None:
        """Have an image deleted then, as Glance leaves it with delayed_delete."""
        hidden = {"status": "pending_delete", "deleted": True, "deleted_at": moment}
        rows = update(image_locations).where(image_locations.c.image_id == image_id)
        with self.database.writing() as connection:
            connection.execute(rows.values(**hidden))
        self.record(image_id, **hidden)

    def relocate(self, image_id: str, before: str, after: str) -> None:
        """Write another address into a location's row."""
        mine = (image_locations.c.image_id == image_id) & (image_locations.c.value == before)
        with self.database.writing() as connection:
            done = connection.execute(update(image_locations).where(mine).values(value=after))
            assert done.rowcount == 1

    def long_ago(self) -> None:
        """Have all images that are pending_delete deleted in 2020."""
        rows = update(images).where(images.c.status == "pending_delete")
        with self.database.writing() as connection:
            connection.execute(rows.values(deleted_at=LONG_AGO))

    def forget(self) -> None:
        """Finish the deletes of all images, faster than a scrubber that has to be started."""
        for table in (images, image_locations):
            pending = update(table).where(table.c.status == "pending_delete")
            with self.database.writing() as connection:
                connection.execute(pending.values(status="deleted"))
        for name in ("fast", "slow"):
            for path in (self.service.folder / name).iterdir():
                path.unlink()

    def living(self) -> list[str]:
        """The leases that have not run out."""
        wanted = select(calotype_leases.c.name).where(calotype_leases.c.expires_at >= exactly_now())
        with self.database.reading() as connection:
            return list(connection.scalars(wanted))

    def status(self, image_id: str) -> str:
        """The status in the row, of a deleted image too."""
        with self.database.reading() as connection:
            wanted = select(images.c.status).where(images.c.id == image_id)
            return str(connection.execute(wanted).scalar_one())

    def copies(self, image_id: str) -> list[tuple[str, bool]]:
        """Status and deletedness of its locations."""
        with self.database.reading() as connection:
            wanted = select(image_locations.c.status, image_locations.c.deleted)
            mine = wanted.where(image_locations.c.image_id == image_id)
            return [(row[0], bool(row[1])) for row in connection.execute(mine)]

    def download(self, image_id: str) -> bytes:
        return self.ask("GET", f"/v2/images/{image_id}/file").gave(200).text.encode()

    def in_stores(self) -> set[str]:
        """The names of all files in both stores."""
        folders = (self.service.folder / name for name in ("fast", "slow"))
        return {path.name for folder in folders for path in folder.iterdir()}


@contextmanager
def scrubbing(
    folder: Path, *arguments: str, default: str = DELAYED, database: str | None = None
) -> Iterator[Scrubbing]:
    """A service while the block runs; without a worker, unless an argument says otherwise."""
    service = make_service(folder, *arguments, default=default, database=database)
    opened = connect(service.database)
    with service:
        yield Scrubbing(service, opened)
    opened.close()


def gone(site: Scrubbing, image_id: str) -> None:
    """Assert that nobody sees an image."""
    for name in ("admin", "mary", "otto"):
        asked = site.as_(name)
        asked.ask("GET", f"/v2/images/{image_id}").gave(404)
        asked.ask("GET", f"/v2/images/{image_id}/file").gave(404)
        asked.ask("DELETE", f"/v2/images/{image_id}").gave(404)
        listed = asked.ask("GET", "/v2/images?visibility=all").gave(200).json["images"]
        assert image_id not in {image["id"] for image in listed}


def eventually(site: Scrubbing, *arguments: str) -> None:
    """Run a scrubber until it may: what was killed holds its leases for a moment."""

    def done() -> bool:
        ended = subprocess.run(
            site.command(*arguments), env=environment(), capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert ended.returncode == 0 or "ERROR: " in ended.stderr, ended.stderr
        return ended.returncode == 0

    until(done, f"scrub {arguments}")
