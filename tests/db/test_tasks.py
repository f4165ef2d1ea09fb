"""Tasks on each engine: the queue, the attempts, the end, and who gets to see them."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from calotype import errors
from calotype.db import tasks as rows
from calotype.db.engine import Database
from calotype.db.images import now
from calotype.db.leases import Leases
from calotype.db.tables import calotype_task_runs, task_info, tasks
from calotype.db.tasks import Ended, Tasks, lease_name
from calotype.model.task import Task, TaskStatus

IMAGE = "11111111-1111-4111-8111-111111111111"


def free(_connection: Connection) -> None:
    """A guard that lets everything pass."""


def taken(_connection: Connection) -> None:
    raise errors.ChangedMeanwhile()


def new_task(image_id: str | None = IMAGE, **more: Any) -> Task:
    fields: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "type": "calculate_hash",
        "status": TaskStatus.PENDING,
        "owner": "ours",
        "created_at": now(),
        "updated_at": now(),
        "image_id": image_id,
        "request_id": "req-1",
        "user_id": "anna",
        "input": {"os_hash_algo": "sha512", "text": "Ünï"},
    }
    return Task(**{**fields, **more})


def add(database: Database, *, slot: str | None = None, job: str = "some", **more: Any) -> Task:
    task = new_task(**more)
    undo = {"os_hash_algo": None, "os_hash_value": "ab"}
    database.transaction(lambda c: rows.add(c, task, job=job, slot=slot, undo=undo))
    return task


def end(database: Database, it: Tasks, task: Task, status: TaskStatus = TaskStatus.SUCCESS) -> None:
    database.transaction(lambda c: it.end(c, task.id, status, "over", {"some": 1}))


def change(database: Database, task: Task, **values: Any) -> None:
    with database.writing() as connection:
        connection.execute(update(tasks).where(tasks.c.id == task.id).values(**values))


def runs(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        wanted = select(calotype_task_runs.c.task_id, calotype_task_runs.c.attempts)
        return {row.task_id: row.attempts for row in connection.execute(wanted)}


def test_a_worker_hears_of_a_task_when_it_is_saved_and_not_before(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(database, "when_work_is_left", lambda: heard.append(len(runs(database))))
    with pytest.raises(KeyError), database.writing() as connection:
        rows.add(connection, new_task(), job="some")
        raise KeyError
    assert heard == []
    add(database)
    assert heard == [1]
    with database.writing():
        pass
    assert heard == [1]


@pytest.fixture
def it(database: Database) -> Tasks:
    return Tasks(database, hours=48)


def test_a_task_is_kept_as_it_was_given(database: Database, it: Tasks) -> None:
    task = add(database)
    assert it.get(task.id) == task
    with pytest.raises(errors.NotFound):
        it.get(str(uuid.uuid4()))


def test_who_asked_may_have_a_long_name(database: Database, it: Tasks) -> None:
    task = add(database, user_id="u" * 200, request_id="r" * 200)
    assert (it.get(task.id).user_id, it.get(task.id).request_id) == ("u" * 64, "r" * 64)


def test_a_slot_holds_one_task_until_that_has_ended(database: Database, it: Tasks) -> None:
    first = add(database, slot="hash:one")
    with pytest.raises(errors.Duplicate, match="hash:one"):
        add(database, slot="hash:one")
    add(database, slot="hash:two")
    with database.reading() as connection:
        assert rows.in_slot(connection, "hash:one") == first.id
        assert rows.in_slot(connection, "hash:none") is None
    end(database, it, first)
    add(database, slot="hash:one")


def test_nothing_of_a_refused_task_is_left(database: Database, it: Tasks) -> None:
    add(database, slot="hash:one")
    with pytest.raises(errors.Duplicate):
        add(database, slot="hash:one")
    assert len(it.of_image(IMAGE)) == 1


# -- the queue -------------------------------------------------------------------------------------


def test_the_oldest_is_first_also_within_a_second(database: Database, it: Tasks) -> None:
    added = [add(database, created_at=now()).id for _ in range(10)]
    assert list(it.waiting(100)) == added
    assert list(it.waiting(3)) == added[:3]


def test_what_is_running_does_not_wait(database: Database, it: Tasks) -> None:
    first, second = add(database), add(database)
    with Leases(database, 60).hold(lease_name(first.id)):
        assert list(it.waiting(100)) == [second.id]
    assert list(it.waiting(100)) == [first.id, second.id]


def test_only_jobs_that_the_asker_knows(database: Database, it: Tasks) -> None:
    """A worker of an older release leaves the tasks of newer ones alone."""
    add(database, job="new")
    known = add(database, job="old")
    assert list(it.waiting(100, ["old", "older"])) == [known.id]
    assert list(it.waiting(100, [])) == []


# -- attempts --------------------------------------------------------------------------------------


def test_beginning_counts_and_tells_what_to_do(database: Database, it: Tasks) -> None:
    task = add(database, job="some")
    run = it.begin(task.id, free)
    assert run is not None
    assert (run.attempts, run.job) == (1, "some")
    assert run.undo == {"os_hash_algo": None, "os_hash_value": "ab"}
    assert run.task == it.get(task.id)
    assert run.task.status is TaskStatus.PROCESSING
    again = it.begin(task.id, free)
    assert again is not None and again.attempts == 2
    it.hand_over(task.id)
    assert runs(database) == {task.id: 1}
    it.hand_over(task.id)
    it.hand_over(task.id)
    assert runs(database) == {task.id: 0}


def test_who_lost_the_lease_does_not_begin(database: Database, it: Tasks) -> None:
    task = add(database)
    with pytest.raises(errors.ChangedMeanwhile):
        it.begin(task.id, taken)
    assert runs(database) == {task.id: 0}
    assert it.get(task.id).status is TaskStatus.PENDING


def test_what_has_ended_is_not_begun(database: Database, it: Tasks) -> None:
    task = add(database)
    end(database, it, task)
    assert it.begin(task.id, free) is None
    assert it.begin(str(uuid.uuid4()), free) is None


@pytest.mark.parametrize("values", [{"status": "failure"}, {"deleted": True}])
def test_what_glance_ended_is_not_begun_and_waits_no_longer(
    database: Database, it: Tasks, values: dict[str, Any]
) -> None:
    task = add(database)
    change(database, task, **values)
    assert it.begin(task.id, free) is None
    assert runs(database) == {}


def test_reports_are_seen(database: Database, it: Tasks) -> None:
    task = add(database)
    it.begin(task.id, free)
    change(database, task, updated_at=now() - timedelta(hours=1))
    it.report(task.id, "Hashed 1 MiB", free)
    seen = it.get(task.id)
    assert seen.message == "Hashed 1 MiB"
    assert now() - seen.updated_at < timedelta(minutes=1)
    with pytest.raises(errors.ChangedMeanwhile):
        it.report(task.id, "Hashed 2 MiB", taken)
    assert it.get(task.id).message == "Hashed 1 MiB"
    end(database, it, task)
    with pytest.raises(Ended):
        it.report(task.id, "Hashed 3 MiB", free)


# -- the end ---------------------------------------------------------------------------------------


def test_a_task_ends_once(database: Database, it: Tasks) -> None:
    task = add(database)
    it.begin(task.id, free)
    end(database, it, task, TaskStatus.FAILURE)
    ended = it.get(task.id)
    assert (ended.status, ended.message, ended.result) == (TaskStatus.FAILURE, "over", {"some": 1})
    assert ended.expires_at is not None
    assert abs(ended.expires_at - now() - timedelta(hours=48)) < timedelta(minutes=1)
    with pytest.raises(Ended):
        end(database, it, task, TaskStatus.SUCCESS)
    assert it.get(task.id) == ended
    assert runs(database) == {}


def test_what_glance_ended_is_not_ended_otherwise(database: Database, it: Tasks) -> None:
    task = add(database)
    it.begin(task.id, free)
    change(database, task, status="failure")
    with pytest.raises(Ended):
        end(database, it, task)
    assert it.get(task.id).status is TaskStatus.FAILURE
    assert runs(database) == {task.id: 1}  # the next one that looks at it clears it away


def test_an_end_that_is_not_saved_is_none(database: Database, it: Tasks) -> None:
    task = add(database)

    def fail(connection: Connection) -> None:
        it.end(connection, task.id, TaskStatus.SUCCESS, "over")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.transaction(fail)
    assert it.get(task.id) == task
    assert list(it.waiting(10)) == [task.id]


# -- who sees what ---------------------------------------------------------------------------------


def test_the_tasks_of_an_image_newest_first(database: Database, it: Tasks) -> None:
    first = add(database, created_at=now() - timedelta(hours=2))
    second = add(database, owner="operations", created_at=now() - timedelta(hours=1))
    add(database, image_id=None)
    add(database, image_id=str(uuid.uuid4()))
    assert it.of_image(IMAGE) == [it.get(second.id), it.get(first.id)]
    assert it.of_image(str(uuid.uuid4())) == []


def test_expired_and_removed_ones_are_not_shown(database: Database, it: Tasks) -> None:
    lasting, expired, removed = add(database), add(database), add(database)
    for task in (lasting, expired):
        end(database, it, task)
    change(database, expired, expires_at=now() - timedelta(seconds=1))
    change(database, removed, deleted=True)
    assert [task.id for task in it.of_image(IMAGE)] == [lasting.id]


def test_what_glance_wrote_is_shown(database: Database, it: Tasks) -> None:
    """Times of its own making, no info at all, or a text that is no JSON."""
    bare = {"type": "api_image_import", "status": "processing", "owner": "ours", "deleted": False}
    with database.writing() as connection:
        for number in (1, 2):
            row = {"id": f"glance-{number}", "image_id": IMAGE, "created_at": now(), **bare}
            connection.execute(insert(tasks).values(**row))
        connection.execute(insert(task_info).values(task_id="glance-1", input="{broken"))
    found = it.of_image(IMAGE)
    assert [task.id for task in found] == ["glance-2", "glance-1"]
    for task in found:
        assert (task.input, task.result, task.message) == (None, None, "")
        assert task.updated_at == task.created_at


def test_expired_tasks_are_taken_out_of_sight_for_good(
    database: Database, it: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "BATCH", 2)
    lasting, going_on = add(database), add(database)
    end(database, it, lasting)
    for _ in range(5):
        task = add(database)
        end(database, it, task)
        change(database, task, expires_at=now() - timedelta(seconds=1))
    assert it.remove_expired() == 5
    assert it.remove_expired() == 0
    with database.reading() as connection:
        alive = select(tasks.c.id).where(tasks.c.deleted.is_(False))
        assert set(connection.scalars(alive)) == {lasting.id, going_on.id}


# -- at once ---------------------------------------------------------------------------------------


def together(count: int, work: Callable[[int], None]) -> None:
    """Do `work` on that many threads that begin at the same moment."""
    barrier, trouble = threading.Barrier(count), []

    def run(number: int) -> None:
        barrier.wait()
        try:
            work(number)
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []


def test_one_of_many_gets_the_slot(database: Database) -> None:
    got, refused = [], []

    def ask(number: int) -> None:
        try:
            got.append(add(database, slot="hash:one").id)
        except errors.Duplicate:
            refused.append(number)

    together(8, ask)
    assert (len(got), len(refused)) == (1, 7)
    assert list(runs(database)) == got


def test_one_of_many_ends_a_task(database: Database, it: Tasks) -> None:
    task = add(database)
    ended: list[int] = []

    def finish(number: int) -> None:
        try:
            end(database, it, task)
            ended.append(number)
        except Ended:
            pass

    together(8, finish)
    assert len(ended) == 1
