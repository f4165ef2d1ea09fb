"""Imports: data that the service fetches or copies by itself, as a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calotype_client.calls import Calls
from calotype_client.errors import NoTask, NotFound
from calotype_client.images import path
from calotype_client.model import Image, Task
from calotype_client.tasks import Tasks

#: The tasks of imports.
TYPE = "api_image_import"


@dataclass(frozen=True)
class Imports:
    """Imports of images, and the ways there are."""

    _calls: Calls
    _tasks: Tasks

    def methods(self) -> list[str]:
        """The methods on offer, e.g. `glance-direct`, `web-download`."""
        return self._calls.json(
            "GET", "/v2/info/import", lambda found: list(found["import-methods"]["value"])
        )

    def begin(
        self,
        image: Image,
        method: str = "glance-direct",
        *,
        stores: Sequence[str] = (),
        all_stores: bool = False,
        allow_failure: bool = False,
        **details: Any,
    ) -> Task | None:
        """Begin an import; its task. Raises Refused, NoTask. None: there is nothing to copy.

        Details belong to the method: `uri`; `glance_region`, `glance_image_id`.
        """
        body: dict[str, Any] = {"method": {"name": method, **details}}
        body |= _where(stores, all_stores, allow_failure)
        before = {task.id for task in self._of(image)}
        answer = self._calls.call("POST", path(image.id, "import"), body)
        request_id = answer.headers.get("x-openstack-request-id")
        new = [it for it in self._of(image) if it.id not in before and it.type == TYPE]
        # What stands between may give requests other ids.
        ours = [task for task in new if task.request_id == request_id] or new
        if not ours and method != "copy-image":
            raise NoTask(f"The service imports into image {image.id}, but shows no task of that")
        return ours[0] if ours else None

    def _of(self, image: Image) -> list[Task]:
        """The tasks of an image; none where the service has no list of them."""
        try:
            return self._tasks.of_image(image.id)
        except NotFound:
            return []


def _where(stores: Sequence[str], all_stores: bool, allow_failure: bool) -> Mapping[str, Any]:
    named: dict[str, Any] = {"stores": list(stores)} if stores else {}
    named |= {"all_stores": True} if all_stores else {}
    return {**named, "all_stores_must_succeed": False} if allow_failure else named
