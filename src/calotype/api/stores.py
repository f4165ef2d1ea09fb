"""Single stores over HTTP: /v2/stores/{store}/{image}."""

from dataclasses import dataclass

import falcon

from calotype.api import web
from calotype.services.stores import Stores


@dataclass(frozen=True)
class StoresApi:
    """The handler of copies."""

    stores: Stores

    def delete(
        self, req: falcon.Request, resp: falcon.Response, store_id: str, image_id: str
    ) -> None:
        """DELETE /v2/stores/{store}/{image}: remove one of several copies. 204."""
        web.no_body(req)
        self.stores.delete_copy(web.caller(req), store_id, image_id)
        resp.status = 204
