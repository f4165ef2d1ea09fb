"""The operations on image records, their tags and members."""

from collections.abc import Mapping

from calotype.api.operation import (
    DONE,
    INT,
    JSON,
    PATCH_V20,
    PATCH_V21,
    SIZE,
    TEXT_VALUE,
    Operation,
    Parameter,
    json,
    query,
    repeated,
)
from calotype.model.filter import SORT_KEYS
from calotype.model.image import Visibility
from calotype.model.member import Acceptance

_LISTED = "; `in:a,b` for one of several, with double quotes around what holds a comma"
_WHEN = "; an ISO 8601 time, with `gt:`, `gte:`, `lt:`, `lte:`, `eq:` or `neq:` before it"

#: The query of the image list.
FILTERS: tuple[Parameter, ...] = (
    query("limit", "The most images in one page", SIZE),
    query("marker", "The id of the last image of the page before"),
    query("sort", "Sort keys, each with `:asc` or `:desc`, joined by commas"),
    repeated("A key to sort by", "sort_key", {"type": "string", "enum": list(SORT_KEYS)}),
    repeated(
        "The direction for each sort_key, or one for all",
        "sort_dir",
        {"type": "string", "enum": ["asc", "desc"]},
    ),
    query(
        "visibility",
        "Only images of this visibility; `all` for every image one may see",
        {"type": "string", "enum": [*(known.value for known in Visibility), "all"]},
    ),
    query(
        "member_status",
        "Of the images shared with me, those I answered so",
        {"type": "string", "enum": [*(known.value for known in Acceptance), "all"]},
    ),
    query("os_hidden", "Hidden images in place of the others", {"type": "boolean"}),
    query("protected", "Only images that are protected, or not", {"type": "boolean"}),
    repeated("Only images with this tag; with several, all of them", "tag", TEXT_VALUE),
    *(
        query(name, f"Only images with this {name}{_LISTED}")
        for name in ("name", "id", "status", "container_format", "disk_format")
    ),
    *(query(name, f"Only images with this {name}{_WHEN}") for name in ("created_at", "updated_at")),
    *(
        query(name, f"Only images with this {name}")
        for name in ("owner", "checksum", "os_hash_algo", "os_hash_value")
    ),
    *(
        query(f"{name}{end}", f"Only images with {text} {name}", INT)
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

IMAGES: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images"): Operation(
        id="list_images",
        summary="One page of the images one may see",
        tag="images",
        parameters=FILTERS,
        answers={200: json("A page, with the path of the next one if there is one", "Images")},
    ),
    ("POST", "/v2/images"): Operation(
        id="create_image",
        summary="Create an image that has no data yet",
        tag="images",
        bodies={JSON: "NewImage"},
        answers={
            201: json(
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
        answers={200: json("The image", "Image")},
        refusals=(404,),
    ),
    ("PATCH", "/v2/images/{image_id}"): Operation(
        id="update_image",
        summary="Change an image: all of the changes or none",
        tag="images",
        bodies={PATCH_V21: "Patch", PATCH_V20: "OldPatch"},
        answers={200: json("The image as it is now", "Image")},
        refusals=(404, 409, 413, 415),
    ),
    ("DELETE", "/v2/images/{image_id}"): Operation(
        id="delete_image",
        summary="Delete an image and its data",
        tag="images",
        answers=DONE,
        refusals=(404, 409),
    ),
    ("POST", "/v2/images/{image_id}/actions/deactivate"): Operation(
        id="deactivate_image",
        summary="Close the data of an image to all but administrators",
        tag="images",
        answers=DONE,
        refusals=(404, 409),
    ),
    ("POST", "/v2/images/{image_id}/actions/reactivate"): Operation(
        id="reactivate_image",
        summary="Open the data of an image again",
        tag="images",
        answers=DONE,
        refusals=(404, 409),
    ),
    ("PUT", "/v2/images/{image_id}/tags/{tag}"): Operation(
        id="add_tag",
        summary="Put a tag on an image",
        tag="tags",
        answers=DONE,
        refusals=(404, 409, 413),
    ),
    ("DELETE", "/v2/images/{image_id}/tags/{tag}"): Operation(
        id="remove_tag",
        summary="Take a tag off an image",
        tag="tags",
        answers=DONE,
        refusals=(404, 409),
    ),
}

MEMBERS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images/{image_id}/members"): Operation(
        id="list_members",
        summary="The projects a shared image is offered to",
        tag="members",
        answers={200: json("Those one may know of", "Members")},
        refusals=(404,),
    ),
    ("POST", "/v2/images/{image_id}/members"): Operation(
        id="add_member",
        summary="Offer an image to one more project",
        tag="members",
        bodies={JSON: "NewMember"},
        answers={200: json("The new member", "Member")},
        refusals=(404, 409, 413),
    ),
    ("GET", "/v2/images/{image_id}/members/{member_id}"): Operation(
        id="get_member",
        summary="One member",
        tag="members",
        answers={200: json("The member", "Member")},
        refusals=(404,),
    ),
    ("PUT", "/v2/images/{image_id}/members/{member_id}"): Operation(
        id="answer_offer",
        summary="Accept or reject an offered image",
        tag="members",
        bodies={JSON: "MemberStatus"},
        answers={200: json("The member as it is now", "Member")},
        refusals=(404, 413),
    ),
    ("DELETE", "/v2/images/{image_id}/members/{member_id}"): Operation(
        id="remove_member",
        summary="Take an image back from a project",
        tag="members",
        answers=DONE,
        refusals=(404,),
    ),
}
