"""The tasks API with the released clients."""

import json
from pathlib import Path

from tests.clients.conftest import Cloud
from tests.imports.web import Web, page

SCRIPT = Path(__file__).with_name("sdk_tasks_script.py")


def given(uri: str, name: str) -> str:
    """The input of a task, as `glance task-create` takes it."""
    fields = {"name": name, "disk_format": "raw", "container_format": "bare"}
    return json.dumps({"import_from": uri, "import_from_format": "raw", "image_properties": fields})


def test_glance(cloud: Cloud, web: Web, disk: Path) -> None:
    admin = cloud.admin
    web.pages["/tasks"] = page(disk.read_bytes())
    create = ("task-create", "--type", "import", "--input")
    good = admin.glance(*create, given(f"{web.url}/tasks", "g task")).fields
    bad = admin.glance(*create, given(f"{web.url}/nothing", "g bad")).fields
    assert cloud.ended(good["image_id"])["status"] == "success"
    cloud.task_ended(bad["id"])
    shown = admin.glance("task-show", good["id"]).fields
    assert (shown["type"], shown["status"]) == ("import", "success")
    assert json.loads(shown["result"]) == {"image_id": good["image_id"]}
    image = admin.glance("image-show", good["image_id"]).fields
    assert (image["name"], image["status"]) == ("g task", "active")
    shown = admin.glance("task-show", bad["id"]).fields
    assert (shown["status"], shown["message"]) == (
        "failure", "uri: the server answered 404 Not Here",
    )  # fmt: skip

    def listed(*options: str) -> set[str]:
        return {row["ID"] for row in admin.glance("task-list", *options).rows}

    # Of all types that there are: that client checks what it lists against our schema.
    hashed = cloud.hash(good["image_id"])
    assert {good["id"], bad["id"], hashed} <= listed("--page-size", "1")
    assert listed("--status", "failure", "--type", "import", "--sort-key", "id") >= {bad["id"]}
    assert hashed in listed("--type", "calculate_hash")
    assert good["id"] not in listed("--status", "failure")
    wrong = admin.glance(*create, given("file:///etc/passwd", "no"), status=1)
    assert wrong.complaint.startswith("HTTP 400 Bad Request: uri: must begin with http")
    shown = admin.glance("task-list", "--type", "export", status=1)
    assert shown.complaint.startswith("HTTP 400 Bad Request: type: must be one of import,")


def test_openstack(cloud: Cloud, web: Web, disk: Path) -> None:
    admin = cloud.admin
    web.pages["/tasks"] = page(disk.read_bytes())
    body = {"type": "import", "input": json.loads(given(f"{web.url}/tasks", "o task"))}
    made = admin.ask("POST", "/v2/tasks", body).json
    cloud.task_ended(made["id"])
    shown = admin.openstack("image", "task", "show", made["id"], "-f", "json").json
    assert (shown["type"], shown["status"]) == ("import", "success")
    assert shown["input"] == made["input"]
    assert shown["result"] == {"image_id": made["image_id"]}
    assert shown["message"] == f"Imported {disk.stat().st_size} bytes"
    some = ("--type", "import", "--status", "success", "--sort-key", "created_at")
    rows = admin.openstack("image", "task", "list", *some, "--sort-dir", "desc", "-f", "json").json
    assert made["id"] in {row["ID"] for row in rows}
    [newest] = admin.ask("GET", "/v2/tasks?limit=1").json["tasks"]
    # That client takes the limit for the length of a page, and goes on to the next one.
    rest = ("--marker", newest["id"], "--limit", "1")
    rows = admin.openstack("image", "task", "list", *rest, "-f", "json").json
    assert made["id"] in {newest["id"], *(row["ID"] for row in rows)}
    assert newest["id"] not in {row["ID"] for row in rows}


def test_a_program(cloud: Cloud, web: Web, disk: Path) -> None:
    web.pages["/tasks"] = page(disk.read_bytes())
    seen = cloud.admin.script(SCRIPT, f"{web.url}/tasks", f"{web.url}/nothing")
    assert seen["begun"] == ["import", "pending"]
    assert seen["waited"] == ["success", True]
    assert seen["image"] == ["active", disk.stat().st_size]
    assert seen["failed"].endswith("transitioned to failure state failure")
    assert seen["listed"] == [True, True]
    assert seen["schemas"] == ["task", "tasks"]


def test_only_for_admins(keystone_cloud: Cloud) -> None:
    mary = keystone_cloud.member
    shown = mary.glance("task-list", status=1)
    assert shown.complaint == (
        "HTTP 403 Forbidden: You may not do this: policy rule 'tasks_api_access' does not allow "
        "it\n"
    )
    shown = mary.openstack("image", "task", "list", status=1)
    assert "tasks_api_access" in shown.complaint
