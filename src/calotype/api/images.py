"""Image records over HTTP: /v2/images and what hangs on one image but its data."""

from collections.abc import Mapping
from dataclasses import dataclass

import falcon

from calotype import errors
from calotype.api import filters, patch, render, web
from calotype.api.bodies import Bodies
from calotype.services.images import Images


@dataclass(frozen=True)
class ImagesApi:
    """The handlers of image records."""

    images: Images
    bodies: Bodies
    shown: render.Shown
    paging: filters.Paging
    create_headers: Mapping[str, str]

    def create(self, req: falcon.Request, resp: falcon.Response) -> None:
        """POST /v2/images: a new, queued image. 201."""
        fields = self.bodies.check_image(web.json_body(req))
        image = self.images.create(web.caller(req), fields)
        web.put_json(resp, render.image(image, self.shown), 201)
        resp.location = f"{req.prefix}/v2/images/{image.id}"
        for name, value in self.create_headers.items():
            resp.set_header(name, value)

    def list(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/images: one page. 200."""
        query = web.query(req)
        wanted = filters.parse(query, self.paging)
        caller = web.caller(req)
        page, after = self.images.list(caller, wanted)
        links = web.links("/v2/images", query, after)
        web.put_json(resp, render.images(page, self.shown, links, admin=caller.is_admin))

    def show(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET /v2/images/{id}. 200."""
        web.no_body(req)
        caller = web.caller(req)
        image = self.images.show(caller, image_id)
        web.put_json(resp, render.image(image, self.shown, admin=caller.is_admin))

    def update(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """PATCH /v2/images/{id}: all changes or none. 200."""
        try:
            media = patch.media_type(req)
        except errors.UnsupportedMedia:
            resp.set_header("Accept-Patch", patch.ACCEPTED)
            raise
        changes = self.bodies.check_changes(patch.parse(web.json_body(req), media))
        caller = web.caller(req)
        image = self.images.update(caller, image_id, changes)
        web.put_json(resp, render.image(image, self.shown, admin=caller.is_admin))

    def delete(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """DELETE /v2/images/{id}. 204."""
        web.no_body(req)
        self.images.delete(web.caller(req), image_id)
        resp.status = 204

    def deactivate(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """POST /v2/images/{id}/actions/deactivate. 204."""
        web.no_body(req)
        self.images.deactivate(web.caller(req), image_id)
        resp.status = 204

    def reactivate(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """POST /v2/images/{id}/actions/reactivate. 204."""
        web.no_body(req)
        self.images.reactivate(web.caller(req), image_id)
        resp.status = 204

    def tag(self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str) -> None:
        """PUT /v2/images/{id}/tags/{tag}. 204."""
        web.no_body(req)
        self.bodies.check_tag(tag)
        self.images.tag(web.caller(req), image_id, tag)
        resp.status = 204

    def untag(self, req: falcon.Request, resp: falcon.Response, image_id: str, tag: str) -> None:
        """DELETE /v2/images/{id}/tags/{tag}. 204."""
        web.no_body(req)
        self.images.untag(web.caller(req), image_id, tag)
        resp.status = 204
