"""How an openstacksdk user works with tasks; prints JSON. Run with the peers' Python.

Arguments: the address of a disk, and one where there is nothing.
"""

import json
import sys
from typing import Any

import openstack
from openstack import exceptions

images = openstack.connect().image
seen: dict[str, Any] = {}


def begin(uri: str) -> Any:
    """A task that imports from an address."""
    given = {"import_from": uri, "import_from_format": "raw", "image_properties": {"name": "sdk"}}
    return images.create_task(type="import", input=given)


good, bad = begin(sys.argv[1]), begin(sys.argv[2])
seen["begun"] = [good.type, good.status]

done = images.wait_for_task(good, interval=0.1)
image = images.get_image(done.result["image_id"])
seen["waited"] = [done.status, images.get_task(good).id == good.id]
seen["image"] = [image.status, image.size]
try:
    images.wait_for_task(bad, interval=0.1)
except exceptions.ResourceFailure as error:
    seen["failed"] = str(error)

listed = [task.id for task in images.tasks(type="import", limit=1)]  # page by page
failed = [task.id for task in images.tasks(status="failure", sort_key="id", sort_dir="asc")]
seen["listed"] = [{good.id, bad.id} <= set(listed), bad.id in failed and good.id not in failed]
seen["schemas"] = [images.get_task_schema().name, images.get_tasks_schema().name]

print(json.dumps(seen))
