"""The runner: every task ends, says why, and only deaths count."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise

import pytest
from sqlalchemy import Connection

from calotype import errors
from calotype.db.leases import Leases
from calotype.db.tasks import Run, Tasks
from calotype.model.task import TaskStatus
from calotype.worker import runner as module
from calotype.worker.runner import DEFECT, GIVEN_UP, NOT_UNDONE, Runner, Work
from tests.worker.jobs import Queue, on_each_engine

#: Seconds after which a test that waits has failed.
PATIENCE = 60


def fail(error: Exception) -> Callable[[object], None]:
    def do(_it: object) -> None:
        raise error

    return do


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


@contextmanager
def running(queue: Queue, runner: Runner) -> Iterator[None]:
    """The runner's loop on a thread, until the block ends."""
    with ThreadPoolExecutor(1) as pool:
        loop = pool.submit(runner.run, queue.stop)
        try:
            yield
        finally:
            queue.stop.set()
            loop.result(PATIENCE)


# -- one attempt -----------------------------------------------------------------------------------


@on_each_engine
def test_a_task_that_is_done_has_ended(queue: Queue) -> None:
    ended = queue.run_one(queue.add())
    assert (ended.status, ended.message) == (TaskStatus.SUCCESS, "well done")
    assert queue.waiting() == []


@on_each_engine
def test_a_task_that_fails_says_why(queue: Queue) -> None:
    queue.job.does = fail(errors.StoreError("The disk is on fire"))
    ended = queue.run_one(queue.add())
    assert (ended.status, ended.message) == (TaskStatus.FAILURE, "The disk is on fire")
    assert queue.job.given_up == ["The disk is on fire"]
    assert queue.waiting() == []


