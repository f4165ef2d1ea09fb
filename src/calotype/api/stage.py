"""Staging over HTTP: /v2/images/{id}/stage."""

from dataclasses import dataclass

import falcon

from calotype import errors
from calotype.api import web
from calotype.api.image_data import OCTETS, declared_size
from calotype.services.stage import Stage


@dataclass(frozen=True)
class StageApi:
    """The handler of data that is staged."""

    staging: Stage
    client_timeout: int

    def stage(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """PUT /v2/images/{id}/stage: the body is kept for an import. 204."""
        web.limit_silence(req.env, self.client_timeout)
        declared = declared_size(req)
        media = (req.content_type or "").partition(";")[0].strip().lower()
        if media != OCTETS:
            raise errors.UnsupportedMedia(f"Content-Type: must be {OCTETS}")
        self.staging.stage(web.caller(req), image_id, req.stream, declared=declared)
        resp.status = 204
