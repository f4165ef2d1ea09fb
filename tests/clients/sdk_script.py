"""The work of an openstacksdk user; prints as JSON what was seen. Run with the peers' Python.

Arguments: the file to upload, the folder to download to, the id of the project to share with.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import openstack
from openstack import exceptions

disk, folder, project = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
cloud = openstack.connect()
images = cloud.image
seen: dict[str, Any] = {}

# -- create and upload
formats = {"disk_format": "raw", "container_format": "bare"}
made = images.create_image("sdk", filename=str(disk), tags=["sdk"], colour="red", **formats)
made = images.get_image(made.id)
seen["created"] = [made.name, made.status, made.size, made.checksum, made.hash_value, made.tags]
direct = images.upload_image(name="sdk-2", data=b"data", tags=["sdk"], **formats)
direct = images.get_image(direct.id)
seen["uploaded"] = [direct.status, direct.size]
waiting = images.create_image("sdk-3", tags=["sdk"], allow_duplicates=True, **formats)
seen["waiting"] = waiting.status

# -- find and list
seen["found by name"] = images.find_image("sdk").id == made.id
seen["found by id"] = images.find_image(made.id).name
seen["not found"] = images.find_image("no such image")
seen["got"] = images.get_image(made.id).properties.get("colour")
listed = images.images(tag="sdk", sort="name:desc", limit=1)  # three pages
seen["listed"] = [image.name for image in listed]
seen["filtered"] = [image.name for image in images.images(tag="sdk", status="queued")]
small = images.images(tag="sdk", size_max=4, sort_key="name", sort_dir="asc", visibility="shared")
seen["small"] = [image.name for image in small]

# -- update, tag
changed = images.update_image(made, min_ram=64, name="sdk new", colour="blue", shape="round")
seen["updated"] = [changed.name, changed.min_ram, changed.properties]
images.add_tag(made, "more")
images.remove_tag(made, "sdk")
seen["tags"] = images.get_image(made.id).tags

# -- download
streamed = hashlib.sha512()
for block in images.download_image(made, stream=True).iter_content(chunk_size=65536):
    streamed.update(block)
seen["streamed"] = streamed.hexdigest()
images.download_image(made, output=str(folder / "copy"))
seen["downloaded"] = images.download_image(direct).content.decode()

# -- share
images.add_member(made, member_id=project)
answered = images.update_member(project, made, status="accepted") if "--all" in sys.argv else None
seen["answered"] = answered and answered.status
seen["members"] = [[one.member_id, one.status] for one in images.members(made)]
seen["member"] = images.get_member(project, made).image_id == made.id
images.remove_member(project, made)
seen["members left"] = len(list(images.members(made)))

# -- close, open
images.deactivate_image(made)
seen["deactivated"] = images.get_image(made.id).status
images.reactivate_image(made)
seen["reactivated"] = images.get_image(made.id).status

# -- what the service says about itself
seen["schemas"] = [
    images.get_image_schema().properties["min_ram"]["type"],
    images.get_images_schema().name,
    images.get_member_schema().name,
    images.get_members_schema().name,
]
seen["imports"] = images.get_import_info().import_methods["type"]

# -- the simpler calls on top
simple = cloud.create_image("sdk simple", filename=str(disk), wait=True, **formats)
seen["simple"] = [
    simple.status,
    cloud.get_image("sdk simple").size,
    [image.name for image in cloud.search_images(filters={"name": "sdk simple"})],
    cloud.delete_image("sdk simple", wait=True),
    cloud.get_image("sdk simple"),
]

# -- delete
images.update_image(made, is_protected=True)
try:
    images.delete_image(made)
except exceptions.ForbiddenException as error:
    seen["protected"] = error.details
images.update_image(made, is_protected=False)
for image in (made, direct, waiting):
    images.delete_image(image)
try:
    images.get_image(made.id)
except exceptions.NotFoundException as error:
    seen["gone"] = error.details
images.delete_image(made.id, ignore_missing=True)

print(json.dumps(seen))
