"""What is being done, and what was: with one image, for those who may see it, and with all."""

from collections.abc import Mapping
from typing import Any

from calotype.caller import Caller
from calotype.db.tasks import Tasks as Rows
from calotype.model.filter import TaskFilter, Viewer
from calotype.model.task import Task
from calotype.policy.enforcer import Policy
from calotype.services.gate import Gate
from calotype.services.images import Images
from calotype.services.imports import Imports

#: The one rule of the tasks API.
RULE = "tasks_api_access"


class Tasks:
    """The use cases around tasks."""

    def __init__(
        self, tasks: Rows, gate: Gate, policy: Policy, images: Images, imports: Imports
    ) -> None:
        self._tasks = tasks
        self._gate = gate
        self._policy = policy
        self._images = images
        self._imports = imports

    def of_image(self, caller: Caller, image_id: str) -> list[Task]:
        """The tasks of an image that have not expired, whoever began them. Reading changes none."""
        image = self._gate.image(caller, image_id)
        return self._tasks.of_image(image.id)

    def list(self, caller: Caller, wanted: TaskFilter) -> tuple[list[Task], str | None]:
        """One page of the tasks the caller sees, and the id the next page begins after, if any."""
        self._policy.check(caller, RULE, _target(caller))
        found = self._tasks.find(wanted, _viewer(caller))
        return found, found[-1].id if found and len(found) == wanted.limit else None

    def show(self, caller: Caller, task_id: str) -> Task:
        """The task. Raises Denied, NotFound."""
        self._policy.check(caller, RULE, _target(caller))
        return self._tasks.show(task_id, _viewer(caller))

    def create(
        self, caller: Caller, uri: str, fields: Mapping[str, Any], given: Mapping[str, Any]
    ) -> Task:
        """Make an image with these fields and begin to import its data from an address.

        `given`: the input that the task shows. Raises Denied, Invalid, Duplicate, OverLimit.
        """
        self._policy.check(caller, RULE, _target(caller))
        image = self._images.plan(caller, fields)
        return self._imports.start_new(caller, image, uri, given)


def _target(caller: Caller) -> dict[str, str | None]:
    return {"project_id": caller.project_id, "owner": caller.project_id}


def _viewer(caller: Caller) -> Viewer:
    return Viewer(caller.project_id, caller.is_admin)
