"""Runs tasks: claims one by its lease, does its job, and sees to it that it ends.

A task that fails is undone and says why. A task whose process dies is taken by another worker when
its lease has ended, at most `attempts` times; then it is given up like one that failed. On SIGTERM
the running tasks stop at their next step and are left to another worker, which does not count.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from calotype import errors
from calotype.db.leases import Lease, Leases
from calotype.db.tasks import Run, Tasks, lease_name

LOG = logging.getLogger(__name__)

#: Seconds between looks for waiting tasks.
LOOK = 0.5
#: Seconds between reports of a running task.
REPORT = 1.0


class HandedOver(Exception):
    """This process stops; another one will do the task from its last safe step."""


class Lost(Exception):
    """Another worker has the task now."""


@dataclass
class Work:
    """One attempt at a task, as its job sees it."""

    run: Run
    tasks: Tasks
    lease: Lease
    stopping: Callable[[], bool]
    _reported: float = 0.0

    def step(self, message: str) -> None:
        """Call between blocks and steps: says how far the work is, at most once a second.

        Raises HandedOver when the process stops, Lost when the lease was lost.
        """
        if self.stopping():
            raise HandedOver()
        if time.monotonic() < self._reported + REPORT:
            return
        try:
            self.tasks.report(self.run.task.id, message, self.lease.confirm)
        except errors.ChangedMeanwhile as error:
            raise Lost() from error
        self._reported = time.monotonic()


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
        self._lock = threading.Lock()

    def run(self, stop: threading.Event, look: float = LOOK) -> None:
        """Run what waits until `stop` is set; returns when the running tasks are handed over."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="task") as pool:
            while not stop.is_set():
                try:
                    self._start_waiting(pool, stop)
                except Exception:  # the database may be away for a while
                    LOG.exception("Cannot look for tasks; trying again")
                stop.wait(look)

    def run_waiting(self, stop: threading.Event | None = None) -> None:
        """Run what waits now, one after the other."""
        for task_id in self._tasks.waiting(limit=1000):
            self._run(task_id, stop or threading.Event())

    def _start_waiting(self, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        with self._lock:
            free = self._threads - len(self._running)
        if free <= 0:
            return
        for task_id in self._tasks.waiting(limit=free + len(self._running)):
            with self._lock:
                if task_id in self._running or len(self._running) >= self._threads:
                    continue
                self._running.add(task_id)
            pool.submit(self._run_and_forget, task_id, stop)

    def _run_and_forget(self, task_id: str, stop: threading.Event) -> None:
        try:
            self._run(task_id, stop)
        except Exception:
            LOG.exception("Task %s: it will be tried again", task_id)
        finally:
            with self._lock:
                self._running.discard(task_id)

    def _run(self, task_id: str, stop: threading.Event) -> None:
        try:
            with self._leases.hold(lease_name(task_id)) as lease:
                run = self._tasks.begin(task_id)
                if run is not None:
                    self._attempt(Work(run, self._tasks, lease, stop.is_set))
        except errors.Conflict:
            LOG.debug("Task %s: another worker has it", task_id)

    def _attempt(self, work: Work) -> None:
        run, task = work.run, work.run.task
        job = self._jobs[run.job]
        if run.attempts > self._attempts:
            job.give_up(run, f"Given up: the worker died in each of {self._attempts} attempts")
            return
        LOG.info("Task %s (%s) of image %s begins", task.id, run.job, task.image_id)
        try:
            job.do(work)
        except HandedOver:
            self._tasks.hand_over(task.id)
            LOG.info("Task %s: left to another worker", task.id)
        except Lost:
            LOG.warning("Task %s: another worker has taken it over", task.id)
        except errors.DatabaseUnavailable:
            raise  # nothing can be saved now: the task waits and is begun again
        except errors.Error as error:
            LOG.warning("Task %s failed: %s", task.id, error)
            job.give_up(run, error.message)
        except Exception:
            LOG.exception("Task %s failed by a defect", task.id)
            job.give_up(run, "The service failed to do this; its log tells the operator why")
        else:
            LOG.info("Task %s is done", task.id)
