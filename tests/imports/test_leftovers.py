"""What crashes leave of stages and imports is put right, and nothing else is touched."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from calotype.db import import_lock
from calotype.db.images import now
from calotype.db.tables import images, task_info, tasks
from calotype.imports.leftovers import Leftovers
from calotype.jobs import make_leftovers
from calotype.model.image import Status
from calotype.services.imports import Wanted
from tests.api.cases import ADMIN, on_each_engine
from tests.imports.conftest import FORMATS, Importing
from tests.imports.test_run import DATA, FAILED, LOCK, TO

LATER = 2.0**40
UNKNOWN = "11111111-2222-4333-8444-555555555555"


def leftovers(importing: Importing) -> Leftovers:
    return make_leftovers(importing.site.parts)


def put_into(importing: Importing, image_id: str, status: Status, **fields: object) -> None:
    """Make the row of an image what a crash would leave."""
    row = update(images).where(images.c.id == image_id).values(status=status, **fields)
    with importing.site.parts.database.writing() as connection:
        connection.execute(row)


def glance_task(importing: Importing, image_id: str, status: str, age: timedelta) -> str:
    """A task of Glance that holds the lock of an image; its id."""
    task_id = f"{status:-<8.8}-0000-4000-8000-000000000000"
    at = now() - age
    row = {"id": task_id, "type": "api_image_import", "status": status, "owner": "ours"}
    times = {"created_at": at, "updated_at": at, "deleted": False, "image_id": image_id}
    with importing.site.parts.database.writing() as connection:
        connection.execute(insert(tasks).values(**row, **times))
        connection.execute(insert(task_info).values(task_id=task_id, message=""))
        import_lock.take(connection, image_id, task_id)
    return task_id


# -- stages ----------------------------------------------------------------------------------------


@on_each_engine
def test_a_stage_that_died_is_queued_again(importing: Importing) -> None:
    image_id = importing.client.create(**FORMATS)
    put_into(importing, image_id, Status.UPLOADING)
    staging = importing.site.folder / "staging"
    staging.mkdir()
    (staging / image_id).write_bytes(b"without a size in the row")
    assert leftovers(importing).requeue() == 1
    assert importing.client.image(image_id)["status"] == "queued"
    assert importing.held() == {}
    assert leftovers(importing).requeue() == 0


def test_a_stage_that_goes_on_is_left_alone(importing: Importing) -> None:
    image_id = importing.client.create(**FORMATS)
    put_into(importing, image_id, Status.UPLOADING)
    with importing.site.parts.leases.hold(f"image:{image_id}"):
        assert leftovers(importing).requeue() == 0
    assert importing.client.image(image_id)["status"] == "uploading"


def test_a_complete_stage_is_left_alone(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    assert leftovers(importing).requeue() == 0
    assert leftovers(importing).sweep(LATER) == 0
    importing.ask(image_id).gave(202)
    importing.work()
    assert importing.client.image(image_id)["status"] == "active"


# -- imports ---------------------------------------------------------------------------------------


def test_an_import_that_waits_is_left_alone(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id).gave(202)
    put_into(importing, image_id, Status.IMPORTING, updated_at=now() - timedelta(days=1))
    assert leftovers(importing).requeue() == 0
    assert leftovers(importing).sweep(LATER) == 0
    importing.work()
    assert importing.client.image(image_id)["status"] == "active"


@on_each_engine
def test_an_import_of_glance_that_died_is_queued_again(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    glance_task(importing, image_id, "processing", timedelta(minutes=61))
    put_into(importing, image_id, Status.IMPORTING)
    assert leftovers(importing).requeue() == 1
    image = importing.client.image(image_id)
    assert (image["status"], image["size"]) == ("queued", None)
    assert LOCK not in image and importing.held() == {}


def test_an_import_of_glance_that_lives_is_left_alone(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    glance_task(importing, image_id, "processing", timedelta(minutes=59))
    put_into(importing, image_id, Status.IMPORTING)
    assert leftovers(importing).requeue() == 0


@pytest.mark.parametrize(("minutes", "count"), [(59, 0), (61, 1)])
def test_an_image_that_imports_for_no_task(importing: Importing, minutes: int, count: int) -> None:
    image_id = importing.client.create(**FORMATS)
    age = timedelta(minutes=minutes)
    put_into(importing, image_id, Status.IMPORTING, updated_at=now() - age)
    assert leftovers(importing).requeue() == count


# -- the lock --------------------------------------------------------------------------------------

ABANDONED = [
    ("pending", 119, False),
    ("pending", 121, True),
    ("processing", 59, False),
    ("processing", 61, True),
    ("success", 59, False),
    ("success", 61, True),
    ("failure", 61, True),
]


@on_each_engine
@pytest.mark.parametrize(("status", "minutes", "breaks"), ABANDONED)
def test_the_lock_of_an_import_of_glance(
    importing: Importing, status: str, minutes: int, breaks: bool
) -> None:
    image_id = importing.client.create_active(DATA)
    old = glance_task(importing, image_id, status, timedelta(minutes=minutes))
    answer = importing.ask(image_id, "copy-image", importing.admin, stores=["far"])
    if not breaks:
        answer.gave(409, old)
        assert importing.client.image(image_id)[LOCK] == old
        return
    answer.gave(202)
    new, before = importing.tasks(image_id)
    assert importing.client.image(image_id)[LOCK] == new["id"]
    if status in ("pending", "processing"):
        assert (before["status"], before["message"]) == ("failure", "Expired lock preempted")
    else:
        assert before["status"] == status
    importing.work()
    image = importing.client.image(image_id)
    assert image["stores"] == "cheap,far" and LOCK not in image


def test_a_lock_whose_task_is_no_more_breaks_at_once(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    with importing.site.parts.database.writing() as connection:
        import_lock.take(connection, image_id, UNKNOWN)
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)


def test_a_lock_that_glance_removed_softly_is_free(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    with importing.site.parts.database.writing() as connection:
        import_lock.take(connection, image_id, UNKNOWN)
    image = importing.site.parts.images.get(image_id)
    left = {name: value for name, value in image.properties.items() if name != LOCK}
    importing.site.parts.images.swap(image, image.with_(properties=left))
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"


# -- stray files -----------------------------------------------------------------------------------


def test_staged_files_that_nobody_needs_go(importing: Importing) -> None:
    importing.staged(DATA)  # makes the folder; is needed
    staging = importing.site.folder / "staging"
    gone = importing.client.create_active(b"x")
    importing.client.delete(f"/v2/images/{gone}").gave(204)
    active = importing.client.create_active(b"x")
    stray = [gone, f"{gone}.uc", active, f".calotype-{active}-0123abcd", f"{active}.facts"]
    for name in stray:
        (staging / name).write_bytes(b"12345")
    kept = {"notes.txt", UNKNOWN, *importing.held()["staging"]} - set(stray)
    for name in ("notes.txt", UNKNOWN):
        (staging / name).write_bytes(b"not ours")
    assert leftovers(importing).sweep(0.0) == 0
    assert leftovers(importing).sweep(LATER) == 5 * len(stray)
    assert set(importing.held()["staging"]) == kept


def test_files_of_a_copy_that_glance_makes_are_left(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    importing.staged()
    glance_task(importing, image_id, "processing", timedelta(0))
    (importing.site.folder / "staging" / image_id).write_bytes(b"12345")
    assert leftovers(importing).sweep(LATER) == 0


def test_properties_of_an_import_are_told(importing: Importing) -> None:
    wanted = Wanted(method="copy-image", stores=("far",))
    image_id = importing.client.create_active(DATA)
    assert TO not in importing.client.image(image_id)
    importing.ask(image_id, wanted.method, importing.site.of(ADMIN), stores=["far"]).gave(202)
    image = importing.client.image(image_id)
    assert (image[TO], image[FAILED]) == ("far", "")
