"""The bodies that the published description of the API names, as component schemas."""

from collections.abc import Mapping
from typing import Any

from calotype.api import bodies
from calotype.api.schemas import LONG, Document

#: The texts that can be stored; see `validator.check_text`.
_TEXT = r"^[\u0001-\ud7ff\ue000-\uffff]*$"

#: A pointer (RFC 6901) to one field of an image, or to one of its locations.
_POINTER = {"type": "string", "pattern": "^/(([^/~]|~[01])*|locations/([0-9]+|-))$"}

#: The fields of an image that not every site shows.
_SOMETIMES = frozenset({"direct_url", "locations", "stores"})

#: The fields of a task that older tasks of Glance lack.
_REFERS = frozenset({"image_id", "request_id", "user_id"})


def build(documents: Mapping[str, Document]) -> dict[str, Any]:
    """All components by name; `documents` are those of `schemas.documents`."""
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
        "Images": _list_of("images", ref("Image"), first="string", schema="string"),
        "NewImage": storable(_bare(bodies.new_image(documents["image"]))),
        "Patch": _patch(),
        "OldPatch": _old_patch(),
        "Member": {
            **_shape(documents["member"]),
            "required": list(documents["member"]["properties"]),
        },
        "Members": _list_of("members", ref("Member"), schema="string"),
        "NewMember": storable(bodies.NEW_MEMBER),
        "MemberStatus": bodies.MEMBER_STATUS,
        "Task": _task(documents["task"]),
        "Tasks": _list_of("tasks", _stub(documents["task"]), first="string", schema="string"),
        "NewTask": storable(bodies.NEW_TASK),
        "ImageTask": _image_task(),
        "ImageTasks": _list_of("tasks", ref("ImageTask")),
        "HashRequest": {
            "type": "object",
            "properties": {"os_hash_algo": {"type": "string"}},
            "additionalProperties": False,
        },
        **_cache(),
        "NewImport": storable(bodies.NEW_IMPORT),
        "NewLocation": storable(bodies.NEW_LOCATION),
        "Locations": {"type": "array", "items": _record(url="string", metadata="object")},
        "ImportMethods": _import_methods(),
        "Stores": _list_of("stores", _store()),
        "Usage": _usage(),
    }


def _task(document: Document) -> dict[str, Any]:
    always = [name for name in document["properties"] if name not in _REFERS]
    return {**_shape(document), "required": always}


def _stub(document: Document) -> dict[str, Any]:
    shown = {k: v for k, v in document["properties"].items() if k not in LONG}
    return _task({**document, "properties": shown})


def _cache() -> dict[str, Any]:
    moments = {"last_accessed": {"type": "number"}, "last_modified": {"type": "number"}}
    numbers = {"size": {"type": "integer"}, "hits": {"type": "integer"}}
    fields = {"image_id": {"type": "string"}, **moments, **numbers}
    perhaps = {"id": {"type": "integer"}, "checksum": {"type": ["string", "null"]}}
    entries = {"type": "array", "items": ref("CachedImage")}
    texts = {"type": "array", "items": {"type": "string"}}
    return {
        "CachedImage": {
            "type": "object",
            "properties": {**fields, **perhaps},
            "required": [*fields, "checksum"],
        },
        "Cache": {
            "type": "object",
            "properties": {"cached_images": entries, "queued_images": texts},
            "required": ["cached_images", "queued_images"],
        },
        "CachedImages": _list_of("cached_images", ref("CachedImage")),
        "QueuedImages": _list_of("queued_images", {"type": "string"}),
        "CachedNodes": _list_of("cached_nodes", {"type": "string"}),
        "Pruned": _record(total_files_pruned="integer", total_bytes_pruned="integer"),
        "NumDeleted": _record(num_deleted="integer"),
        "Nothing": {"type": "null"},
    }


def _image_task() -> dict[str, Any]:
    texts = ("id", "type", "status", "owner", "created_at", "updated_at", "message")
    perhaps = (
        *("image_id", "request_id", "request-id", "user_id", "user", "expires_at", "deleted_at"),
    )
    properties: dict[str, Any] = {name: {"type": "string"} for name in texts}
    properties |= {name: {"type": ["string", "null"]} for name in perhaps}
    properties |= {name: {"type": ["object", "null"]} for name in ("input", "result")}
    properties["deleted"] = {"type": "boolean"}
    return {"type": "object", "properties": properties, "required": list(properties)}


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


def storable(schema: Any) -> Any:
    """A schema whose texts hold what the database can keep, in names of properties too."""
    if not isinstance(schema, Mapping):  # true, false, or a list of schemas by an operator
        return schema
    kinds = schema.get("type", ())
    described = dict(schema)
    if "string" in kinds and not {"enum", "pattern"} & set(schema):
        described["pattern"] = _TEXT
    if "items" in schema:
        described["items"] = storable(schema["items"])
    if "properties" in schema:
        described["properties"] = {
            name: storable(field) for name, field in schema["properties"].items()
        }
    if "additionalProperties" in schema:
        described["additionalProperties"] = storable(schema["additionalProperties"])
        described["propertyNames"] = {"pattern": _TEXT, "maxLength": 255}
    return described


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
                "path": _POINTER,
                "value": {},
            },
            "anyOf": [{"properties": {"op": {"const": "remove"}}}, {"required": ["value"]}],
        },
    }


def _old_patch() -> Document:
    verbs = ("add", "replace", "remove")
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": {**dict.fromkeys(verbs, _POINTER), "value": {}},
            "oneOf": [{"required": [verb]} for verb in verbs],
            "anyOf": [{"required": ["remove"]}, {"required": ["value"]}],
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
        "powers": {"type": "array", "items": {"type": "string"}},
    }
    return described


def _usage() -> Document:
    usage = {"type": "object", "additionalProperties": _record(limit="integer", usage="integer")}
    return {"type": "object", "required": ["usage"], "properties": {"usage": usage}}


def ref(name: str) -> dict[str, str]:
    """A reference to the component of that name."""
    return {"$ref": f"#/components/schemas/{name}"}
