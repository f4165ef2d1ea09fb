"""What is being done with an image, and what was, for those who may see the image."""

from calotype.caller import Caller
from calotype.db.tasks import Tasks as Rows
from calotype.model.task import Task
from calotype.services.gate import Gate


class Tasks:
    """The use cases around tasks."""

    def __init__(self, tasks: Rows, gate: Gate) -> None:
        self._tasks = tasks
        self._gate = gate

    def of_image(self, caller: Caller, image_id: str) -> list[Task]:
        """The tasks of an image that have not expired, whoever began them. Reading changes none."""
        image = self._gate.image(caller, image_id)
        return self._tasks.of_image(image.id)
