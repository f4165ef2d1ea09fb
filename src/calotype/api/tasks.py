"""Work on an image over HTTP: its tasks, and the one that calculates its digests."""

from dataclasses import dataclass
from typing import Any

import falcon

from calotype import errors
from calotype.api import render, web
from calotype.services.hashes import ALGORITHMS, Hashes
from calotype.services.tasks import Tasks

_TAKES = f"the body takes os_hash_algo only, which is one of {', '.join(ALGORITHMS)}"


@dataclass(frozen=True)
class TasksApi:
    """The handlers of tasks."""

    tasks: Tasks
    hashes: Hashes

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
