"""A task: work on an image that goes on after the answer was given.

Rule 1: only `Task.moved_to` changes a status, and it consults MAY_FOLLOW.
Rule 2: a task that has ended says why in `message` when it failed, and expires later.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Self

from calotype import errors


class TaskStatus(StrEnum):
    """How far a task is."""

    PENDING = "pending"
    PROCESSING = "processing"
    SUCCESS = "success"
    FAILURE = "failure"


#: Which statuses may follow each.
MAY_FOLLOW: Mapping[TaskStatus, frozenset[TaskStatus]] = MappingProxyType(
    {
        TaskStatus.PENDING: frozenset({TaskStatus.PROCESSING, TaskStatus.FAILURE}),
        TaskStatus.PROCESSING: frozenset({TaskStatus.SUCCESS, TaskStatus.FAILURE}),
        TaskStatus.SUCCESS: frozenset(),
        TaskStatus.FAILURE: frozenset(),
    }
)

#: The types a task may have: an import that makes its image, one into an image, one by location,
#: and the calculation of digests.
TYPES = ("import", "api_image_import", "location_import", "calculate_hash")

#: The statuses of a task that has ended.
ENDED = frozenset(status for status, following in MAY_FOLLOW.items() if not following)


@dataclass(frozen=True, slots=True)
class Task:
    """One task. Times in UTC; `expires_at` is None until it has ended."""

    id: str
    type: str
    status: TaskStatus
    owner: str
    created_at: datetime
    updated_at: datetime
    image_id: str | None = None
    request_id: str | None = None
    user_id: str | None = None
    input: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    message: str = ""
    expires_at: datetime | None = None

    def moved_to(self, status: TaskStatus, **changes: Any) -> Self:
        """The same task in a status that may follow its own. Raises Conflict otherwise."""
        if status not in MAY_FOLLOW[self.status]:
            raise errors.Conflict(f"Task {self.id} is {self.status} and cannot become {status}")
        return replace(self, status=status, **changes)
