"""Every operation of the API as data: what it takes and what it may answer.

`openapi.py` makes the published description of the service from this table; a test holds it
against the route table. Names of bodies are those in `components.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from calotype.model.filter import SORT_KEYS
from calotype.model.image import Visibility
from calotype.model.member import Acceptance

JSON = "application/json"
TEXT = "text/plain"
OCTETS = "application/octet-stream"
PATCH_V21 = "application/openstack-images-v2.1-json-patch"
PATCH_V20 = "application/openstack-images-v2.0-json-patch"

_TEXT: Mapping[str, Any] = {"type": "string"}
_SIZE: Mapping[str, Any] = {"type": "integer", "minimum": 0}
_INT: Mapping[str, Any] = {"type": "integer"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter outside the body. `free`: its keys are parameters with any name."""

    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: _TEXT)
    free: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer: its bodies by media type, and the headers it may have."""

    description: str
    bodies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `refusals`: its statuses of failure beside those all calls share.

    `needs_body`: false where a body may be left out.
    """

    id: str
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    refusals: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    bodies: Mapping[str, str] = field(default_factory=dict)
    needs_body: bool = True
    open: bool = False


def _query(name: str, description: str, schema: Mapping[str, Any] = _TEXT) -> Parameter:
    return Parameter(name, "query", description, schema)


def _header(name: str, description: str, schema: Mapping[str, Any] = _TEXT) -> Parameter:
    return Parameter(name, "header", description, schema)


