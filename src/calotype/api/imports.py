"""Imports over HTTP: /v2/images/{id}/import."""

from dataclasses import dataclass

import falcon

from calotype.api import web
from calotype.api.bodies import Bodies
from calotype.services.imports import Imports, Wanted


@dataclass(frozen=True)
class ImportsApi:
    """The handler of imports."""

    imports: Imports
    bodies: Bodies

    def start(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """POST /v2/images/{id}/import: begin an import. 202."""
        body = self.bodies.check_import(web.json_body(req))
        method, stores = body["method"], body.get("stores")
        wanted = Wanted(
            method=method["name"],
            uri=method.get("uri"),
            remote_id=method.get("glance_image_id", ""),
            region=method.get("glance_region", ""),
            interface=method.get("glance_service_interface", "public"),
            stores=None if stores is None else tuple(stores),
            store=req.get_header("X-Image-Meta-Store"),
            all_stores=body.get("all_stores", False),
            must_succeed=body.get("all_stores_must_succeed", True),
            request=body,
        )
        self.imports.start(web.caller(req), image_id, wanted)
        web.put_nothing(resp, 202)
