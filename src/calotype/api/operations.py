"""Every operation of the API, from the tables of its areas.

`openapi.py` makes the published description of the service from this table; a test holds it
against the route table. Names of bodies are those in `components.py`.
"""

from collections.abc import Mapping

from calotype.api.cache_operations import CACHE
from calotype.api.data_operations import DATA, IMPORTS, LOCATIONS, STORES
from calotype.api.image_operations import IMAGES, MEMBERS
from calotype.api.operation import Operation, Parameter
from calotype.api.service_operations import SERVICE, TASKS

#: What stands in braces in a path.
PATH_PARAMETERS: Mapping[str, Parameter] = {
    "image_id": Parameter("image_id", "path", "The id of the image"),
    "member_id": Parameter("member_id", "path", "The project the image is shared with"),
    "store_id": Parameter("store_id", "path", "The id of the store"),
    "task_id": Parameter("task_id", "path", "The id of the task"),
    "tag": Parameter(
        "tag", "path", "The tag", {"type": "string", "minLength": 1, "maxLength": 255}
    ),
    "name": Parameter("name", "path", "The name of the document"),
}


#: All of them by method and path.
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    **SERVICE,
    **IMAGES,
    **DATA,
    **IMPORTS,
    **LOCATIONS,
    **STORES,
    **MEMBERS,
    **TASKS,
    **CACHE,
}
