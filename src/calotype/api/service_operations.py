"""The operations that tell about the service itself, and those on tasks."""

from collections.abc import Mapping

from calotype.api.operation import (
    JSON,
    SIZE,
    TEXT,
    Answer,
    Operation,
    json,
    query,
    repeated,
)
from calotype.model.filter import TASK_SORT_KEYS
from calotype.model.task import TYPES, TaskStatus

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


SERVICE: Mapping[tuple[str, str], Operation] = {
    ("GET", "/"): Operation(
        id="list_versions_at_root",
        summary="The versions of the API",
        tag="service",
        answers={300: json("Choose one", "Versions")},
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
        answers={200: json("All versions", "Versions")},
        open=True,
    ),
    ("GET", "/healthcheck"): _health("get", _HEALTH),
    ("HEAD", "/healthcheck"): _health("head", {}),
    ("GET", "/v2/openapi.json"): Operation(
        id="get_openapi",
        summary="This description",
        tag="service",
        answers={200: json("The description", "Anything")},
        open=True,
    ),
    ("GET", "/v2/schemas/{name}"): Operation(
        id="get_schema",
        summary="What an image, a member or a task looks like",
        tag="schemas",
        answers={200: json("A JSON schema", "Anything")},
        refusals=(404,),
    ),
    ("GET", "/v2/schemas/metadefs/{name}"): Operation(
        id="get_metadef_schema",
        summary="What a metadata definition looks like",
        tag="schemas",
        answers={200: json("A JSON schema", "Anything")},
        refusals=(404,),
    ),
    ("GET", "/v2/info/import"): Operation(
        id="list_import_methods",
        summary="The ways to import an image here",
        tag="service",
        answers={200: json("The names of the methods", "ImportMethods")},
    ),
    ("GET", "/v2/info/stores"): Operation(
        id="list_stores",
        summary="The stores that can be named",
        tag="service",
        answers={200: json("All stores", "Stores")},
        refusals=(404,),
    ),
    ("GET", "/v2/info/stores/detail"): Operation(
        id="list_store_details",
        summary="The stores with how they are set up and what they can do",
        tag="service",
        answers={200: json("All stores", "Stores")},
        refusals=(404,),
    ),
    ("GET", "/v2/info/usage"): Operation(
        id="get_usage",
        summary="What the caller's project uses, and its limits",
        tag="service",
        answers={200: json("By limit; empty when limits are off", "Usage")},
    ),
}

_PAGE_OF_TASKS = (
    query("limit", "The most tasks in one page", SIZE),
    query("marker", "The id of the last task of the page before"),
    query("sort", "Sort keys, each with `:asc` or `:desc`, joined by commas"),
    repeated("A key to sort by", "sort_key", {"type": "string", "enum": list(TASK_SORT_KEYS)}),
    repeated(
        "The direction for each sort_key, or one for all",
        "sort_dir",
        {"type": "string", "enum": ["asc", "desc"]},
    ),
    query("type", "Only tasks of this type", {"type": "string", "enum": list(TYPES)}),
    query(
        "status",
        "Only tasks that are so far",
        {"type": "string", "enum": [known.value for known in TaskStatus]},
    ),
)

TASKS: Mapping[tuple[str, str], Operation] = {
    ("GET", "/v2/tasks"): Operation(
        id="list_tasks",
        summary="The tasks that have not expired: all for an admin, else those of the project",
        tag="tasks",
        parameters=_PAGE_OF_TASKS,
        answers={200: json("One page", "Tasks")},
    ),
    ("POST", "/v2/tasks"): Operation(
        id="create_task",
        summary="Make an image and import its data from an address, as a task",
        tag="tasks",
        bodies={JSON: "NewTask"},
        answers={201: json("The task that does it", "Task", Location="The path of the task")},
        refusals=(409, 413),
    ),
    ("GET", "/v2/tasks/{task_id}"): Operation(
        id="get_task",
        summary="One task",
        tag="tasks",
        answers={200: json("The task", "Task")},
        refusals=(404,),
    ),
    ("GET", "/v2/images/{image_id}/tasks"): Operation(
        id="list_image_tasks",
        summary="What is being done with an image, and what was done lately",
        tag="tasks",
        answers={200: json("The tasks that have not expired, the newest first", "ImageTasks")},
        refusals=(404,),
    ),
    ("POST", "/v2/images/{image_id}/hash"): Operation(
        id="calculate_hash",
        summary="Calculate the digests of an active image from its data, as a task",
        tag="tasks",
        bodies={JSON: "HashRequest"},
        needs_body=False,
        answers={202: json("The task that does it", "ImageTask")},
        refusals=(404, 409),
    ),
}