def test_a_defect_is_told_to_the_log_only(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    queue.job.does = fail(KeyError("secret detail"))
    ended = queue.run_one(queue.add())
    assert (ended.status, ended.message) == (TaskStatus.FAILURE, DEFECT)
    assert "secret detail" in caplog.text


def test_what_has_ended_is_not_run_again(queue: Queue) -> None:
    task_id = queue.add()
    queue.run_one(task_id)
    queue.run_one(task_id)
    assert queue.job.done == [task_id]


def test_what_another_worker_has_is_left_alone(queue: Queue) -> None:
    task_id = queue.add()
    with Leases(queue.database, 60).hold(f"task:{task_id}"):
        assert queue.run_one(task_id).status is TaskStatus.PENDING
    assert queue.job.done == []
    assert queue.attempts(task_id) == 0


# -- attempts that count, and those that do not ----------------------------------------------------


@on_each_engine
def test_after_so_many_deaths_it_is_given_up(queue: Queue) -> None:
    task_id = queue.add()
    queue.die(task_id)
    queue.die(task_id)
    ended = queue.run_one(task_id, attempts=2)
    assert (ended.status, ended.message) == (TaskStatus.FAILURE, GIVEN_UP.format(2))
    assert queue.job.done == []
    assert queue.job.given_up == [GIVEN_UP.format(2)]


def test_one_death_less_and_it_is_done(queue: Queue) -> None:
    task_id = queue.add()
    queue.die(task_id)
    assert queue.run_one(task_id, attempts=2).status is TaskStatus.SUCCESS


@on_each_engine
def test_a_process_that_stops_hands_over_at_the_next_step(queue: Queue) -> None:
    def do(work: Work) -> None:
        work.step("one")
        queue.stop.set()
        work.step("two")
        pytest.fail("it went on")

    queue.job.does = do
    task_id = queue.add()
    left = queue.run_one(task_id, attempts=1)
    assert (left.status, left.message) == (TaskStatus.PROCESSING, "one")
    assert queue.waiting() == [task_id]
    assert queue.attempts(task_id) == 0
    queue.stop.clear()
    queue.job.does = lambda work: None
    assert queue.run_one(task_id, attempts=1).status is TaskStatus.SUCCESS


def test_a_pause_ends_when_the_process_stops(queue: Queue) -> None:
    def do(work: Work) -> None:
        threading.Timer(0.05, queue.stop.set).start()
        work.pause(PATIENCE)
        pytest.fail("it went on")

    queue.job.does = do
    task_id = queue.add()
    queue.run_one(task_id)
    assert queue.waiting() == [task_id]


# -- who was too slow ------------------------------------------------------------------------------


@on_each_engine
def test_who_lost_the_lease_learns_of_it_at_the_next_step(queue: Queue) -> None:
    def do(work: Work) -> None:
        queue.take_over(work.run.task.id)
        work.step("still here")
        pytest.fail("it went on")

    queue.job.does = do
    task_id = queue.add()
    left = queue.run_one(task_id)
    assert (left.status, left.message) == (TaskStatus.PROCESSING, "")
    assert queue.attempts(task_id) == 0
    assert queue.job.given_up == []


def test_who_lost_the_lease_cannot_end_the_task(queue: Queue) -> None:
    queue.job.does = lambda work: queue.take_over(work.run.task.id)
    assert queue.run_one(queue.add()).status is TaskStatus.PROCESSING
    assert queue.job.given_up == []


def test_who_lost_the_lease_and_failed_cannot_fail_the_task(queue: Queue) -> None:
    def do(work: Work) -> None:
        queue.take_over(work.run.task.id)
        raise errors.StoreError("somebody took the file away")

    queue.job.does = do
    assert queue.run_one(queue.add()).status is TaskStatus.PROCESSING
    assert queue.job.given_up == []


def test_who_loses_the_lease_while_giving_up_undoes_nothing(queue: Queue) -> None:
    undone = []

    def take_over(run: Run, give_up: Callable[[Run, str], None] = queue.job.give_up) -> None:
        queue.take_over(run.task.id)
        give_up(run, "late")

    queue.job.does = fail(errors.StoreError("broken"))
    queue.job.undoes = lambda run: undone.append(run)
    queue.job.give_up = lambda run, reason: take_over(run)  # type: ignore[method-assign]
    assert queue.run_one(queue.add()).status is TaskStatus.PROCESSING
    assert undone == []


def test_what_was_ended_from_outside_is_left_so(queue: Queue) -> None:
    """As Glance does on the same database when it breaks a lock."""

    def do(work: Work) -> None:
        queue.database.transaction(
            lambda c: queue.tasks.end(c, work.run.task.id, TaskStatus.FAILURE, "preempted")
        )
        work.step("still here")
        pytest.fail("it went on")

    queue.job.does = do
    ended = queue.run_one(queue.add())
    assert (ended.status, ended.message) == (TaskStatus.FAILURE, "preempted")


# -- without the database --------------------------------------------------------------------------


class Troubled(Tasks):
    """Tasks in a database that is away when it is said so."""

    def __init__(self, queue: Queue) -> None:
        super().__init__(queue.database, 48)
        self.away = 0
        self.loses_answers = 0
        self.asked = 0

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            self.away -= 1
            raise errors.DatabaseUnavailable()

    def report(self, task_id: str, message: str, guard: Callable[[Connection], None]) -> None:
        self._ask()
        super().report(task_id, message, guard)

    def transaction(self, work: Callable[[Connection], None]) -> None:
        self._ask()
        super().transaction(work)
        if self.loses_answers:
            self.loses_answers -= 1
            raise errors.DatabaseUnavailable()

    def hand_over(self, task_id: str) -> None:
        self._ask()
        super().hand_over(task_id)

    def waiting(self, limit: int, jobs: Collection[str] | None = None) -> Sequence[str]:
        self._ask()
        return super().waiting(limit, jobs)


@pytest.fixture
def troubled(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Troubled:
    monkeypatch.setattr(module, "REPORT", 0.0)
    monkeypatch.setattr(module, "LOOK", 0.01)
    return Troubled(queue)


def test_a_task_goes_on_without_the_database_while_its_lease_lives(
    queue: Queue, troubled: Troubled
) -> None:
    def do(work: Work) -> None:
        work.step("one")
        troubled.away = 3
        for message in ("two", "three", "four", "five"):
            work.step(message)
        assert queue.tasks.get(work.run.task.id).message == "five"

    queue.job.does = do
    assert queue.run_one(queue.add(), tasks=troubled).status is TaskStatus.SUCCESS


def test_a_task_stops_when_its_lease_may_have_ended(queue: Queue, troubled: Troubled) -> None:
    def do(work: Work) -> None:
        work._confirmed -= queue.leases.seconds + 1  # as long ago as a lease lives
        troubled.away = 2
        work.step("one")
        pytest.fail("it went on")

    queue.job.does = do
    task_id = queue.add()
    queue.run_one(task_id, tasks=troubled, attempts=1)
    assert queue.waiting() == [task_id]
    assert queue.attempts(task_id) == 0  # counted off as soon as the database was back
    assert queue.job.given_up == []


def test_what_is_done_is_saved_as_soon_as_the_database_is_back(
    queue: Queue, troubled: Troubled
) -> None:
    def do(_work: Work) -> None:
        troubled.away = 5

    queue.job.does = do
    queue.job._tasks = troubled
    task_id = queue.add()
    assert queue.run_one(task_id, tasks=troubled).status is TaskStatus.SUCCESS
    assert queue.job.done == [task_id]
    assert troubled.asked > 5


def test_an_end_whose_answer_was_lost_is_an_end(queue: Queue, troubled: Troubled) -> None:
    def do(_work: Work) -> None:
        troubled.loses_answers = 1

    queue.job.does = do
    ended = queue.run_one(queue.add(), tasks=troubled)
    assert (ended.status, ended.message) == (TaskStatus.SUCCESS, "well done")
    assert queue.job.given_up == []


def test_a_stopping_process_does_not_wait_for_the_database(
    queue: Queue, troubled: Troubled
) -> None:
    def do(work: Work) -> None:
        queue.stop.set()
        troubled.away = 10**9
        work.step("one")

    queue.job.does = do
    task_id = queue.add()
    queue.runner(tasks=troubled).run_one(task_id, queue.stop)
    assert queue.attempts(task_id) == 1  # it could not be counted off


def test_the_loop_outlives_the_database(queue: Queue, troubled: Troubled) -> None:
    troubled.away = 5
    task_id = queue.add()
    with running(queue, queue.runner(tasks=troubled)):
        until(lambda: queue.tasks.get(task_id).status is TaskStatus.SUCCESS)
    assert troubled.asked > 5


# -- what cannot be undone -------------------------------------------------------------------------


@on_each_engine
def test_a_task_that_cannot_be_undone_ends_all_the_same(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    queue.job.does = fail(errors.StoreError("broken"))
    queue.job.undoes = fail(RuntimeError("and stuck"))
    task_id = queue.add()
    for _ in range(1 + module.UNDOES):
        with pytest.raises(RuntimeError):
            queue.run_one(task_id, attempts=2)
        assert queue.tasks.get(task_id).status is TaskStatus.PROCESSING
    ended = queue.run_one(task_id, attempts=2)
    assert ended.status is TaskStatus.FAILURE
    assert ended.message == f"{GIVEN_UP.format(2)}. {NOT_UNDONE}"
    assert "and stuck" in caplog.text


def test_a_task_that_could_not_be_ended_rests_longer_each_time(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    runner = queue.runner(attempts=3)
    rest = runner._rest

    def shorter(task_id: str) -> None:
        rest(task_id)
        seconds, _ = runner._resting[task_id]
        pauses.append(seconds)
        runner._resting[task_id] = (seconds, 0.0)

    monkeypatch.setattr(runner, "_rest", shorter)
    queue.job.does = fail(errors.StoreError("broken"))
    queue.job.undoes = fail(RuntimeError("and stuck"))
    task_id = queue.add()
    with running(queue, runner):
        until(lambda: queue.attempts(task_id) is None)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert runner._resting == {}


def test_a_task_that_rests_lets_others_pass(queue: Queue) -> None:
    stuck = queue.add()

    def do(work: Work) -> None:
        if work.run.task.id == stuck:
            raise errors.StoreError("broken")

    def undo(_run: Run) -> None:
        raise RuntimeError("and stuck")

    queue.job.does = do
    queue.job.undoes = undo
    with running(queue, queue.runner(threads=1)):
        until(lambda: len(queue.job.given_up) > 0)
        others = [queue.add() for _ in range(5)]
        until(lambda: all(queue.attempts(other) is None for other in others))


# -- many ------------------------------------------------------------------------------------------


def test_the_oldest_begins_first(queue: Queue) -> None:
    added = [queue.add() for _ in range(20)]
    with running(queue, queue.runner(threads=1)):
        until(lambda: queue.waiting() == [])
    assert queue.job.done == added


def test_no_more_at_once_than_there_are_threads(queue: Queue) -> None:
    gate, begun = threading.Event(), threading.Semaphore(0)

    def do(_work: Work) -> None:
        begun.release()
        assert gate.wait(PATIENCE)

    queue.job.does = do
    added = [queue.add() for _ in range(7)]
    with running(queue, queue.runner(threads=3)):
        for _ in range(3):
            assert begun.acquire(timeout=PATIENCE)
        assert not begun.acquire(timeout=1.2)  # it looked for more at least twice
        assert queue.waiting() == added[3:]
        gate.set()
        until(lambda: queue.waiting() == [])
    assert sorted(queue.job.done) == sorted(added)


def test_a_free_thread_does_not_wait_for_the_next_look(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", float(PATIENCE))
    leases = Leases(queue.database, 100 * PATIENCE)
    added = [queue.add() for _ in range(10)]

    def do(work: Work) -> None:
        if work.run.task.id == added[-1]:
            queue.stop.set()  # the loop looks at this when a task has ended, and not before

    queue.job.does = do
    with running(queue, queue.runner(threads=1, leases=leases)):
        assert queue.stop.wait(PATIENCE / 2)
    assert queue.waiting() == []


def test_a_runner_that_is_woken_looks_at_once(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", float(PATIENCE))
    runner = queue.runner(threads=1, leases=Leases(queue.database, 100 * PATIENCE))
    first = queue.add()
    with running(queue, runner):
        until(lambda: queue.job.done == [first])
        queue.job.does = lambda work: queue.stop.set()
        second = queue.add()
        runner.wake()
        assert queue.stop.wait(PATIENCE / 2)
    assert queue.job.done == [first, second]


def test_tasks_of_a_newer_release_are_left_to_it(queue: Queue) -> None:
    newer, ours = queue.add(job="newer"), queue.add()
    with running(queue, queue.runner(threads=1)):
        until(lambda: queue.attempts(ours) is None)
    assert queue.attempts(newer) == 0
    queue.stop.clear()
    queue.runner().run_waiting()
    assert queue.waiting() == [newer]


def test_what_is_running_is_handed_over_at_the_end(queue: Queue) -> None:
    begun = threading.Semaphore(0)

    def do(work: Work) -> None:
        begun.release()
        work.pause(PATIENCE)

    queue.job.does = do
    added = [queue.add() for _ in range(4)]
    with running(queue, queue.runner(threads=2)):
        for _ in range(2):
            assert begun.acquire(timeout=PATIENCE)
    assert queue.waiting() == added
    assert [queue.attempts(task_id) for task_id in added] == [0, 0, 0, 0]


def test_the_loop_removes_what_has_expired(queue: Queue) -> None:
    queue.tasks = Tasks(queue.database, hours=-1)
    queue.job = type(queue.job)(queue.tasks)
    task_id = queue.add()
    queue.run_one(task_id)
    with running(queue, queue.runner()):
        until(lambda: _gone(queue, task_id))


def _gone(queue: Queue, task_id: str) -> bool:
    try:
        queue.tasks.get(task_id)
    except errors.NotFound:
        return True
    return False


def test_progress_is_said_often_enough_and_not_too_often(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    said = []

    def do(work: Work) -> None:
        for tick in range(100):
            clock[0] += 0.1
            work.step(str(tick))
            said.append(queue.tasks.get(work.run.task.id).message)

    queue.job.does = do
    queue.run_one(queue.add())
    reports = sorted({int(message) for message in said})
    gaps = [later - earlier for earlier, later in pairwise(reports)]
    assert reports[0] == 0
    assert 10 <= min(gaps) <= max(gaps) < 20  # tenths of seconds
