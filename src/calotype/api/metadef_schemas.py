"""The documents at `/v2/schemas/metadefs/…`: how metadata definitions look."""

from typing import Any, TypeAlias

Document: TypeAlias = dict[str, Any]

_NAME = {"type": "string", "maxLength": 80}
_TEXT = {"type": "string"}
_OURS = {"readOnly": True, "type": "string"}
_STRINGS = {"$ref": "#/definitions/stringArray"}
_PROPERTIES = {"$ref": "#/definitions/property"}


def documents() -> dict[str, Document]:
    """All of them by the path behind `/v2/schemas/metadefs/`."""
    namespace, thing, definition = _namespace(), _object(), _property()
    association, tag = _association(), _tag()
    shared = {**_definitions(), "property": _property_map()}
    # Where a property stands alone its `required` list may not be empty; inside others it may.
    alone = _definitions(minItems=1)
    element = {**definition, "required": ["type", "title"]}
    return {
        "namespace": {**namespace, "definitions": shared, "required": ["namespace"]},
        "namespaces": {
            **_page("namespaces", {**namespace, "required": ["namespace"]}),
            "definitions": shared,
        },
        "resource_type": association,
        "resource_types": _page("resource_type_associations", association),
        "property": {**definition, "definitions": alone, "required": ["type", "title", "name"]},
        "properties": {**_page("properties", element, as_map=True), "definitions": alone},
        "object": {**thing, "definitions": shared, "required": ["name"]},
        "objects": {**_page("objects", {**thing, "required": ["name"]}), "definitions": shared},
        "tag": tag,
        "tags": _page("tags", tag),
    }


def _page(name: str, element: Document, *, as_map: bool = False) -> Document:
    array = {"type": "array", "items": element}
    by_name = {"type": "object", "additionalProperties": element}
    return {
        "name": name,
        "properties": {
            name: by_name if as_map else array,
            "first": _TEXT,
            "next": _TEXT,
            "schema": _TEXT,
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def _definitions(**limits: int) -> Document:
    return {
        "positiveInteger": {"type": "integer", "minimum": 0},
        "positiveIntegerDefault0": {
            "allOf": [{"$ref": "#/definitions/positiveInteger"}, {"default": 0}]
        },
        "stringArray": {"type": "array", "items": _TEXT, "uniqueItems": True, **limits},
    }


def _times(what: str) -> Document:
    return {
        moment: {
            "type": "string",
            "readOnly": True,
            "description": f"When the {what} was {verb}, UTC",
            "format": "date-time",
        }
        for moment, verb in (("created_at", "created"), ("updated_at", "last changed"))
    }


def _facets() -> Document:
    """The keys that describe one property."""
    kind = {
        "type": "string",
        "enum": ["array", "boolean", "integer", "number", "object", "string", None],
    }
    whole, whole_or_0 = (
        {"$ref": f"#/definitions/{name}"} for name in ("positiveInteger", "positiveIntegerDefault0")
    )
    return {
        "name": _NAME,
        "title": _TEXT,
        "description": _TEXT,
        "operators": {"type": "array", "items": _TEXT},
        "type": kind,
        "required": _STRINGS,
        "minimum": {"type": "number"},
        "maximum": {"type": "number"},
        "maxLength": whole,
        "minLength": whole_or_0,
        "pattern": {"type": "string", "format": "regex"},
        "enum": {"type": "array"},
        "readonly": {"type": "boolean"},
        "default": {},
        "items": {"type": "object", "properties": {"type": kind, "enum": {"type": "array"}}},
        "maxItems": whole,
        "minItems": whole_or_0,
        "uniqueItems": {"type": "boolean", "default": False},
        "additionalItems": {"type": "boolean"},
    }


def _property_map() -> Document:
    return {
        "type": "object",
        "additionalProperties": {
            "type": "object",
            "required": ["title", "type"],
            "properties": _facets(),
        },
    }


def _property() -> Document:
    return {"name": "property", "properties": _facets(), "additionalProperties": False}


def _namespace() -> Document:
    described = {
        "namespace": {**_NAME, "description": "The name of the namespace, unique"},
        "display_name": {**_NAME, "description": "What people call the namespace"},
        "description": {
            "type": "string",
            "description": "What the namespace is about",
            "maxLength": 500,
        },
        "visibility": {
            "type": "string",
            "description": "Whether other projects see the namespace",
            "enum": ["public", "private"],
        },
        "protected": {"type": "boolean", "description": "Whether deleting inside it is refused"},
        "owner": {
            "type": "string",
            "description": "The project that owns the namespace",
            "maxLength": 255,
        },
    }
    return {
        "name": "namespace",
        "properties": {
            **described,
            **_times("namespace"),
            "schema": _OURS,
            "self": _OURS,
            "resource_type_associations": _parts(name=_TEXT, prefix=_TEXT, properties_target=_TEXT),
            "properties": _PROPERTIES,
            "objects": _parts(
                name=_TEXT, description=_TEXT, required=_STRINGS, properties=_PROPERTIES
            ),
            "tags": _parts(name=_TEXT),
        },
        "additionalProperties": False,
    }


def _parts(**properties: Document) -> Document:
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def _object() -> Document:
    return {
        "name": "object",
        "properties": {
            "name": _NAME,
            "description": _TEXT,
            "required": _STRINGS,
            "properties": _PROPERTIES,
            "schema": _OURS,
            "self": _OURS,
            **_times("object"),
        },
        "additionalProperties": False,
    }


def _association() -> Document:
    return {
        "name": "resource_type_association",
        "properties": {
            "name": {
                **_NAME,
                "description": "The kind of resource the definitions apply to, by its type name "
                "in the orchestration service, e.g. OS::Nova::Server",
            },
            "prefix": {
                **_NAME,
                "description": "What is put before each property's name on such a resource, "
                "separator included",
            },
            "properties_target": {
                **_NAME,
                "description": "Which of its sets of keys is meant, where such a resource has "
                "several, e.g. a volume's user metadata or image metadata",
            },
            **_times("association"),
        },
        "additionalProperties": False,
        "required": ["name"],
    }


def _tag() -> Document:
    return {
        "name": "tag",
        "properties": {"name": _NAME, **_times("tag")},
        "additionalProperties": False,
        "required": ["name"],
    }
