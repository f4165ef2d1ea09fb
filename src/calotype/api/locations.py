"""The locations of an image over HTTP: /v2/images/{id}/locations."""

from dataclasses import dataclass

import falcon

from calotype.api import render, web
from calotype.api.bodies import Bodies
from calotype.services.locations import Locations


@dataclass(frozen=True)
class LocationsApi:
    """The handlers of locations."""

    locations: Locations
    bodies: Bodies
    shown: render.Shown

    def list(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET /v2/images/{id}/locations: where the data lies. 200."""
        found = self.locations.list(web.caller(req), image_id)
        web.put_json(resp, [render.location(place, self.shown) for place in found])

    def add(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """POST /v2/images/{id}/locations: begin to add a location to a queued image. 202."""
        body = self.bodies.check_location(web.json_body(req))
        self.locations.add(web.caller(req), image_id, body["url"], body.get("validation_data"))
        web.put_nothing(resp, 202)
