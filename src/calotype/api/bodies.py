"""What the bodies of requests must look like, checked before anything is touched.

All checks raise Invalid with the name of the field, what it must be and what was sent. Whether a
well-formed field may be set at all (read-only, reserved) is for the services to say.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from calotype import errors
from calotype.api.schemas import Document
from calotype.api.validator import UUID, Validator, check_text, kind_of, label
from calotype.model.changes import Change, Op
from calotype.model.member import Acceptance
from calotype.model.properties import refuse_reason

#: Longest name of a property, in characters: the width of its column.
_KEY_LIMIT = 255
#: Longest value of a property, in bytes of UTF-8: what a TEXT column of MariaDB holds.
_VALUE_LIMIT = (1 << 16) - 1
#: The largest number an INTEGER column holds.
_INT_MAX = (1 << 31) - 1

_TAG = {"type": "string", "maxLength": 255}
_CUSTOM = {"type": "string"}

NEW_MEMBER: Document = {
    "type": "object",
    "required": ["member"],
    "properties": {
        # A number is taken for its digits: what configuration tools make of an id without quotes.
        "member": {"type": ["string", "integer"], "minLength": 1, "maxLength": 255, "minimum": 1}
    },
}

MEMBER_STATUS: Document = {
    "type": "object",
    "required": ["status"],
    "properties": {"status": {"type": "string", "enum": [known.value for known in Acceptance]}},
}

NEW_IMPORT: Document = {
    "type": "object",
    "required": ["method"],
    "properties": {
        "method": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": {"type": "string"},
                "uri": {"type": "string", "minLength": 1},
                "glance_image_id": {"type": "string", "pattern": UUID},
                "glance_region": {"type": "string", "minLength": 1},
                "glance_service_interface": {
                    "type": "string",
                    "enum": ["public", "internal", "admin"],
                },
            },
        },
        "stores": {"type": ["array", "null"], "items": {"type": "string", "minLength": 1}},
        "all_stores": {"type": "boolean"},
        "all_stores_must_succeed": {"type": "boolean"},
    },
}

#: What each import method needs beside its name.
_METHOD_NEEDS = {
    "web-download": ("uri",),
    "glance-download": ("glance_image_id", "glance_region"),
}

NEW_TASK: Document = {
    "type": "object",
    "required": ["type", "input"],
    "properties": {
        "type": {"type": "string", "enum": ["import"]},
        "input": {
            "type": "object",
            "required": ["import_from", "import_from_format", "image_properties"],
            "properties": {
                "import_from": {"type": "string", "minLength": 1},
                "import_from_format": {"type": "string", "minLength": 1},
                "image_properties": {"type": "object"},
            },
        },
    },
}

NEW_LOCATION: Document = {
    "type": "object",
    "required": ["url"],
    "properties": {
        "url": {"type": "string", "minLength": 1},
        "validation_data": {
            "type": "object",
            "additionalProperties": False,
            # Both or none: an empty object is what released clients send for none.
            "dependentRequired": {
                "os_hash_algo": ["os_hash_value"],
                "os_hash_value": ["os_hash_algo"],
            },
            "properties": {
                "os_hash_algo": {"type": "string", "enum": ["sha1", "sha256", "sha512", "md5"]},
                "os_hash_value": {"type": "string", "minLength": 1, "maxLength": 128},
            },
        },
    },
}


def new_image(image: Document) -> Document:
    """What POST /v2/images takes, from the document that describes an image."""
    number = {"minimum": 0, "maximum": _INT_MAX}
    fields = {
        name: schema | number if name in ("min_disk", "min_ram") else schema
        for name, schema in image["properties"].items()
        if name == "id" or refuse_reason(name) is None
    }
    return {
        "type": "object",
        "properties": fields,
        "required": image.get("required", []),
        "additionalProperties": _CUSTOM,
    }


def _stored_location(image: Document) -> Document:
    """A location in a patch of an image; its metadata holds texts."""
    item = image["properties"]["locations"]["items"]
    metadata = {**item["properties"]["metadata"], "additionalProperties": {"type": "string"}}
    return {**item, "properties": {**item["properties"], "metadata": metadata}}


class Bodies:
    """The checks of request bodies; `image` is the document that describes an image here.

    `locations`: whether a patch may change them.
    """

    def __init__(self, image: Document, *, locations: bool = False) -> None:
        schema = new_image(image)
        self._required: list[str] = schema["required"]
        self._fields = {name: Validator(field) for name, field in schema["properties"].items()}
        self._declared = {
            name for name, field in image["properties"].items() if field.get("is_base") is False
        }
        self._whole = {
            name for name, field in schema["properties"].items() if field.get("type") == "integer"
        }
        self._custom = Validator(_CUSTOM)
        self._tag = Validator(_TAG)
        self._member = _Form(NEW_MEMBER)
        self._member_status = _Form(MEMBER_STATUS)
        self._import = _Form(NEW_IMPORT)
        self._task = _Form(NEW_TASK)
        self._location = _Form(NEW_LOCATION)
        stored = _stored_location(image)
        self._stored_location = Validator(stored) if locations else None
        self._stored_locations = Validator({"type": "array", "items": stored})

    # -- images -----------------------------------------------------------------------------------

    def check_image(self, body: object) -> dict[str, Any]:
        """The fields of a new image as they are to be stored: custom properties are texts."""
        fields = _object(body)
        for name in self._required:
            if name not in fields:
                raise errors.Invalid(f"{name}: is required")
        return {name: self._checked(name, value) for name, value in fields.items()}

    def check_changes(self, changes: Sequence[Change]) -> list[Change]:
        """The changes of a patch with their values as they are to be stored."""
        return [
            change if change.op is Op.REMOVE else replace(change, value=self._changed(change))
            for change in changes
        ]

    def _changed(self, change: Change) -> Any:
        if change.name == "locations" and self._stored_location is not None:
            check_text(change.value, "locations")
            one = change.place is not None
            form = self._stored_location if one else self._stored_locations
            form.check(change.value, "locations")
            return change.value
        if refuse_reason(change.name):
            return change.value  # refused later, and by its name
        return self._checked(change.name, change.value)

    def check_tag(self, tag: str) -> None:
        """Return if the text may be a tag of an image."""
        check_text(tag, "tag")
        self._tag.check(tag, "tag")

    def _checked(self, name: str, value: Any) -> Any:
        """The value to store for a field."""
        field = label(name)
        check_text(name, "The name of a property")
        if name != "id" and refuse_reason(name):
            return value  # refused later, and by its name: its value does not matter
        check_text(value, field)
        if name in self._whole:
            value = _whole(value)
        known = self._fields.get(name)
        if known is not None and name not in self._declared:
            known.check(value, field)
            return value
        if len(name) > _KEY_LIMIT:
            raise errors.Invalid(
                f"{field}: the name of a property must have at most {_KEY_LIMIT} characters, "
                f"got {len(name)}"
            )
        (known or self._custom).check(value, field)
        return _stored_text(value, field)

    # -- members ----------------------------------------------------------------------------------

    def check_member(self, body: object) -> str:
        """The id of the project an image is to be shared with."""
        return str(self._member.check(body)["member"])

    def check_member_status(self, body: object) -> str:
        """What a member answers."""
        return str(self._member_status.check(body)["status"])

    # -- imports, tasks, locations ----------------------------------------------------------------

    def check_import(self, body: object) -> dict[str, Any]:
        """The order for an import, complete for its method, which may still be an unknown one."""
        order = self._import.check(body)
        method = order["method"]
        for need in _METHOD_NEEDS.get(method["name"], ()):
            if need not in method:
                raise errors.Invalid(f"method.{need}: is required for {method['name']}")
        if order.get("all_stores") and order.get("stores"):
            raise errors.Invalid("stores: cannot be combined with all_stores")
        return order

    def check_task(self, body: object) -> dict[str, Any]:
        """A new task."""
        task = self._task.check(body)
        if unknown := sorted(set(task) - {"type", "input"}):
            raise errors.Invalid(f"{label(unknown[0])}: cannot be set for a new task")
        return task

    def check_location(self, body: object) -> dict[str, Any]:
        """A new location of an image's data."""
        location = self._location.check(body)
        given = location.get("validation_data") or {}
        for need in ("os_hash_algo", "os_hash_value"):
            if given and need not in given:
                raise errors.Invalid(f"validation_data.{need}: is required")
        return location


def _whole(value: Any) -> Any:
    """The value, but 1.0 as 1: that is a whole number to JSON, and to Glance."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _stored_text(value: object, field: str) -> str | None:
    """What is stored for a custom property; one that is declared need not be a text already."""
    text = value if value is None or isinstance(value, str) else json.dumps(value)
    size = len((text or "").encode())
    if size > _VALUE_LIMIT:
        raise errors.Invalid(
            f"{field}: must have at most {_VALUE_LIMIT} bytes in UTF-8, got {size}"
        )
    return text


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, Mapping):
        raise errors.Invalid(f"The request body must be a JSON object, got {kind_of(body)}")
    return dict(body)


class _Form:
    """A body whose fields are all known; others than those are let through unseen."""

    def __init__(self, schema: Document) -> None:
        self._names = tuple(schema["properties"])
        self._validator = Validator(schema)

    def check(self, body: object) -> dict[str, Any]:
        """The body, if it is as the schema says, with whole numbers as such."""
        fields = _object(body)
        for name in self._names:
            if name in fields:
                check_text(fields[name], name)
                fields[name] = _whole(fields[name])
        self._validator.check(fields, "")
        return fields