def _json(description: str, body: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(description, {JSON: body}, named)


def _repeated(description: str, name: str, schema: Mapping[str, Any]) -> Parameter:
    return _query(name, description, {"type": "array", "items": schema})


_DONE = {204: Answer("Done")}

#: What stands in braces in a path.
PATH_PARAMETERS: Mapping[str, Parameter] = {
    "image_id": Parameter("image_id", "path", "The id of the image"),
    "member_id": Parameter("member_id", "path", "The project the image is shared with"),
    "store_id": Parameter("store_id", "path", "The id of the store"),
    "tag": Parameter(
        "tag", "path", "The tag", {"type": "string", "minLength": 1, "maxLength": 255}
    ),
    "name": Parameter("name", "path", "The name of the document"),
}

_LISTED = "; `in:a,b` for one of several, with double quotes around what holds a comma"
_WHEN = "; an ISO 8601 time, with `gt:`, `gte:`, `lt:`, `lte:`, `eq:` or `neq:` before it"

#: The query of the image list.
FILTERS: tuple[Parameter, ...] = (
    _query("limit", "The most images in one page", _SIZE),
    _query("marker", "The id of the last image of the page before"),
    _query("sort", "Sort keys, each with `:asc` or `:desc`, joined by commas"),
    _repeated("A key to sort by", "sort_key", {"type": "string", "enum": list(SORT_KEYS)}),
    _repeated(
        "The direction for each sort_key, or one for all",
        "sort_dir",
        {"type": "string", "enum": ["asc", "desc"]},
    ),
    _query(
        "visibility",
        "Only images of this visibility; `all` for every image one may see",
        {"type": "string", "enum": [*(known.value for known in Visibility), "all"]},
    ),
    _query(
        "member_status",
        "Of the images shared with me, those I answered so",
        {"type": "string", "enum": [*(known.value for known in Acceptance), "all"]},
    ),
    _query("os_hidden", "Hidden images in place of the others", {"type": "boolean"}),
    _query("protected", "Only images that are protected, or not", {"type": "boolean"}),
    _repeated("Only images with this tag; with several, all of them", "tag", _TEXT),
    *(
        _query(name, f"Only images with this {name}{_LISTED}")
        for name in ("name", "id", "status", "container_format", "disk_format")
    ),
    *(
        _query(name, f"Only images with this {name}{_WHEN}")
        for name in ("created_at", "updated_at")
    ),
    *(
        _query(name, f"Only images with this {name}")
        for name in ("owner", "checksum", "os_hash_algo", "os_hash_value")
    ),
    *(
        _query(f"{name}{end}", f"Only images with {text} {name}", _INT)
        for name in ("size", "min_ram", "min_disk")
        for end, text in (("", "this"), ("_min", "at least this"), ("_max", "at most this"))
    ),
    Parameter(
        "properties",
        "query",
        "Any other name: only images whose property of that name has this value",
        {"type": "object", "additionalProperties": {"type": "string"}},
        free=True,
    ),
)

_RANGES = (
    _header(
        "Range",
        "The part that is wanted, one range in bytes: `bytes=0-1023`, `bytes=-512`",
        {"type": "string", "pattern": r"^bytes=(\d+-\d*|-\d+)$"},
    ),
    _header("If-Range", "The part only if the data still has this entity tag, else all of it"),
    _header("If-None-Match", "Nothing (304) if the data has one of these entity tags"),
    _header(
        "Content-Range",
        "The part that is wanted, as older clients say it: `bytes 0-9/100`",
        {"type": "string", "pattern": r"^bytes \d+-\d+/(\d+|\*)$"},
    ),
)

_DATA_HEADERS = {
    "Accept-Ranges": "bytes",
    "Content-MD5": "The MD5 digest of the whole data, in hexadecimal",
    "ETag": "The entity tag of the data",
}
_PART_HEADERS = {**_DATA_HEADERS, "Content-Range": "Which part this is, and of how much"}


def _download(method: str, bodies: Mapping[str, str]) -> Operation:
    return Operation(
        id=f"{method}_image_data",
        summary="Download the data of an image" if bodies else "What a download would answer",
        tag="data",
        parameters=(
            _query("prefer", "The stores it should come from, joined by commas, best first"),
            *_RANGES,
        ),
        answers={
            200: Answer("All of the data", bodies, _DATA_HEADERS),
            204: Answer("The image has no data"),
            206: Answer("The part that was asked for", bodies, _PART_HEADERS),
            304: Answer("The data is the one the client has", {}, _DATA_HEADERS),
        },
        refusals=(404, 416),
    )


_HEALTH = {JSON: "Health", TEXT: "Text"}


def _health(method: str, bodies: Mapping[str, str]) -> Operation:
    return Operation(
        id=f"{method}_health",
        summary="Whether this service is in service",
        tag="service",
        answers={
            200: Answer("It is", bodies),
            503: Answer("The operator has put it aside", bodies),
        },
        open=True,
    )


_SERVICE: Mapping[tuple[str, str], Operation] = {
    ("GET", "/"): Operation(
        id="list_versions_at_root",
        summary="The versions of the API",
        tag="service",
        answers={300: _json("Choose one", "Versions")},
        open=True,
    ),
    ("HEAD", "/"): Operation(
        id="head_versions_at_root",
        summary="Whether there is an API here",
        tag="service",
        answers={300: Answer("There is")},
        open=True,
    ),
    ("GET", "/versions"): Operation(
        id="list_versions",
        summary="The versions of the API",
        tag="service",
        answers={200: _json("All versions", "Versions")},
        open=True,
    ),
    ("GET", "/healthcheck"): _health("get", _HEALTH),
    ("HEAD", "/healthcheck"): _health("head", {}),
    ("GET", "/v2/openapi.json"): Operation(
        id="get_openapi",
        summary="This description",
        tag="service",
        answers={200: _json("The description", "Anything")},
        open=True,
    ),
    ("GET", "/v2/schemas/{name}"): Operation(
        id="get_schema",
        summary="What an image, a member or a task looks like",
        tag="schemas",
        answers={200: _json("A JSON schema", "Anything")},
        refusals=(404,),
    ),
    ("GET", "/v2/schemas/metadefs/{name}"): Operation(
        id="get_metadef_schema",
        summary="What a metadata definition looks like",
        tag="schemas",
        answers={200: _json("A JSON schema", "Anything")},
        refusals=(404,),
    ),
    ("GET", "/v2/info/import"): Operation(
        id="list_import_methods",
        summary="The ways to import an image here",
        tag="service",
        answers={200: _json("The names of the methods", "ImportMethods")},
    ),
    ("GET", "/v2/info/stores"): Operation(
        id="list_stores",
        summary="The stores that can be named",
        tag="service",
        answers={200: _json("All stores", "Stores")},
        refusals=(404,),
    ),
    ("GET", "/v2/info/stores/detail"): Operation(
        id="list_store_details",
        summary="The stores with how they are set up",
        tag="service",
        answers={200: _json("All stores", "Stores")},
        refusals=(404,),
    ),
    ("GET", "/v2/info/usage"): Operation(
        id="get_usage",
        summary="What the caller's project uses, and its limits",
        tag="service",
        answers={200: _json("By limit; empty when limits are off", "Usage")},
    ),
}

_IMAGES: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images"): Operation(
        id="list_images",
        summary="One page of the images one may see",
        tag="images",
        parameters=FILTERS,
        answers={200: _json("A page, with the path of the next one if there is one", "Images")},
    ),
    ("POST", "/v2/images"): Operation(
        id="create_image",
        summary="Create an image that has no data yet",
        tag="images",
        bodies={JSON: "NewImage"},
        answers={
            201: _json(
                "The new image",
                "Image",
                Location="The address of the image",
                OpenStack_image_import_methods="The import methods, joined by commas",
                OpenStack_image_store_ids="The stores, joined by commas",
            )
        },
        refusals=(409, 413),
    ),
    ("GET", "/v2/images/{image_id}"): Operation(
        id="get_image",
        summary="One image",
        tag="images",
        answers={200: _json("The image", "Image")},
        refusals=(404,),
    ),
    ("PATCH", "/v2/images/{image_id}"): Operation(
        id="update_image",
        summary="Change an image: all of the changes or none",
        tag="images",
        bodies={PATCH_V21: "Patch", PATCH_V20: "OldPatch"},
        answers={200: _json("The image as it is now", "Image")},
        refusals=(404, 409, 413, 415),
    ),
    ("DELETE", "/v2/images/{image_id}"): Operation(
        id="delete_image",
        summary="Delete an image and its data",
        tag="images",
        answers=_DONE,
        refusals=(404, 409),
    ),
    ("POST", "/v2/images/{image_id}/actions/deactivate"): Operation(
        id="deactivate_image",
        summary="Close the data of an image to all but administrators",
        tag="images",
        answers=_DONE,
        refusals=(404, 409),
    ),
    ("POST", "/v2/images/{image_id}/actions/reactivate"): Operation(
        id="reactivate_image",
        summary="Open the data of an image again",
        tag="images",
        answers=_DONE,
        refusals=(404, 409),
    ),
    ("PUT", "/v2/images/{image_id}/tags/{tag}"): Operation(
        id="add_tag",
        summary="Put a tag on an image",
        tag="tags",
        answers=_DONE,
        refusals=(404, 409, 413),
    ),
    ("DELETE", "/v2/images/{image_id}/tags/{tag}"): Operation(
        id="remove_tag",
        summary="Take a tag off an image",
        tag="tags",
        answers=_DONE,
        refusals=(404, 409),
    ),
}

