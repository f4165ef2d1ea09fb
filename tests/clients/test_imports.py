"""Imports with the released clients, into the one store of a site and into several."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Cloud
from tests.imports.web import Web, page

SCRIPT = Path(__file__).with_name("sdk_import_script.py")
FORMATS = ("--disk-format", "raw", "--container-format", "bare")

Fetched = Callable[[str], str]


@pytest.fixture
def fetched(web: Web, disk: Path) -> Fetched:
    """`fetched(name)`: the address of a disk on the web."""

    def put(name: str) -> str:
        web.pages[f"/{name}"] = page(disk.read_bytes())
        return f"{web.url}/{name}"

    return put


def sha512(disk: Path) -> str:
    return hashlib.sha512(disk.read_bytes()).hexdigest()


def imported(cloud: Cloud, image_id: str, disk: Path) -> dict[str, Any]:
    """The image, once its import has ended well."""
    task = cloud.ended(image_id)
    assert (task["status"], task["type"]) == ("success", "api_image_import"), task
    shown = dict(cloud.admin.ask("GET", f"/v2/images/{image_id}").json)
    assert (shown["status"], shown["os_hash_value"]) == ("active", sha512(disk))
    return shown


# -- glance, one store without a name --------------------------------------------------------------


def test_glance_creates_by_import(cloud: Cloud, disk: Path, fetched: Fetched) -> None:
    mary = cloud.member
    create = ("image-create-via-import", *FORMATS, "--name")
    direct = mary.glance(*create, "direct", "--file", disk, "--progress").fields
    imported(cloud, direct["id"], disk)
    from_web = ("--import-method", "web-download", "--uri", fetched("glance"))
    imported(cloud, mary.glance(*create, "web", *from_web).fields["id"], disk)
    bare = mary.glance("image-create-via-import", *FORMATS, "--name", "bare").fields
    assert bare["status"] == "queued"


def test_glance_stages_and_imports(cloud: Cloud, disk: Path) -> None:
    mary = cloud.member
    id_ = mary.put_image("g staged")
    mary.glance("image-stage", id_, "--file", disk, "--size", str(disk.stat().st_size))
    assert mary.glance("image-show", id_).fields["status"] == "uploading"
    mary.glance("image-import", id_, "--import-method", "glance-direct")
    imported(cloud, id_, disk)
    [task] = mary.glance("image-tasks", id_).rows
    assert (task["Status"], task["Message"]) == ("success", f"Imported {disk.stat().st_size} bytes")
    [task] = mary.glance("--verbose", "image-tasks", id_).rows
    assert (task["Image Id"], task["Task Id"]) == (id_, cloud.tasks_of(id_)[0]["id"])
    assert task["Request Id"].startswith("req-")
    nowhere = "00000000-0000-4000-8000-00000000dead"
    shown = mary.glance("image-tasks", nowhere, status=1)
    assert shown.complaint == f"Image {nowhere} not found.\n"


def test_glance_shows_why_an_import_failed(cloud: Cloud, web: Web) -> None:
    mary = cloud.member
    id_ = mary.put_image("g fails")
    uri = f"{web.url}/nothing"
    mary.glance("image-import", id_, "--import-method", "web-download", "--uri", uri)
    assert cloud.ended(id_)["status"] == "failure"
    [task] = mary.glance("image-tasks", id_).rows
    assert task["Message"] == "uri: the server answered 404 Not Here"
    assert mary.glance("image-show", id_).fields["status"] == "queued"
    closed = ("--import-method", "web-download", "--uri", "http://127.0.0.1:1/")
    shown = mary.glance("image-import", id_, *closed, status=1)
    assert shown.complaint == "HTTP 400 Bad Request: uri: the port 1 is not allowed here\n"


# -- openstack, one store without a name -----------------------------------------------------------


def test_openstack_creates_by_import(cloud: Cloud, disk: Path) -> None:
    mary = cloud.member
    made = mary.openstack(
        *("image", "create", "o created", *FORMATS, "--import", "--file", disk, "-f", "json")
    ).json
    imported(cloud, made["id"], disk)


def test_openstack_stages_and_imports(cloud: Cloud, disk: Path, fetched: Fetched) -> None:
    mary = cloud.member
    staged, from_web = mary.put_image("o staged"), mary.put_image("o web")
    mary.openstack("image", "stage", staged, "--file", disk, "--progress")
    mary.openstack("image", "import", staged)
    imported(cloud, staged, disk)
    uri = ("--method", "web-download", "--uri", fetched("openstack"))
    mary.openstack("image", "import", from_web, *uri)
    imported(cloud, from_web, disk)


# -- several stores --------------------------------------------------------------------------------


def test_glance_and_several_stores(stores: Cloud, disk: Path, fetched: Fetched) -> None:
    mary, admin = stores.member, stores.admin
    told = json.loads(mary.glance("stores-info").fields["stores"])
    assert [(store["id"], store.get("default")) for store in told] == [
        ("fast", "true"),
        ("far", None),
    ]
    told = json.loads(admin.glance("stores-info", "--detail").fields["stores"])
    assert [(store["type"], store["weight"]) for store in told] == [("file", 2), ("file", 0)]

    create = ("image-create-via-import", *FORMATS, "--file", disk)
    one = mary.glance(*create, "--store", "far").fields["id"]
    assert imported(stores, one, disk)["stores"] == "far"
    two = mary.glance(*create, "--stores", "fast,far", "--allow-failure", "False").fields["id"]
    assert imported(stores, two, disk)["stores"] == "fast,far"
    every = mary.put_image("g every")
    from_web = ("--import-method", "web-download", "--uri", fetched("stores"))
    mary.glance("image-import", every, *from_web, "--all-stores", "True")
    assert imported(stores, every, disk)["stores"] == "fast,far"

    admin.glance("image-import", one, "--import-method", "copy-image", "--stores", "fast")
    assert imported(stores, one, disk)["stores"] == "far,fast"
    admin.glance("stores-delete", one, "--store", "far")
    assert mary.glance("image-show", one).fields["stores"] == "fast"
    last = admin.glance("stores-delete", one, "--store", "fast", status=1)
    assert last.complaint.startswith(f"Unable to delete image '{one}' from store 'fast'. (HTTP 403")
    assert mary.glance("image-download", one).raw == disk.read_bytes()


def test_openstack_and_several_stores(stores: Cloud, disk: Path, fetched: Fetched) -> None:
    mary, admin = stores.member, stores.admin
    listed = mary.openstack("image", "stores", "list", "-f", "json").json
    assert [(row["ID"], row["Default"]) for row in listed] == [("fast", True), ("far", None)]
    detailed = admin.openstack("image", "stores", "list", "--detail", "-f", "json").json
    assert detailed[0]["Properties"]["data_dir"].endswith("/fast")

    id_ = mary.put_image("o stores")
    mary.openstack("image", "stage", id_, "--file", disk)
    mary.openstack("image", "import", id_, "--store", "far")
    assert imported(stores, id_, disk)["stores"] == "far"
    copy = ("--method", "copy-image", "--all-stores", "--disallow-failure")
    admin.openstack("image", "import", id_, *copy)
    assert imported(stores, id_, disk)["stores"] == "far,fast"
    admin.openstack("image", "delete", id_, "--store", "far")
    shown = mary.openstack("image", "show", id_, "-f", "json").json
    assert shown["properties"]["stores"] == "fast"


def test_who_may_not(keystone_stores: Cloud) -> None:
    mary, rita = keystone_stores.member, keystone_stores.reader
    id_ = mary.put_image("not so", b"data")
    shown = mary.glance(
        *("image-import", id_, "--import-method", "copy-image", "--stores", "far"), status=1
    )
    denied = "HTTP 403 Forbidden: You may not do this: policy rule '{}' does not allow it\n"
    assert shown.complaint == denied.format("copy_image")
    shown = mary.glance("stores-info", "--detail", status=1)
    assert shown.complaint == denied.format("stores_info_detail")
    shown = mary.glance("stores-delete", id_, "--store", "fast", status=1)
    assert "delete_image_location" in shown.complaint
    waiting = mary.put_image("not hers")
    shown = rita.glance("image-stage", waiting, "--size", "1", standard_input=b"1", status=1)
    assert shown.complaint == denied.format("modify_image")
    assert mary.ask("GET", f"/v2/images/{waiting}").json["status"] == "queued"


# -- openstacksdk ----------------------------------------------------------------------------------


def test_a_program_imports(stores: Cloud, disk: Path, fetched: Fetched) -> None:
    """Only an admin may copy, delete copies and look at what the stores are."""
    seen = stores.admin.script(SCRIPT, disk, fetched("sdk"))
    assert seen["methods"] == ["glance-direct", "web-download", "copy-image"]
    assert seen["stores"] == [["fast", True], ["far", None]]
    assert seen["details"] == [True, True]
    assert seen["staged"] == ["uploading", disk.stat().st_size]
    assert seen["imported"] == ["active", sha512(disk), "far"]
    assert seen["tasks"] == [["api_image_import", "success", True]]
    assert seen["from web"] == ["active", sha512(disk), "fast,far"]
    assert seen["in one store"] == ["active", sha512(disk), "far"]
    assert seen["created"] == ["active", sha512(disk), "far"]
    assert seen["copied"] == ["active", sha512(disk), "far,fast"]
    assert seen["deleted from far"] == "fast"
    assert seen["deleted from the last"] == 403
    assert seen["refused"] == 409
