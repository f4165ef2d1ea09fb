"""Runs tasks: claims one by its lease, does its job, and sees to it that it ends.

A task that fails is undone and says why. A task whose process dies is taken by another worker when
its lease has ended, at most `attempts` times; then it is given up like one that failed. Only deaths
count: not attempts that are left to another worker, on SIGTERM or while the database is away.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from sqlalchemy import Connection

from calotype import errors
from calotype.db.leases import Lease, Leases
from calotype.db.tasks import Ended, Run, Tasks, lease_name
from calotype.model.task import TaskStatus

LOG = logging.getLogger(__name__)

#: Most seconds between looks for waiting tasks; with a short lease it is a tenth of that.
LOOK = 0.5
#: Seconds between reports of a running task.
REPORT = 1.0
#: How often a task is begun again only because it could not be undone.
UNDOES = 3
#: Most seconds for which this process leaves a task alone that it could not bring to an end.
REST = 60.0
#: Seconds between two removals of expired tasks.
EXPIRE = 3600.0

GIVEN_UP = "Given up: in each of {} attempts the worker died, or could not bring this to an end"
DEFECT = "The service failed to do this; its log tells the operator why"
NOT_UNDONE = "What had been done could not be undone; the log of the service tells the operator why"


class HandedOver(Exception):
    """This process stops; another one will do the task from its last safe step."""


class Lost(Exception):
    """Another worker has the task now, or it was ended from outside."""


@dataclass
class Work:
    """One attempt at a task, as its job sees it."""

    run: Run
    tasks: Tasks
    lease: Lease
    stop: threading.Event
    _reported: float = 0.0
    _confirmed: float = field(default_factory=time.monotonic)

    def step(self, message: str) -> None:
        """Call between blocks and steps: says how far the work is, at most once a second.

        Goes on without the database for as long as the lease surely lives. Raises HandedOver when
        the process stops, Lost when the task is no longer ours, DatabaseUnavailable.
        """
        if self.stop.is_set():
            raise HandedOver()
        if time.monotonic() < self._reported + REPORT:
            return
        self._reported = time.monotonic()
        guard = partial(confirm, self.lease)
        try:
            self._guarded(lambda: self.tasks.report(self.run.task.id, message, guard))
        except Ended as error:
            raise Lost() from error

    def pause(self, seconds: float) -> None:
        """Wait. Raises HandedOver when the process stops."""
        if self.stop.wait(seconds):
            raise HandedOver()

    def save(self, change: Callable[[Connection], None]) -> None:
        """Make a change in one transaction, if the task is still ours.

        Tried again while the database is away and the lease surely lives. Raises as `step` does,
        and what `change` raises.
        """

        def guarded(connection: Connection) -> None:
            confirm(self.lease, connection)
            change(connection)

        saved = False
        while not saved:
            saved = self._guarded(lambda: self.tasks.transaction(guarded))
            if not saved:
                self.pause(LOOK)

    def _guarded(self, ask: Callable[[], None]) -> bool:
        """Ask the database something that renews the lease; False when it does not answer now."""
        begun = time.monotonic()
        try:
            ask()
        except errors.DatabaseUnavailable as error:
            if time.monotonic() > self._confirmed + self.lease.seconds:
                raise
            LOG.warning("Task %s goes on without the database: %s", self.run.task.id, error)
            return False
        self._confirmed = begun
        return True


def confirm(lease: Lease, connection: Connection) -> None:
    """As `Lease.confirm`, but raises Lost."""
    try:
        lease.confirm(connection)
    except errors.ChangedMeanwhile as error:
        raise Lost() from error


class Job(Protocol):
    """What a kind of task does."""

    def do(self, work: Work) -> None:
        """Do it and end the task, in one transaction with what it saves.

        May be begun again from the start after a crash. Raises what shall be the reason of its
        failure; the message is shown to the user.
        """
        ...

    def give_up(self, run: Run, reason: str) -> None:
        """Put things back as they were and end the task as failed, in one transaction."""
        ...


class Runner:
    """Runs tasks on threads of this process. `attempts`: how often one may be begun."""

    def __init__(
        self, tasks: Tasks, leases: Leases, jobs: Mapping[str, Job], attempts: int, threads: int
    ) -> None:
        self._tasks = tasks
        self._leases = leases
        self._jobs = jobs
        self._attempts = attempts
        self._threads = threads
        self._running: set[str] = set()
        self._resting: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()
        self._awake = threading.Event()

    def wake(self) -> None:
        """Have `run` look for tasks now."""
        self._awake.set()

    def run(self, stop: threading.Event) -> None:
        """Run what waits until `stop` is set; returns when the running tasks are handed over."""
        look = min(LOOK, self._leases.seconds / 10)
        next_expiry = 0.0
        with ThreadPoolExecutor(self._threads, thread_name_prefix="task") as pool:
            while not stop.is_set():
                self._awake.clear()
                try:
                    self._start_waiting(pool, stop)
                    if time.monotonic() >= next_expiry:
                        next_expiry = time.monotonic() + EXPIRE
                        self._tasks.remove_expired()
                except errors.DatabaseUnavailable as error:
                    LOG.warning("Cannot look for tasks now: %s", error)
                    stop.wait(LOOK)
                except Exception:  # the loop goes on whatever one look met
                    LOG.exception("Cannot look for tasks; trying again")
                self._awake.wait(look)

    def run_waiting(self, stop: threading.Event | None = None) -> None:
        """Run what waits now, one after the other."""
        for task_id in self._tasks.waiting(1000, self._jobs):
            self.run_one(task_id, stop or threading.Event())

    def run_one(self, task_id: str, stop: threading.Event) -> None:
        """Make one attempt at a task; returns at once when another worker has it."""
        with ExitStack() as held:
            try:
                lease = held.enter_context(self._leases.hold(lease_name(task_id)))
                run = self._tasks.begin(task_id, partial(confirm, lease))
            except (errors.Conflict, Lost) as error:
                LOG.debug("Task %s is left to another worker: %s", task_id, error)
                return
            if run is not None:
                self._attempt(Work(run, self._tasks, lease, stop))

    def _start_waiting(self, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        with self._lock:
            resting = {one for one, (_, until) in self._resting.items() if until > time.monotonic()}
            passed_over = self._running | resting
            free = self._threads - len(self._running)
        if free <= 0:
            return
        found = self._tasks.waiting(free + len(passed_over), self._jobs)
        for task_id in [one for one in found if one not in passed_over][:free]:
            with self._lock:
                self._running.add(task_id)
            pool.submit(self._run_and_forget, task_id, stop)

    def _run_and_forget(self, task_id: str, stop: threading.Event) -> None:
        try:
            if not stop.is_set():
                self.run_one(task_id, stop)
        except Exception:
            LOG.exception("Task %s: it will be tried again", task_id)
            self._rest(task_id)
        else:
            with self._lock:
                self._resting.pop(task_id, None)
        finally:
            with self._lock:
                self._running.discard(task_id)
            self._awake.set()

    def _rest(self, task_id: str) -> None:
        """Leave a task alone for a while, each time twice as long: it must not fill the log."""
        with self._lock:
            seconds = min(REST, 2 * self._resting.get(task_id, (0.25, 0.0))[0])
            self._resting[task_id] = (seconds, time.monotonic() + seconds)

    def _attempt(self, work: Work) -> None:
        try:
            reason = self._reason_of_failure(work)
            if reason is not None:
                self._give_up(work, reason)
            return
        except Ended:
            LOG.info("Task %s has ended already", work.run.task.id)
            return
        except HandedOver:
            why = "this process stops"
        except Lost:
            why = "it is no longer ours"
        except errors.DatabaseUnavailable as error:
            why = error.message
        LOG.warning("Task %s is left to another attempt: %s", work.run.task.id, why)
        self._discount(work)

    def _reason_of_failure(self, work: Work) -> str | None:
        """Do the job; None when it is done."""
        run, task = work.run, work.run.task
        if run.attempts > self._attempts:
            return GIVEN_UP.format(self._attempts)
        LOG.info("Task %s (%s) of image %s begins", task.id, run.job, task.image_id)
        try:
            self._jobs[run.job].do(work)
        except (HandedOver, Lost, Ended, errors.DatabaseUnavailable):
            raise
        except errors.Error as error:
            LOG.warning("Task %s failed: %s", task.id, error)
            return error.message
        except Exception:
            LOG.exception("Task %s failed by a defect", task.id)
            return DEFECT
        LOG.info("Task %s is done", task.id)
        return None

    def _give_up(self, work: Work, reason: str) -> None:
        """Undo the task and end it as failed; if that cannot be done, at least end it."""
        run = work.run
        # What failed may have failed only because another worker is at it.
        work.save(lambda connection: None)
        try:
            self._jobs[run.job].give_up(run, reason)
        except (Ended, Lost, errors.DatabaseUnavailable):
            raise
        except Exception:
            if run.attempts < self._attempts + UNDOES:
                raise
            LOG.exception("Task %s: cannot be undone", run.task.id)
            end = partial(
                self._tasks.end,
                task_id=run.task.id,
                status=TaskStatus.FAILURE,
                message=f"{reason}. {NOT_UNDONE}",
            )
            work.save(end)
        LOG.warning("Task %s is given up: %s", run.task.id, reason)

    def _discount(self, work: Work) -> None:
        """Make the attempt not count, as soon as the database lets us."""
        while True:
            try:
                self._tasks.hand_over(work.run.task.id)
                return
            except errors.DatabaseUnavailable as error:
                LOG.warning("Task %s waits for the database: %s", work.run.task.id, error)
            if work.stop.wait(LOOK):
                return