_DECLARED = _header(
    "x-openstack-image-size",
    "How many bytes will come; goes before Content-Length. 0: not known",
    _SIZE,
)

_DATA: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images/{image_id}/file"): _download("get", {OCTETS: "Data"}),
    ("HEAD", "/v2/images/{image_id}/file"): _download("head", {}),
    ("PUT", "/v2/images/{image_id}/file"): Operation(
        id="upload_image_data",
        summary="Give a queued image its data",
        tag="data",
        parameters=(
            _DECLARED,
            _header("x-image-meta-store", "The store that is to keep the data"),
        ),
        bodies={OCTETS: "Data"},
        answers=_DONE,
        refusals=(404, 409, 410, 413, 415),
    ),
}

_IMPORTS: Mapping[tuple[str, str], Operation] = {
    ("PUT", "/v2/images/{image_id}/stage"): Operation(
        id="stage_image_data",
        summary="Give a queued image data that a later import puts into stores",
        tag="imports",
        parameters=(_DECLARED,),
        bodies={OCTETS: "Data"},
        answers=_DONE,
        refusals=(404, 409, 410, 413, 415),
    ),
    ("POST", "/v2/images/{image_id}/import"): Operation(
        id="import_image",
        summary="Begin to import an image, as a task",
        tag="imports",
        parameters=(_header("x-image-meta-store", "The store that is to keep the data"),),
        bodies={JSON: "NewImport"},
        answers={202: Answer("The import has begun; the tasks of the image say how far it is")},
        refusals=(404, 409, 413),
    ),
}

_STORES: Mapping[tuple[str, str], Operation] = {
    ("DELETE", "/v2/stores/{store_id}/{image_id}"): Operation(
        id="delete_from_store",
        summary="Remove the copy of an image that one store holds, unless it is the last one",
        tag="stores",
        answers=_DONE,
        refusals=(404, 409),
    ),
}

_MEMBERS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images/{image_id}/members"): Operation(
        id="list_members",
        summary="The projects a shared image is offered to",
        tag="members",
        answers={200: _json("Those one may know of", "Members")},
        refusals=(404,),
    ),
    ("POST", "/v2/images/{image_id}/members"): Operation(
        id="add_member",
        summary="Offer an image to one more project",
        tag="members",
        bodies={JSON: "NewMember"},
        answers={200: _json("The new member", "Member")},
        refusals=(404, 409, 413),
    ),
    ("GET", "/v2/images/{image_id}/members/{member_id}"): Operation(
        id="get_member",
        summary="One member",
        tag="members",
        answers={200: _json("The member", "Member")},
        refusals=(404,),
    ),
    ("PUT", "/v2/images/{image_id}/members/{member_id}"): Operation(
        id="answer_offer",
        summary="Accept or reject an offered image",
        tag="members",
        bodies={JSON: "MemberStatus"},
        answers={200: _json("The member as it is now", "Member")},
        refusals=(404, 413),
    ),
    ("DELETE", "/v2/images/{image_id}/members/{member_id}"): Operation(
        id="remove_member",
        summary="Take an image back from a project",
        tag="members",
        answers=_DONE,
        refusals=(404,),
    ),
}

_TASKS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images/{image_id}/tasks"): Operation(
        id="list_image_tasks",
        summary="What is being done with an image, and what was done lately",
        tag="tasks",
        answers={200: _json("The tasks that have not expired, the newest first", "ImageTasks")},
        refusals=(404,),
    ),
    ("POST", "/v2/images/{image_id}/hash"): Operation(
        id="calculate_hash",
        summary="Calculate the digests of an active image from its data, as a task",
        tag="tasks",
        bodies={JSON: "HashRequest"},
        needs_body=False,
        answers={202: _json("The task that does it", "ImageTask")},
        refusals=(404, 409),
    ),
}

#: All of them by method and path.
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    **_SERVICE,
    **_IMAGES,
    **_DATA,
    **_IMPORTS,
    **_STORES,
    **_MEMBERS,
    **_TASKS,
}
