"""The documents at `/v2/schemas/…`: what an image, a member and a task look like.

Clients build themselves from them (glanceclient makes its image flags out of `schemas/image`), so
names, types and limits are a contract. The vocabulary is JSON Schema of draft 4, plus `name` and
`links` as the clients of this API expect them. Where an operator declares properties of its own
in `schema-image.json`, they become part of the image document.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from calotype import errors
from calotype.api import metadef_schemas
from calotype.api.validator import UUID, Validator
from calotype.model.image import Status, Visibility
from calotype.model.member import Acceptance
from calotype.model.task import TYPES, TaskStatus

Document: TypeAlias = dict[str, Any]

#: The file in which operators declare image properties of their own.
FILE_NAME = "schema-image.json"


@dataclass(frozen=True, slots=True)
class Declared:
    """The image properties an operator declares, with which of them every new image needs."""

    properties: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    required: tuple[str, ...] = ()


NOTHING_DECLARED = Declared()


def documents(
    disk_formats: Sequence[str],
    container_formats: Sequence[str],
    declared: Declared = NOTHING_DECLARED,
) -> dict[str, Document]:
    """All documents by the path behind `/v2/schemas/`."""
    image = _image(disk_formats, container_formats, declared)
    member, task = _member(), _task()
    stub = {**task, "properties": {k: v for k, v in task["properties"].items() if k not in LONG}}
    return {
        "image": image,
        "images": _page("images", image),
        "member": member,
        "members": _list("members", member),
        "task": task,
        "tasks": _list("tasks", stub),
        **{f"metadefs/{name}": found for name, found in metadef_schemas.documents().items()},
    }


# -- what the operator declares -------------------------------------------------------------------


def custom_properties(config_dirs: Iterable[str | Path]) -> Declared:
    """What the first `schema-image.json` in these directories declares; nothing without one.

    Raises BadSettings.
    """
    for folder in config_dirs:
        path = Path(folder) / FILE_NAME
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise errors.BadSettings(f"{path}: cannot be read as JSON: {error}") from error
        return declared(content, str(path))
    return NOTHING_DECLARED


def declared(content: object, source: str) -> Declared:
    """The declarations in the content of a file, which `source` names in messages.

    Either a map from names to schemas, or such a map under `properties` with the names that every
    new image needs under `required`. Raises BadSettings.
    """
    required: object = []
    found = content
    if isinstance(content, Mapping) and "properties" in content:
        found, required = content["properties"], content.get("required", [])
    if not isinstance(found, Mapping):
        raise errors.BadSettings(f"{source}: must be an object that maps property names to schemas")
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise errors.BadSettings(f"{source}: 'required' must be a list of property names")
    for name, schema in found.items():
        fault = _fault(name, schema)
        if fault:
            raise errors.BadSettings(f"{source}: property {name!r} {fault}")
    marked = {name: {**schema, "is_base": False} for name, schema in found.items()}
    return Declared(marked, tuple(required))


def _fault(name: str, schema: object) -> str | None:
    if name in _image((), (), NOTHING_DECLARED)["properties"]:
        return "is a field that every image has: choose another name"
    if not isinstance(schema, Mapping):
        return "must be described by an object"
    try:
        Validator(schema).compile()
    except ValueError as error:
        return f"has a schema that cannot be used: {error}"
    return None


# -- the parts ------------------------------------------------------------------------------------


def _list(name: str, element: Document) -> Document:
    return {
        "name": name,
        "properties": {name: {"type": "array", "items": element}, "schema": {"type": "string"}},
        "links": [{"rel": "describedby", "href": "{schema}"}],
    }


def _page(name: str, element: Document) -> Document:
    return {
        "name": name,
        "properties": {
            name: {"type": "array", "items": element},
            "first": {"type": "string"},
            "next": {"type": "string"},
            "schema": {"type": "string"},
        },
        "links": [
            {"rel": "first", "href": "{first}"},
            {"rel": "next", "href": "{next}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }


def _text(description: str, **limits: Any) -> Document:
    return {"type": "string", "description": description, **limits}


def _text_or_null(description: str, **limits: Any) -> Document:
    return {"type": ["null", "string"], "description": description, **limits}


def _ours(kind: str | list[str], description: str, **limits: Any) -> Document:
    return {"type": kind, "readOnly": True, "description": description, **limits}


def _one_of(description: str, formats: Sequence[str]) -> Document:
    return _text_or_null(description, enum=[None, *formats])


def _image(
    disk_formats: Sequence[str], container_formats: Sequence[str], declared: Declared
) -> Document:
    image: Document = {
        "name": "image",
        "properties": {
            **_image_written(disk_formats, container_formats),
            **_image_read(),
            "locations": _locations(),
            **{name: dict(schema) for name, schema in declared.properties.items()},
        },
        "additionalProperties": {"type": "string"},
        "links": [
            {"rel": "self", "href": "{self}"},
            {"rel": "enclosure", "href": "{file}"},
            {"rel": "describedby", "href": "{schema}"},
        ],
    }
    if declared.required:
        image["required"] = list(declared.required)
    return image


def _image_written(disk_formats: Sequence[str], container_formats: Sequence[str]) -> Document:
    return {
        "id": _text("The id of the image; may be chosen when the image is created", pattern=UUID),
        "name": _text_or_null("What people call the image", maxLength=255),
        "visibility": _text("Which projects see the image", enum=[v.value for v in Visibility]),
        "protected": {"type": "boolean", "description": "Whether deleting the image is refused"},
        "os_hidden": {
            "type": "boolean",
            "description": "Whether lists leave the image out unless asked for hidden ones",
        },
        "owner": _text_or_null("The project that owns the image", maxLength=255),
        "container_format": _one_of("What wraps the disk, if anything", container_formats),
        "disk_format": _one_of("How the disk is stored in the file", disk_formats),
        "tags": {
            "type": "array",
            "description": "Words by which the image can be found",
            "items": {"type": "string", "maxLength": 255},
        },
        "min_ram": {"type": "integer", "description": "MiB of memory a server needs at least"},
        "min_disk": {"type": "integer", "description": "GiB of disk a server needs at least"},
    }


def _image_read() -> Document:
    number, text = ["null", "integer"], ["null", "string"]
    return {
        "status": _ours(
            "string", "Where the image stands in its life", enum=[known.value for known in Status]
        ),
        "checksum": _ours(text, "The MD5 digest of the data, in hexadecimal", maxLength=32),
        "os_hash_algo": _ours(text, "The algorithm of os_hash_value", maxLength=64),
        "os_hash_value": _ours(text, "The digest of the data, in hexadecimal", maxLength=128),
        "size": _ours(number, "The length of the data in bytes"),
        "virtual_size": _ours(number, "The size in bytes of the disk that the data describes"),
        "created_at": _ours("string", "When the image was created, UTC"),
        "updated_at": _ours("string", "When the image was last changed, UTC"),
        "direct_url": _ours("string", "Where a store keeps the data, if the operator shows it"),
        "self": _ours("string", "The path of this image"),
        "file": _ours("string", "The path of the image's data"),
        "stores": _ours(
            "string",
            "The stores that hold the data, ids joined by commas, if there are several",
        ),
        "schema": _ours("string", "The path of the document that describes an image"),
    }


def _locations() -> Document:
    digests = {
        "checksum": {"type": "string", "minLength": 32, "maxLength": 32},
        "os_hash_algo": {"type": "string", "maxLength": 64},
        "os_hash_value": {"type": "string", "maxLength": 128},
    }
    return {
        "type": "array",
        "description": "The copies of the data in the stores, if the operator shows them",
        "items": {
            "type": "object",
            "properties": {
                "url": {"type": "string", "maxLength": 255},
                "metadata": {"type": "object"},
                "validation_data": {
                    "type": "object",
                    "description": "Digests the data is known to have; taken over by a queued "
                    "image, compared with those of any other",
                    "writeOnly": True,
                    "additionalProperties": False,
                    "properties": digests,
                    "required": ["os_hash_algo", "os_hash_value"],
                },
            },
            "required": ["url", "metadata"],
        },
    }


def _member() -> Document:
    return {
        "name": "member",
        "properties": {
            "member_id": _text("The project the image is shared with"),
            "image_id": _text("The id of the shared image", pattern=UUID),
            "created_at": _text("When the image was first offered, UTC"),
            "updated_at": _text("When the answer last changed, UTC"),
            "status": _text(
                "What the project answered", enum=[known.value for known in Acceptance]
            ),
            "schema": {"readOnly": True, "type": "string"},
        },
    }


#: Fields of a task that lists leave out.
LONG = frozenset({"input", "result", "message"})


def _task() -> Document:
    return {
        "name": "task",
        "properties": {
            "id": _text("The id of the task", pattern=UUID),
            "type": _text("What the task does", enum=list(TYPES)),
            "status": _text("How far the task is", enum=[known.value for known in TaskStatus]),
            "input": {"type": ["null", "object"], "description": "What the task was given"},
            "result": {"type": ["null", "object"], "description": "What the task brought about"},
            "owner": _text("The project the task belongs to"),
            "message": _text("What there is to say about the outcome, above all why it failed"),
            "image_id": _text("The image the task works on"),
            "request_id": _text("The request that started the task"),
            "user_id": _text("The user who started the task"),
            "expires_at": _text_or_null("When the record of the task may be removed, UTC"),
            "created_at": _text("When the task was created, UTC"),
            "updated_at": _text("When the task last changed, UTC"),
            "self": {"readOnly": True, "type": "string"},
            "schema": {"readOnly": True, "type": "string"},
        },
    }
