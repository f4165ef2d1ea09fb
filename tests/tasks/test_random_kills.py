"""Workers and API processes killed at random moments: all that they were doing ends well.

The moments are of a random sequence with a fixed start; what they meet is up to the machine. With
CALOTYPE_SEED=<number> it starts elsewhere; with CALOTYPE_ENGINE=mariadb, or postgresql, the rows
are there.
"""

import hashlib
import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from calotype.db.engine import Database, connect
from calotype.db.images import Images
from calotype.db.tables import calotype_task_runs
from calotype.db.tasks import Tasks
from calotype.model.image import Image, Status
from calotype.model.task import ENDED, Task, TaskStatus
from tests.database_servers import DatabaseServer
from tests.imports.web import serving
from tests.tasks.chaos import STORES, People, Site, killing, site
from tests.tasks.site import until

#: How many tasks are asked for and how many workers killed, at least, and how often the API.
TASKS, WORKERS, APIS = 200, 12, 5
SEED = int(os.environ.get("CALOTYPE_SEED", "20261127"))
ENGINE = os.environ.get("CALOTYPE_ENGINE", "sqlite")
LOCK, TO = "os_glance_import_task", "os_glance_importing_to_stores"
_BEGINS = re.compile(r"Task (\S+) \((\w+)\) of image \S+ begins")


def test_whatever_dies_everything_ends_well(
    tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving() as web, site(tmp_path, web.port, address(request)) as here:
        people = People(here, web, random.Random(SEED))
        database = connect(here.service.database)
        with killing(here, random.Random(SEED), APIS):
            people.work(lambda: people.asked.total() >= TASKS and enough(here.kills))
            wait_for_most(database)
        until(lambda: waiting(database) == 0, "the end of all tasks")
        until(lambda: not unsettled(database), "the end of what died")
        here.stop()
        swept = here.service.run("sweep", "--grace", "0")
        with capsys.disabled():
            print(f"\n{report(here, database, people)}; {swept.stdout.strip()}")
        assert swept.returncode == 0, swept.stderr
        all_is_well(here, database, people)
        database.close()


def address(request: pytest.FixtureRequest) -> str | None:
    """Where the rows are to be; None: in a file of the site."""
    if ENGINE == "sqlite":
        return None
    server: DatabaseServer = request.getfixturevalue(ENGINE)
    return server.url(server.create())


def enough(kills: Counter[str]) -> bool:
    return kills["API"] >= APIS and kills["worker"] >= WORKERS


def all_is_well(here: Site, database: Database, people: People) -> None:
    """Every task has ended, every image is right, and no byte is lost or left."""
    named: set[str] = set()
    ended = tasks_of(database, people)
    assert len(ended) >= TASKS
    for task in ended:
        assert task.status in ENDED and task.message, task
        # Whatever else a task fails for, it is not the death of a worker.
        assert task.status is TaskStatus.SUCCESS or "the worker died" in task.message, task
    for image_id in people.images:
        image = Images(database).get(image_id)
        is_well(
            here,
            image,
            people.data(image_id),
            [task for task in ended if task.image_id == image_id],
        )
        named.update(location.url for location in image.locations)
    assert named == {f"file://{path}" for path in stored(here)}
    assert staged(here) == waiting_stages(database, people)


def tasks_of(database: Database, people: People) -> list[Task]:
    rows = Tasks(database, 48)
    return [task for image_id in people.images for task in rows.of_image(image_id)]


def wait_for_most(database: Database) -> None:
    """Let the killing go on for a while: until little is left to be done, or long enough."""
    deadline = time.monotonic() + 30
    while waiting(database) > TASKS // 10 and time.monotonic() < deadline:
        time.sleep(0.1)


def waiting(database: Database) -> int:
    """How many tasks have not ended."""
    with database.reading() as connection:
        return len(connection.execute(select(calotype_task_runs.c.task_id)).all())


def unsettled(database: Database) -> list[str]:
    """The images that somebody is, or was, at work on."""
    rows = Images(database)
    stages = [
        image_id for image_id in rows.in_status(Status.UPLOADING) if not rows.get(image_id).size
    ]
    return [*rows.in_status(Status.SAVING), *rows.in_status(Status.IMPORTING), *stages]


def is_well(here: Site, image: Image, data: bytes, its_tasks: list[Task]) -> None:
    """Active with the right digests and all copies whole, or as it was before."""
    assert LOCK not in image.properties and not image.properties.get(TO), image
    imports = [task for task in its_tasks if task.type == "api_image_import"]
    done = any(task.status is TaskStatus.SUCCESS for task in imports)
    if image.status in (Status.QUEUED, Status.UPLOADING) and not done:
        size = None if image.status is Status.QUEUED else len(data)
        assert (image.size, image.checksum, image.os_hash_value) == (size, None, None), image
        assert image.locations == ()
        return
    assert (image.status, image.size) == (Status.ACTIVE, len(data)), (image, its_tasks)
    assert image.checksum == hashlib.md5(data).hexdigest()
    assert image.os_hash_value == hashlib.new(image.os_hash_algo or "", data).hexdigest(), image
    assert image.locations
    for location in image.locations:
        path = here.folder(location.store or "") / image.id
        assert location.url == f"file://{path}" and path.read_bytes() == data


def stored(here: Site) -> Iterator[Path]:
    """All that lies in the stores, unfinished things too."""
    for store in STORES:
        yield from here.folder(store).iterdir()


def staged(here: Site) -> set[str]:
    return {path.name for path in (here.service.folder / "staging").iterdir()}


def waiting_stages(database: Database, people: People) -> set[str]:
    """The staged files of images whose import nobody has asked for."""
    found = map(Images(database).get, people.images)
    ids = [image.id for image in found if image.status is Status.UPLOADING]
    return {name for image_id in ids for name in (image_id, f"{image_id}.facts")}


def report(here: Site, database: Database, people: People) -> str:
    """What happened, in numbers."""
    begun = Counter(
        found[0] for log in here.logs for found in _BEGINS.findall(log.read_text(errors="replace"))
    )
    ended = tasks_of(database, people)
    outcomes = Counter(f"{task.type} {task.status}" for task in ended)
    tasks = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
    kills = ", ".join(f"{count} of {name}" for name, count in sorted(here.kills.items()))
    again = sum(count > 1 for count in begun.values())
    return (
        f"{len(people.images)} images, {len(ended)} tasks ({tasks}), {again} of them begun more "
        f"than once; kills: {kills}"
    )
