"""What the service says about itself over HTTP: versions, schemas, stores, limits, health."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import falcon

from calotype import errors
from calotype.api import web
from calotype.services.info import Info


@dataclass(frozen=True)
class DiscoveryApi:
    """The handlers that need no image."""

    info: Info
    schemas: Mapping[str, dict[str, Any]]
    versions: Callable[[str], dict[str, Any]]
    openapi: Callable[[], dict[str, Any]]
    public_endpoint: str | None = None
    disabled_by_files: Sequence[str] = ()

    def show_root(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /: the versions this service speaks. 300."""
        web.put_json(resp, self.versions(self._base(req)), 300)

    def show_versions(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /versions: the same. 200."""
        web.put_json(resp, self.versions(self._base(req)))

    def show_schema(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """GET /v2/schemas/{name}. 200."""
        web.no_body(req)
        if name not in self.schemas:
            raise errors.NotFound(f"There is no schema {name!r}; see /v2/openapi.json")
        web.put_json(resp, self.schemas[name])

    def show_metadef_schema(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """GET /v2/schemas/metadefs/{name}. 200."""
        self.show_schema(req, resp, f"metadefs/{name}")

    def show_openapi(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/openapi.json: every call, generated from the route table. 200."""
        web.put_json(resp, self.openapi())

    def list_import_methods(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/info/import. 200."""
        web.no_body(req)
        methods = {
            "description": "Import methods available.",
            "type": "array",
            "value": list(self.info.import_methods),
        }
        web.put_json(resp, {"import-methods": methods})

    def list_stores(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/info/stores. 200, 404 without `enabled_backends`."""
        web.no_body(req)
        web.put_json(resp, {"stores": self.info.list_stores()})

    def detail_stores(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/info/stores/detail. 200."""
        web.no_body(req)
        web.put_json(resp, {"stores": self.info.detail_stores(web.caller(req))})

    def show_usage(self, _req: falcon.Request, resp: falcon.Response) -> None:
        """GET /v2/info/usage: nothing while unified limits are off. 200."""
        web.put_json(resp, {"usage": {}})

    def check_health(self, req: falcon.Request, resp: falcon.Response) -> None:
        """GET and HEAD /healthcheck: OK, or 503 when the operator has put the service aside."""
        disabled = any(os.path.exists(path) for path in self.disabled_by_files)
        reason = "DISABLED BY FILE" if disabled else "OK"
        resp.status = 503 if disabled else 200
        if req.client_prefers((falcon.MEDIA_TEXT, falcon.MEDIA_JSON)) == falcon.MEDIA_JSON:
            web.put_json(resp, {"detailed": False, "reasons": [reason]}, 503 if disabled else 200)
        else:
            resp.content_type = falcon.MEDIA_TEXT
            resp.text = reason

    def _base(self, req: falcon.Request) -> str:
        return (self.public_endpoint or req.prefix).rstrip("/")
