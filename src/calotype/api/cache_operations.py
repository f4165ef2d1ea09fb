"""The operations on the image cache of a node."""

from collections.abc import Mapping

from calotype.api.operation import DONE, Answer, Operation, header, json


def _old(id: str, summary: str, body: str, *refusals: int) -> Operation:
    return Operation(
        id=id,
        summary=summary,
        tag="cache, older calls",
        answers={200: json("Done", body)},
        refusals=(404, *refusals),
    )


_KINDS: Mapping[str, object] = {"type": "string", "enum": ["cache", "queue"]}

CACHE: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/cache"): Operation(
        id="show_cache",
        summary="What the answering node has in its cache, and what is queued for it",
        tag="cache",
        answers={200: json("Both", "Cache")},
        refusals=(404,),
    ),
    ("DELETE", "/v2/cache"): Operation(
        id="clear_cache",
        summary="Take everything out of the cache of the answering node, and off its queue",
        tag="cache",
        parameters=(header("x-image-cache-clear-target", "Only the one or the other", _KINDS),),
        answers=DONE,
        refusals=(404,),
    ),
    ("PUT", "/v2/cache/{image_id}"): Operation(
        id="queue_image_for_cache",
        summary="Bring an active image into the cache of the answering node",
        tag="cache",
        answers={202: Answer("It is queued, or there already")},
        refusals=(404,),
    ),
    ("DELETE", "/v2/cache/{image_id}"): Operation(
        id="remove_image_from_cache",
        summary="Take an image out of the cache of the answering node, and off its queue",
        tag="cache",
        answers=DONE,
        refusals=(404,),
    ),
    ("GET", "/v2/cache/nodes/{image_id}"): Operation(
        id="list_cached_nodes",
        summary="The nodes that have an image in their cache",
        tag="cache",
        answers={200: json("Their addresses", "CachedNodes", Vary="User-Agent")},
        refusals=(404, 409),
    ),
    ("POST", "/v2/cache/clean"): Operation(
        id="clean_cache",
        summary="Remove what failed, stalled or belongs to no image from the answering node",
        tag="cache",
        answers={200: Answer("Done")},
        refusals=(404,),
    ),
    ("POST", "/v2/cache/prune"): Operation(
        id="prune_cache",
        summary="Shrink the cache of the answering node to its configured size",
        tag="cache",
        answers={200: json("What was taken out", "Pruned")},
        refusals=(404,),
    ),
    ("GET", "/v2/cached_images"): _old("list_cached_images", "What is cached", "CachedImages"),
    ("DELETE", "/v2/cached_images"): _old("clear_cached_images", "Empty the cache", "NumDeleted"),
    ("DELETE", "/v2/cached_images/{image_id}"): _old(
        "remove_cached_image", "Take an image out of the cache", "Nothing"
    ),
    ("GET", "/v2/queued_images"): _old("list_queued_images", "What is queued", "QueuedImages"),
    ("DELETE", "/v2/queued_images"): _old("clear_queued_images", "Empty the queue", "NumDeleted"),
    ("PUT", "/v2/queued_images/{image_id}"): _old(
        "queue_image", "Bring an active image into the cache", "Nothing"
    ),
    ("DELETE", "/v2/queued_images/{image_id}"): _old(
        "remove_queued_image", "Take an image off the queue", "Nothing"
    ),
}
