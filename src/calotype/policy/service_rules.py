"""The rules for the cache, the stores and the tasks API."""

from calotype.policy.rule import ADMIN, DEFAULT, Rule

_CACHE_BEFORE = "rule:manage_image_cache"

CACHE = (
    Rule(
        name="manage_image_cache",
        check=ADMIN,
        description="Use the cache API of older releases.",
        operations=(
            ("GET", "/v2/cached_images"),
            ("DELETE", "/v2/cached_images"),
            ("DELETE", "/v2/cached_images/{image_id}"),
            ("GET", "/v2/queued_images"),
            ("PUT", "/v2/queued_images/{image_id}"),
            ("DELETE", "/v2/queued_images"),
            ("DELETE", "/v2/queued_images/{image_id}"),
        ),
    ),
    Rule(
        name="list_cached_nodes",
        check=ADMIN,
        description="List the nodes that hold an image in their cache.",
        operations=(("GET", "/v2/cache/nodes/{image_id}"),),
    ),
    Rule(
        name="cache_image",
        check=ADMIN,
        description="Queue an image to be fetched into this node's cache.",
        operations=(("PUT", "/v2/cache/{image_id}"),),
        legacy=_CACHE_BEFORE,
    ),
    Rule(
        name="cache_list",
        check=ADMIN,
        description="List what this node's cache holds and what is queued for it.",
        operations=(("GET", "/v2/cache"),),
        legacy=_CACHE_BEFORE,
    ),
    Rule(
        name="cache_delete",
        check=ADMIN,
        description="Remove one image or everything from this node's cache and queue.",
        operations=(("DELETE", "/v2/cache"), ("DELETE", "/v2/cache/{image_id}")),
        legacy=_CACHE_BEFORE,
    ),
    Rule(
        name="cache_clean",
        check=ADMIN,
        description="Remove what failed or stalled from this node's cache.",
        operations=(("POST", "/v2/cache/clean"),),
    ),
    Rule(
        name="cache_prune",
        check=ADMIN,
        description="Shrink this node's cache to its configured size.",
        operations=(("POST", "/v2/cache/prune"),),
    ),
)

STORES = (
    Rule(
        name="stores_info_detail",
        check=f"{ADMIN} or rule:service_api",
        description="See the configured stores with their properties.",
        operations=(("GET", "/v2/info/stores/detail"),),
        legacy=ADMIN,
    ),
)

_TASKS = "/v2/tasks"
_TASK = "/v2/tasks/{task_id}"

TASKS = (
    Rule(
        name="get_task",
        check=DEFAULT,
        description="Without effect: tasks_api_access alone decides. Kept for existing files.",
        operations=(("GET", _TASK),),
        legacy=DEFAULT,
    ),
    Rule(
        name="get_tasks",
        check=DEFAULT,
        description="Without effect: tasks_api_access alone decides. Kept for existing files.",
        operations=(("GET", _TASKS),),
        legacy=DEFAULT,
    ),
    Rule(
        name="add_task",
        check=DEFAULT,
        description="Without effect: tasks_api_access alone decides. Kept for existing files.",
        operations=(("POST", _TASKS),),
        legacy=DEFAULT,
    ),
    Rule(
        name="modify_task",
        check=DEFAULT,
        description="Without effect: tasks_api_access alone decides. Kept for existing files.",
        operations=(("DELETE", _TASK),),
    ),
    Rule(
        name="tasks_api_access",
        check=ADMIN,
        description="Use the tasks API.",
        operations=(("GET", _TASK), ("GET", _TASKS), ("POST", _TASKS), ("DELETE", _TASK)),
    ),
)

RULES = CACHE + STORES + TASKS
