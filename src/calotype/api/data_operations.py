"""The operations on the data of images: transfers, imports, stores."""

from collections.abc import Mapping

from calotype.api.operation import (
    DONE,
    JSON,
    OCTETS,
    SIZE,
    Answer,
    Operation,
    header,
    json,
    query,
)

_RANGES = (
    header(
        "Range",
        "The part that is wanted, one range in bytes: `bytes=0-1023`, `bytes=-512`",
        {"type": "string", "pattern": r"^bytes=(\d+-\d*|-\d+)$"},
    ),
    header("If-Range", "The part only if the data still has this entity tag, else all of it"),
    header("If-None-Match", "Nothing (304) if the data has one of these entity tags"),
    header(
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
            query("prefer", "The stores it should come from, joined by commas, best first"),
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


_DECLARED = header(
    "x-openstack-image-size",
    "How many bytes will come; goes before Content-Length. 0: not known",
    SIZE,
)

DATA: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images/{image_id}/file"): _download("get", {OCTETS: "Data"}),
    ("HEAD", "/v2/images/{image_id}/file"): _download("head", {}),
    ("PUT", "/v2/images/{image_id}/file"): Operation(
        id="upload_image_data",
        summary="Give a queued image its data",
        tag="data",
        parameters=(
            _DECLARED,
            header("x-image-meta-store", "The store that is to keep the data"),
        ),
        bodies={OCTETS: "Data"},
        answers=DONE,
        refusals=(404, 409, 410, 413, 415),
    ),
}

IMPORTS: Mapping[tuple[str, str], Operation] = {
    ("PUT", "/v2/images/{image_id}/stage"): Operation(
        id="stage_image_data",
        summary="Give a queued image data that a later import puts into stores",
        tag="imports",
        parameters=(_DECLARED,),
        bodies={OCTETS: "Data"},
        answers=DONE,
        refusals=(404, 409, 410, 413, 415),
    ),
    ("POST", "/v2/images/{image_id}/import"): Operation(
        id="import_image",
        summary="Begin to import an image, as a task",
        tag="imports",
        parameters=(header("x-image-meta-store", "The store that is to keep the data"),),
        bodies={JSON: "NewImport"},
        answers={202: Answer("The import has begun; the tasks of the image say how far it is")},
        refusals=(404, 409, 413),
    ),
}

LOCATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/images/{image_id}/locations"): Operation(
        id="list_locations",
        summary="Where the data of an image lies, for other services",
        tag="locations",
        answers={200: json("All locations", "Locations")},
        refusals=(404,),
    ),
    ("POST", "/v2/images/{image_id}/locations"): Operation(
        id="add_location",
        summary="Make a queued image active with data that lies somewhere already, as a task",
        tag="locations",
        bodies={JSON: "NewLocation"},
        answers={202: Answer("The task is written; the tasks of the image say how far it is")},
        refusals=(404, 409, 413),
    ),
}

STORES: Mapping[tuple[str, str], Operation] = {
    ("DELETE", "/v2/stores/{store_id}/{image_id}"): Operation(
        id="delete_from_store",
        summary="Remove the copy of an image that one store holds, unless it is the last one",
        tag="stores",
        answers=DONE,
        refusals=(404, 409),
    ),
}
