"""The image cache of this node over HTTP: /v2/cache."""

from dataclasses import dataclass

import falcon

from calotype import errors
from calotype.api import render, web
from calotype.services.cache import Cache

_TARGET = "x-image-cache-clear-target"


@dataclass(frozen=True)
class CacheApi:
    """The handlers of the cache."""

    cache: Cache

    def show(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/cache: what this node has, and what is queued for it. 200."""
        web.no_body(req)
        entries, queued = self.cache.list(web.caller(req))
        cached = [render.cached_image(entry) for entry in entries]
        web.put_json(resp, {"cached_images": cached, "queued_images": queued})

    def clear(self, req: falcon.Request, resp: falcon.Response) -> None:
        """DELETE /v2/cache: take out everything, or everything of one kind. 204."""
        web.no_body(req)
        target = (req.get_header(_TARGET) or "").strip().lower()
        if target not in ("", "cache", "queue"):
            raise errors.Invalid(f"{_TARGET}: must be cache or queue, or left out for both")
        self.cache.clear(web.caller(req), cached=target != "queue", queued=target != "cache")
        resp.status = 204

    def queue(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """PUT /v2/cache/{id}: bring an image here. 202."""
        web.no_body(req)
        self.cache.queue(web.caller(req), image_id)
        web.put_nothing(resp, 202)

    def remove(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """DELETE /v2/cache/{id}: take an image out. 204."""
        web.no_body(req)
        self.cache.remove(web.caller(req), image_id)
        resp.status = 204

    def nodes(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET /v2/cache/nodes/{id}: the nodes that have an image. 200."""
        web.no_body(req)
        nodes = self.cache.nodes(web.caller(req), image_id)
        # The released client reads a bare list, and would print the name of the field.
        agent = req.user_agent or ""
        bare = agent.startswith("python-glanceclient")
        resp.set_header("Vary", "User-Agent")
        web.put_json(resp, nodes if bare else {"cached_nodes": nodes})

    def clean(self, req: falcon.Request, resp: falcon.Response) -> None:
        """POST /v2/cache/clean: remove what failed, stalled or belongs to no image. 200."""
        web.no_body(req)
        self.cache.clean(web.caller(req))
        web.put_nothing(resp, 200)

    def prune(self, req: falcon.Request, resp: falcon.Response) -> None:
        """POST /v2/cache/prune: shrink the cache to its configured size. 200."""
        web.no_body(req)
        pruned = self.cache.prune(web.caller(req))
        web.put_json(resp, {"total_files_pruned": pruned.files, "total_bytes_pruned": pruned.bytes})
