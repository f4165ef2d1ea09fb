"""The older calls for the image cache of this node: /v2/cached_images and /v2/queued_images."""

from dataclasses import dataclass

import falcon

from calotype.api import render, web
from calotype.services.old_cache import OldCache


@dataclass(frozen=True)
class OldCacheApi:
    """The handlers of the older calls. All answer 200 with JSON."""

    cache: OldCache

    def list_cached(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/cached_images: what is here."""
        web.no_body(req)
        entries, _ = self.cache.list(web.caller(req))
        web.put_json(resp, {"cached_images": [render.cached_image(entry) for entry in entries]})

    def list_queued(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/queued_images: what is queued."""
        web.no_body(req)
        _, queued = self.cache.list(web.caller(req))
        web.put_json(resp, {"queued_images": queued})

    def clear_cached(self, req: falcon.Request, resp: falcon.Response) -> None:
        """DELETE /v2/cached_images: take out everything that is here."""
        web.no_body(req)
        web.put_json(resp, {"num_deleted": self.cache.clear(web.caller(req), cached=True)})

    def clear_queued(self, req: falcon.Request, resp: falcon.Response) -> None:
        """DELETE /v2/queued_images: take everything off the queue."""
        web.no_body(req)
        web.put_json(resp, {"num_deleted": self.cache.clear(web.caller(req), queued=True)})

    def remove_cached(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """DELETE /v2/cached_images/{id}: take an image out."""
        web.no_body(req)
        self.cache.take_out(web.caller(req), image_id, cached=True)
        web.put_json(resp, None)

    def remove_queued(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """DELETE /v2/queued_images/{id}: take an image off the queue."""
        web.no_body(req)
        self.cache.take_out(web.caller(req), image_id, queued=True)
        web.put_json(resp, None)

    def queue(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """PUT /v2/queued_images/{id}: bring an image here."""
        web.no_body(req)
        self.cache.queue(web.caller(req), image_id)
        web.put_json(resp, None)
