"""Tasks: what the service does in the background, how far it is, and why it failed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from calotype_client.calls import Calls
from calotype_client.errors import NotFound, TaskFailed, TookTooLong
from calotype_client.images import path, segment
from calotype_client.model import Image, Task

#: Seconds between two looks at a task: at first, and at most.
FIRST_LOOK = 0.1
LAST_LOOK = 3.0

Look = Callable[[Task], None]


def _unseen(task: Task) -> None:
    """The look that nobody takes."""


@dataclass(frozen=True)
class Tasks:
    """Tasks of images, and, for admins, of the whole service."""

    _calls: Calls

    def of_image(self, image_id: str) -> list[Task]:
        """The tasks of an image that have not expired, the newest first."""
        tasks, _ = self._calls.json("GET", path(image_id, "tasks"), Task.page)
        return tasks

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[Task]:
        """All tasks, for admins, page by page as they are asked for."""
        params = {"limit": min(limit or 1000, 1000), **filters}
        return islice(self._calls.pages("/v2/tasks", Task.page, params), limit)

    def get(self, task_id: str) -> Task:
        """A task, for admins. Raises NotFound."""
        return self._calls.json("GET", f"/v2/tasks/{segment(task_id)}", Task.of)

    def hash(self, image: Image, algorithm: str | None = None) -> Task:
        """Have the digests of an image calculated; for admins. Raises Refused."""
        body = {"os_hash_algo": algorithm} if algorithm else {}
        return self._calls.json("POST", path(image.id, "hash"), Task.of, body)

    def wait(self, task: Task, *, timeout: float | None = None, progress: Look = _unseen) -> Task:
        """The task once it has succeeded. Raises TaskFailed with its reason, TookTooLong.

        `progress` is shown the task each time that it has come further.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        pause, seen = FIRST_LOOK, None
        while not task.ended:
            if deadline is not None and time.monotonic() > deadline:
                raise TookTooLong(f"Task {task.id} goes on after {timeout:g} seconds")
            time.sleep(pause)
            pause = min(pause * 1.5, LAST_LOOK)
            task = self._again(task)
            if (task.status, task.message) != seen:
                seen = (task.status, task.message)
                progress(task)
        if task.status == "failure":
            raise TaskFailed(f"Task {task.id} has failed: {task.message or 'no reason is given'}")
        return task

    def _again(self, task: Task) -> Task:
        if task.image_id is None:
            return self.get(task.id)
        for found in self.of_image(task.image_id):
            if found.id == task.id:
                return found
        raise NotFound(f"Task {task.id} is not there any more", 404)
