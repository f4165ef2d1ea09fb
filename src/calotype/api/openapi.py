"""The description of the API that the service publishes at `/v2/openapi.json`, in OpenAPI 3.1."""

import re
from collections.abc import Mapping
from typing import Any

from calotype import __version__
from calotype.api import components
from calotype.api.operation import JSON, OCTETS, Answer, Operation, Parameter
from calotype.api.operations import OPERATIONS, PATH_PARAMETERS
from calotype.api.schemas import Document

#: What each status of failure means, whatever the operation.
REFUSALS: Mapping[int, str] = {
    400: "The request is not valid; the message names the field and what was expected",
    401: "Nobody knows who asks: send a valid token or password",
    403: "The caller may not do this",
    404: "There is no such thing, or the caller may not see it",
    409: "Not possible in the present state",
    410: "The image was deleted meanwhile, or the store takes no data",
    413: "More than a limit or quota allows",
    415: "The media type, or what the data is, is not what was expected",
    416: "The range lies outside the data",
    431: "The request id is too long",
    503: "The database or a store cannot be reached",
}

#: Failures that every operation can answer with, and every one that needs an identity.
_ANY = (431,)
_GUARDED = (400, 401, 403, 503)

_SCHEMES: Mapping[str, Document] = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "password": {"type": "http", "scheme": "basic"},
}
_SECURITY: Mapping[str | None, tuple[str, ...]] = {
    "keystone": ("token",),
    "http_basic": ("password",),
    "none": (),
    None: ("token", "password"),
}

_BRACED = re.compile(r"\{(\w+)\}")


def build(documents: Mapping[str, Document], strategy: str | None = None) -> dict[str, Any]:
    """The description; `documents` are those of `schemas.documents`.

    `strategy` is how callers are authenticated: keystone, http_basic or none; None: not known.
    """
    security: list[dict[str, list[str]]] = [{scheme: []} for scheme in _SECURITY[strategy]]
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        item = paths.setdefault(path, _path_item(path, documents))
        item[method.lower()] = _operation(operation, [] if operation.open else security)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Calotype",
            "version": __version__,
            "description": "An image service that speaks the OpenStack Image API v2. Every answer "
            "names its request in the header x-openstack-request-id.",
        },
        "paths": paths,
        "components": {
            "schemas": components.build(documents),
            "responses": {str(status): _refusal(text) for status, text in REFUSALS.items()},
            "securitySchemes": {scheme: _SCHEMES[scheme] for scheme in _SECURITY[strategy]},
        },
    }


def _path_item(path: str, documents: Mapping[str, Document]) -> dict[str, Any]:
    described = [_parameter(PATH_PARAMETERS[name]) for name in _BRACED.findall(path)]
    before, is_document, _ = path.partition("{name}")
    if is_document:
        folder = before.removeprefix("/v2/schemas/")
        names = [name.removeprefix(folder) for name in documents if name.startswith(folder)]
        described[-1]["schema"] = {"enum": [name for name in names if "/" not in name]}
    return {"parameters": described} if described else {}


def _operation(it: Operation, security: list[dict[str, list[str]]]) -> dict[str, Any]:
    refusals = sorted({*it.refusals, *_ANY, *(() if it.open else _GUARDED)})
    described: dict[str, Any] = {
        "operationId": it.id,
        "summary": it.summary,
        "tags": [it.tag],
        "responses": {
            **{
                str(status): {"$ref": f"#/components/responses/{status}"}
                for status in refusals
                if status not in it.answers
            },
            **{str(status): _answer(answer) for status, answer in it.answers.items()},
        },
        "security": security,
    }
    if it.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in it.parameters]
    if it.bodies:
        described["requestBody"] = {"required": it.needs_body, "content": _content(it.bodies)}
    return described


def _parameter(it: Parameter) -> dict[str, Any]:
    described = {
        "name": it.name,
        "in": it.where,
        "description": it.description,
        "required": it.where == "path",
        "schema": components.storable(it.schema) if it.where == "path" else dict(it.schema),
    }
    return {**described, "style": "form", "explode": True} if it.free else described


def _answer(it: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": it.description}
    if it.headers:
        described["headers"] = {
            name: {"description": text, "schema": {"type": "string"}}
            for name, text in it.headers.items()
        }
    if it.bodies:
        described["content"] = _content(it.bodies)
    return described


def _content(by_media: Mapping[str, str]) -> dict[str, Any]:
    return {
        # Plain bytes need no schema in OpenAPI 3.1.
        media: {} if media == OCTETS else {"schema": components.ref(name)}
        for media, name in by_media.items()
    }


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": components.ref("Error")}}}
