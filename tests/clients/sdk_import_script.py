"""How an openstacksdk user imports; prints as JSON what was seen. Run with the peers' Python.

Arguments: the file to stage, the address of the same data.
"""

import json
import sys
import time
from typing import Any

import openstack
from openstack import exceptions

disk, uri = sys.argv[1], sys.argv[2]
images = openstack.connect().image
seen: dict[str, Any] = {}
formats = {"disk_format": "raw", "container_format": "bare"}


def new(name: str) -> Any:
    """A queued image."""
    return images.create_image(name, allow_duplicates=True, **formats)


def ended(image: Any) -> list[Any]:
    """How the image is when none of its tasks goes on."""
    deadline = time.monotonic() + 90
    while any(task.status in ("pending", "processing") for task in images.image_tasks(image)):
        assert time.monotonic() < deadline, "the import does not end"
        time.sleep(0.05)
    image = images.get_image(image.id)
    return [image.status, image.hash_value, image.properties.get("stores") or image.stores]


# -- what there is
seen["methods"] = images.get_import_info().import_methods["value"]
stores = list(images.stores())
seen["stores"] = [[store.id, store.is_default] for store in stores]
seen["details"] = ["data_dir" in store.properties for store in images.stores(details=True)]
fast, far = stores

# -- staged data
image = images.stage_image(new("sdk staged"), filename=disk)
seen["staged"] = [image.status, image.size]
images.import_image(image, stores=[far])
seen["imported"] = ended(image)
tasks = images.image_tasks(image)
seen["tasks"] = [[it.type, it.status, it.request_id.startswith("req-")] for it in tasks]

# -- from the web
from_web = new("sdk web")
images.import_image(from_web, "web-download", uri=uri, all_stores=True)
seen["from web"] = ended(from_web)

# -- into one store, the old way, which names it twice
old = new("sdk old")
images.import_image(old, "web-download", uri=uri, store=far)
seen["in one store"] = ended(old)

# -- in one go
made = images.create_image("sdk made", filename=disk, stores=[far], **formats)
seen["created"] = ended(made)

# -- copies
images.import_image(image, "copy-image", stores=[fast], all_stores_must_succeed=True)
seen["copied"] = ended(image)
images.delete_image(image, store=far)
seen["deleted from far"] = ended(image)[2]
try:
    images.delete_image(image, store=fast)
except exceptions.HttpException as error:
    seen["deleted from the last"] = error.status_code

# -- what is refused: the call itself does not raise
answer = images.import_image(image, "web-download", uri=uri)
seen["refused"] = answer.status_code

print(json.dumps(seen))
