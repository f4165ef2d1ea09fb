"""The description of the API that the service publishes at `/v2/openapi.json`, in OpenAPI 3.1."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from calotype import __version__
from calotype.api import bodies
from calotype.api.operations import (
    JSON,
    OCTETS,
    OPERATIONS,
    PATH_PARAMETERS,
    Answer,
    Operation,
    Parameter,
)
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

_BRACED = re.compile(r"\{(\w+)\}")

#: The fields of an image that not every site shows.
_SOMETIMES = frozenset({"direct_url", "locations", "stores"})


def build(
    documents: Mapping[str, Document],
    operations: Mapping[tuple[str, str], Operation] = OPERATIONS,
) -> dict[str, Any]:
    """The description; `documents` are those of `schemas.documents`."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in operations.items():
        item = paths.setdefault(path, _path_item(path))
        item[method.lower()] = _operation(operation)
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
            "schemas": _components(documents),
            "responses": {str(status): _refusal(text) for status, text in REFUSALS.items()},
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "password": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _path_item(path: str) -> dict[str, Any]:
    names = _BRACED.findall(path)
    return {"parameters": [_parameter(PATH_PARAMETERS[name]) for name in names]} if names else {}


def _operation(it: Operation) -> dict[str, Any]:
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
        # A site uses one of them; where it uses none, nothing is needed.
        "security": [] if it.open else [{"token": []}, {"password": []}],
    }
    if it.parameters:
        described["parameters"] = [_parameter(parameter) for parameter in it.parameters]
    if it.bodies:
        described["requestBody"] = {"required": True, "content": _content(it.bodies)}
    return described


def _parameter(it: Parameter) -> dict[str, Any]:
    described = {
        "name": it.name,
        "in": it.where,
        "description": it.description,
        "required": it.where == "path",
        "schema": dict(it.schema),
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
        media: {} if media == OCTETS else {"schema": _ref(name)}
        for media, name in by_media.items()
    }


def _refusal(text: str) -> dict[str, Any]:
    return {"description": text, "content": {JSON: {"schema": _ref("Error")}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


# -- component schemas ----------------------------------------------------------------------------


def _components(documents: Mapping[str, Document]) -> dict[str, Any]:
    return {
        "Anything": {"type": "object"},
        "Text": {"type": "string"},
        "Error": _record(message="string", code="string", title="string"),
        "Versions": _list_of("versions", _version()),
        "Health": {
            "type": "object",
            "required": ["detailed", "reasons"],
            "properties": {
                "detailed": {"type": "boolean"},
                "reasons": {"type": "array", "items": {"type": "string"}},
            },
        },
        "Image": _image(documents["image"]),
        "Images": _list_of("images", _ref("Image"), first="string", schema="string"),
        "NewImage": _bare(bodies.new_image(documents["image"])),
        "Patch": _patch(),
        "OldPatch": _old_patch(),
        "Member": {
            **_shape(documents["member"]),
            "required": list(documents["member"]["properties"]),
        },
        "Members": _list_of("members", _ref("Member"), schema="string"),
        "NewMember": bodies.NEW_MEMBER,
        "MemberStatus": bodies.MEMBER_STATUS,
        "ImportMethods": _import_methods(),
        "Stores": _list_of("stores", _store()),
        "Usage": _usage(),
    }


def _image(document: Document) -> dict[str, Any]:
    always = [
        name
        for name, field in document["properties"].items()
        if name not in _SOMETIMES and field.get("is_base", True)
    ]
    return {**_shape(document), "required": always}


def _shape(document: Document) -> dict[str, Any]:
    """A document of `schemas` without what only the clients of that document understand."""
    kept = {key: value for key, value in document.items() if key not in ("name", "links")}
    return _bare({"type": "object", **kept})


def _bare(schema: Document) -> dict[str, Any]:
    properties = {
        name: {key: value for key, value in field.items() if key != "is_base"}
        for name, field in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _record(**kinds: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(kinds),
        "properties": {name: {"type": kind} for name, kind in kinds.items()},
    }


def _list_of(name: str, element: Document | dict[str, str], **kinds: str) -> dict[str, Any]:
    record = _record(**{name: "array"}, **kinds)
    record["properties"][name]["items"] = element
    return record


def _version() -> Document:
    described = _record(id="string", status="string", links="array")
    described["properties"]["status"]["enum"] = ["CURRENT", "SUPPORTED"]
    described["properties"]["links"]["items"] = _record(rel="string", href="string")
    return described


def _patch() -> Document:
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "properties": {
                "op": {"type": "string", "enum": ["add", "replace", "remove"]},
                "path": {"type": "string", "pattern": "^/"},
                "value": {},
            },
        },
    }


def _old_patch() -> Document:
    verbs: Iterable[str] = ("add", "replace", "remove")
    return {
        "type": "array",
        "items": {
            "type": "object",
            "oneOf": [{"required": [verb]} for verb in verbs],
            "properties": {verb: {"type": "string", "pattern": "^/"} for verb in verbs}
            | {"value": {}},
        },
    }


def _import_methods() -> Document:
    methods = _record(description="string", type="string", value="array")
    methods["properties"]["value"]["items"] = {"type": "string"}
    return {
        "type": "object",
        "required": ["import-methods"],
        "properties": {"import-methods": methods},
    }


def _store() -> Document:
    described = _record(id="string")
    described["properties"] |= {
        "description": {"type": "string"},
        "default": {"type": "string"},
        "read-only": {"type": "string"},
        "type": {"type": "string"},
        "weight": {"type": "integer"},
        "properties": {"type": "object"},
    }
    return described


def _usage() -> Document:
    usage = {"type": "object", "additionalProperties": _record(limit="integer", usage="integer")}
    return {"type": "object", "required": ["usage"], "properties": {"usage": usage}}
