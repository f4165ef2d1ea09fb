"""Tasks over HTTP: those of one image, the one that calculates digests, and all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import falcon

from calotype import errors
from calotype.api import filters, render, web
from calotype.api.bodies import Bodies
from calotype.services.hashes import ALGORITHMS, Hashes
from calotype.services.tasks import Tasks

_TAKES = f"the body takes os_hash_algo only, which is one of {', '.join(ALGORITHMS)}"


@dataclass(frozen=True)
class TasksApi:
    """The handlers of tasks."""

    tasks: Tasks
    hashes: Hashes
    bodies: Bodies
    paging: filters.Paging

    def list_of_image(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET /v2/images/{id}/tasks. 200."""
        web.no_body(req)
        found = self.tasks.of_image(web.caller(req), image_id)
        web.put_json(resp, {"tasks": [render.image_task(task) for task in found]})

    def calculate_hash(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """POST /v2/images/{id}/hash: begin to calculate the digests. 202."""
        algorithm = _algorithm(web.json_body_or_none(req))
        task = self.hashes.start(web.caller(req), image_id, algorithm)
        web.put_json(resp, render.image_task(task), 202)

    def list(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/tasks: one page. 200."""
        query = web.query(req)
        wanted = filters.parse_tasks(query, self.paging)
        page, after = self.tasks.list(web.caller(req), wanted)
        web.put_json(resp, render.tasks(page, web.links("/v2/tasks", query, after)))

    def create(self, req: falcon.Request, resp: falcon.Response) -> None:
        """POST /v2/tasks: make an image and import its data. 201."""
        given = self.bodies.check_task(web.json_body(req))["input"]
        fields = self.bodies.check_image(_with_formats(given))
        task = self.tasks.create(web.caller(req), given["import_from"], fields, given)
        web.put_json(resp, render.task(task), 201)
        resp.location = f"/v2/tasks/{task.id}"

    def show(self, req: falcon.Request, resp: falcon.Response, task_id: str) -> None:
        """GET /v2/tasks/{id}. 200."""
        web.put_json(resp, render.task(self.tasks.show(web.caller(req), task_id)))


def _with_formats(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the image; one that names no format gets that of what it is imported from."""
    fields = {"disk_format": given["import_from_format"], "container_format": "bare"}
    return fields | {k: v for k, v in given["image_properties"].items() if v is not None}


def _algorithm(body: Any) -> str | None:
    if body is None:
        return None
    if not isinstance(body, dict):
        raise errors.Invalid(f"The request body must be an object; {_TAKES}")
    unknown = [name for name in body if name != "os_hash_algo"]
    if unknown:
        raise errors.Invalid(f"{unknown[0]}: not known here; {_TAKES}")
    algorithm = body.get("os_hash_algo")
    if algorithm is None and "os_hash_algo" not in body:
        return None
    if not isinstance(algorithm, str):
        raise errors.Invalid(f"os_hash_algo: must be a string; {_TAKES}")
    return algorithm
