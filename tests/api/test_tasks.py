"""The tasks API, as HTTP: the list, one task, and a new one."""

import json
import uuid
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from calotype.db.images import now
from calotype.db.tables import calotype_task_runs, images, task_info, tasks
from calotype.model.filter import TASK_SORT_KEYS
from tests.api.cases import (
    ADMIN,
    HOMELESS,
    MEMBER,
    NOWHERE,
    OTHER,
    READER,
    Answer,
    Client,
    Site,
    on_each_engine,
)
from tests.api.conftest import MakeSite

MOMENT = datetime(2026, 11, 21, 2, 11)
STUB = {
    "id", "type", "status", "owner", "expires_at", "created_at", "updated_at", "self", "schema",
}  # fmt: skip
REFERS = {"image_id", "request_id", "user_id"}
LONG = {"input", "result", "message"}


def put(site: Site, **values: Any) -> str:
    """A task as it lies in the database; its id."""
    task_id = str(values.pop("id", uuid.uuid4()))
    long = {name: values.pop(name, None) for name in LONG}
    row = {
        "id": task_id,
        "type": "api_image_import",
        "status": "success",
        "owner": "ours",
        "created_at": MOMENT,
        "updated_at": MOMENT,
        "expires_at": now() + timedelta(hours=1) if values.get("status") != "pending" else None,
        "deleted": False,
        **values,
    }
    info = {**long, "input": json.dumps({"some": "input"})}

    def work(connection: Any) -> None:
        connection.execute(insert(tasks).values(**row))
        connection.execute(insert(task_info).values(task_id=task_id, **info))

    site.parts.database.transaction(work)
    return task_id


def ids(answer: Answer) -> list[str]:
    return [task["id"] for task in answer.gave(200).json["tasks"]]


def walk(client: Client, url: str | None) -> list[str]:
    """The ids of all pages from this one on."""
    found: list[str] = []
    while url:
        answer = client.get(url)
        found += ids(answer)
        url = answer.json.get("next")
    return found


@pytest.fixture
def opened(make_site: MakeSite, tmp_path: Path) -> Site:
    """A site whose policy lets everybody use the tasks API."""
    (tmp_path / "policy.yaml").write_text("tasks_api_access: ''\n")
    return make_site(text=f"[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml\n")


# -- who ---------------------------------------------------------------------------------------


def test_only_admins_may_use_it(site: Site, member: Client) -> None:
    task_id = put(site)
    for method, path in [("GET", "/v2/tasks"), ("GET", f"/v2/tasks/{task_id}")]:
        member.ask(method, path).gave(403, "tasks_api_access")
    member.post("/v2/tasks", new()).gave(403, "tasks_api_access")
    assert site.of(ADMIN).ids() == []
    site.of(None).get("/v2/tasks").gave(401)


def test_others_see_those_of_their_project(opened: Site) -> None:
    mine, theirs, nobodys = put(opened), put(opened, owner="theirs"), put(opened, owner="")
    assert ids(opened.of(READER).get("/v2/tasks")) == [mine]
    assert ids(opened.of(OTHER).get("/v2/tasks")) == [theirs]
    assert ids(opened.of(HOMELESS).get("/v2/tasks")) == []
    assert set(ids(opened.of(ADMIN).get("/v2/tasks"))) == {mine, theirs, nobodys}
    opened.of(MEMBER).get(f"/v2/tasks/{mine}").gave(200)
    opened.of(OTHER).get(f"/v2/tasks/{mine}").gave(404, mine)
    opened.of(HOMELESS).get(f"/v2/tasks/{nobodys}").gave(404)
    opened.of(OTHER).get(f"/v2/tasks?marker={mine}").gave(400, "marker")


# -- one task ----------------------------------------------------------------------------------


@on_each_engine
def test_a_task_as_it_is_shown(site: Site, admin: Client) -> None:
    task_id = put(
        site, image_id=NOWHERE, request_id="req-1", user_id="mary", message="Done",
        result=json.dumps({"image_id": NOWHERE}), expires_at=datetime(2036, 1, 2, 3, 4, 5),
    )  # fmt: skip
    shown = admin.get(f"/v2/tasks/{task_id}").gave(200).json
    assert shown == {
        "id": task_id,
        "type": "api_image_import",
        "status": "success",
        "owner": "ours",
        "image_id": NOWHERE,
        "request_id": "req-1",
        "user_id": "mary",
        "input": {"some": "input"},
        "result": {"image_id": NOWHERE},
        "message": "Done",
        "expires_at": "2036-01-02T03:04:05Z",
        "created_at": "2026-11-21T02:11:00Z",
        "updated_at": "2026-11-21T02:11:00Z",
        "self": f"/v2/tasks/{task_id}",
        "schema": "/v2/schemas/task",
    }
    (stub,) = admin.get("/v2/tasks").json["tasks"]
    assert stub == {name: value for name, value in shown.items() if name not in LONG}
    assert set(stub) == STUB | REFERS


def test_a_task_of_an_old_glance_lacks_some_fields(site: Site, admin: Client) -> None:
    task_id = put(site, status="pending", type="import", updated_at=None)
    shown = admin.get(f"/v2/tasks/{task_id}").gave(200).json
    assert set(shown) == STUB | LONG
    assert (shown["expires_at"], shown["message"], shown["result"]) == (None, "", None)
    assert shown["updated_at"] == shown["created_at"]


def test_what_is_not_shown(site: Site, admin: Client) -> None:
    expired = put(site, expires_at=now() - timedelta(minutes=1))
    removed = put(site, deleted=True, deleted_at=now())
    for task_id in (expired, removed, NOWHERE, "no-uuid"):
        admin.get(f"/v2/tasks/{task_id}").gave(404, task_id)
    assert ids(admin.get("/v2/tasks")) == []


def test_no_task_can_be_deleted(site: Site, admin: Client) -> None:
    task_id = put(site)
    answer = admin.delete(f"/v2/tasks/{task_id}").gave(405)
    assert "GET" in answer.headers["allow"]
    assert "DELETE" not in answer.headers["allow"]
    admin.get(f"/v2/tasks/{task_id}").gave(200)


# -- the list ----------------------------------------------------------------------------------


@on_each_engine
def test_filters(site: Site, admin: Client) -> None:
    kinds = ("import", "api_image_import", "location_import", "calculate_hash")
    statuses = ("pending", "processing", "success", "failure")
    made = {pair: put(site, type=pair[0], status=pair[1]) for pair in product(kinds, statuses)}
    for kind in kinds:
        wanted = {made[kind, status] for status in statuses}
        assert set(ids(admin.get(f"/v2/tasks?type={kind}"))) == wanted
    for status in statuses:
        assert set(ids(admin.get(f"/v2/tasks?status={status}"))) == {made[k, status] for k in kinds}
    both = admin.get("/v2/tasks?type=import&status=failure")
    assert ids(both) == [made["import", "failure"]]
    assert both.json["first"] == "/v2/tasks?type=import&status=failure"
    assert both.json["schema"] == "/v2/schemas/tasks"


@on_each_engine
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_order_walks_through_all_tasks_once(site: Site, direction: str) -> None:
    admin = site.of(ADMIN)
    for number in range(8):
        some = {} if number % 2 else {"image_id": NOWHERE, "user_id": f"u{number % 3}"}
        made = MOMENT + timedelta(minutes=number % 4)
        ended = None if number % 3 else now() + timedelta(hours=number + 1)
        put(
            site, status=("pending", "success")[number % 2], owner=f"o{number % 3}",
            created_at=made, updated_at=None if number % 4 == 0 else MOMENT, expires_at=ended,
            request_id=f"req-{number}" if number > 2 else None, **some,
        )  # fmt: skip
    for key in TASK_SORT_KEYS:
        url = f"/v2/tasks?sort_key={key}&sort_dir={direction}"
        whole = ids(admin.get(url))
        assert len(set(whole)) == 8
        assert walk(admin, f"{url}&limit=3") == whole
        values = [admin.get(f"/v2/tasks/{it}").json.get(key) or "" for it in whole]
        assert values == sorted(values, reverse=direction == "desc"), key


def test_the_newest_come_first(site: Site, admin: Client) -> None:
    made = [put(site, created_at=MOMENT + timedelta(seconds=number)) for number in range(3)]
    assert ids(admin.get("/v2/tasks")) == made[::-1]
    assert ids(admin.get("/v2/tasks?sort=created_at:asc")) == made


def test_pages(site: Site, admin: Client) -> None:
    made = [put(site, created_at=MOMENT + timedelta(seconds=number)) for number in range(30)]
    first = admin.get("/v2/tasks").gave(200).json
    assert [task["id"] for task in first["tasks"]] == made[:4:-1]
    assert first["first"] == "/v2/tasks"
    assert first["next"] == f"/v2/tasks?marker={made[5]}"
    last = admin.get(first["next"]).gave(200).json
    assert [task["id"] for task in last["tasks"]] == made[4::-1]
    assert "next" not in last
    assert ids(admin.get("/v2/tasks?limit=0")) == []
    assert walk(admin, "/v2/tasks?limit=7&status=success") == made[::-1]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("limit=-1", "limit"),
        ("limit=many", "limit"),
        ("marker=nothing", "marker"),
        ("type=export", "type: must be one of import, api_image_import"),
        ("type=", "type"),
        ("status=done", "status: must be one of pending, processing"),
        ("sort_key=size", "sort_key: cannot sort by 'size'; the keys are id, type, status"),
        ("sort_key=type&sort_dir=up", "sort_key: the direction is asc or desc"),
        ("sort_dir=up", "sort_dir"),
        ("sort=type&sort_key=type", "sort: cannot be combined"),
        ("owner=ours", "owner: tasks cannot be chosen by this; use type, status"),
        ("type=%00", "type: the character U+0000"),
        ("type=%ff", "UTF-8"),
    ],
)
def test_questions_that_make_no_sense(admin: Client, query: str, says: str) -> None:
    admin.get(f"/v2/tasks?{query}").gave(400, says)


# -- a new one ---------------------------------------------------------------------------------

FROM = "http://images.example.org/disk"


def new(**changes: Any) -> dict[str, Any]:
    """The body of a new task."""
    given = {"import_from": FROM, "import_from_format": "qcow2", "image_properties": {}}
    return {"type": "import", "input": {**given, **changes}}


@on_each_engine
def test_a_new_task_makes_the_image_and_waits(site: Site, admin: Client) -> None:
    body = new(image_properties={"name": "disk", "os_distro": "debian", "tags": ["a"]})
    answer = admin.post("/v2/tasks", body).gave(201)
    task = answer.json
    assert answer.headers["location"] == f"/v2/tasks/{task['id']}"
    assert (task["type"], task["status"], task["owner"]) == ("import", "pending", "operations")
    assert (task["input"], task["result"], task["message"]) == (body["input"], None, "")
    assert task["request_id"] == answer.headers["x-openstack-request-id"]
    assert admin.get(f"/v2/tasks/{task['id']}").json == task
    image = admin.image(task["image_id"])
    assert (image["name"], image["status"], image["tags"]) == ("disk", "importing", ["a"])
    assert (image["disk_format"], image["container_format"]) == ("qcow2", "bare")
    assert (image["os_distro"], image["os_glance_import_task"]) == ("debian", task["id"])
    (of_image,) = admin.get(f"/v2/images/{image['id']}/tasks").json["tasks"]
    assert of_image["id"] == task["id"]


def test_the_fields_of_the_image_are_those_that_were_given(site: Site, admin: Client) -> None:
    fields = {
        "disk_format": "raw",
        "container_format": "ovf",
        "visibility": "public",
        "id": NOWHERE,
    }
    task = admin.post("/v2/tasks", new(image_properties={**fields, "name": None})).gave(201).json
    assert task["image_id"] == NOWHERE
    assert fields.items() <= admin.image(NOWHERE).items()
    admin.post("/v2/tasks", new(image_properties=fields)).gave(409, NOWHERE)
    assert len(ids(admin.get("/v2/tasks"))) == 1


@on_each_engine
def test_names_that_one_engine_takes_for_one(site: Site, admin: Client, engine_name: str) -> None:
    answer = admin.post("/v2/tasks", new(image_properties={"colour": "red", "COLOUR": "blue"}))
    if engine_name != "mariadb":
        answer.gave(201)
        return
    answer.gave(409, "A property of that name exists already")
    assert (admin.ids(), ids(admin.get("/v2/tasks"))) == ([], [])


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({}, 400, "type: is required"),
        ([], 400, "object"),
        ({"type": "api_image_import", "input": {}}, 400, "type: must be import"),
        ({"type": "import", "input": {}}, 400, "input.import_from: is required"),
        ({**new(), "owner": "x"}, 400, "owner"),
        (new(import_from=5), 400, "input.import_from"),
        (new(image_properties=[]), 400, "input.image_properties"),
        (new(import_from="file:///etc/passwd"), 400, "uri: must begin with http:// or https://"),
        (new(import_from="images/disk.vhd"), 400, "uri: must begin with"),
        (new(import_from="http://h:1234/"), 400, "uri: the port 1234 is not allowed here"),
        (new(import_from="http://0x7f.1/"), 400, "uri"),
        (new(import_from_format="floppy"), 400, "disk_format: must be one of"),
        (new(image_properties={"min_ram": -1}), 400, "min_ram"),
        (new(image_properties={"number": 5}), 400, "number"),
        (new(image_properties={"status": "active"}), 403, "status"),
        (new(image_properties={"os_glance_x": "y"}), 403, "os_glance_x"),
        (new(image_properties={f"p{n}": "" for n in range(129)}), 413, "properties: at most 128"),
        (new(image_properties={"mood": "\U0001f600"}), 400, "U+1F600"),
    ],
)
def test_what_is_refused_leaves_nothing(
    site: Site, admin: Client, body: Any, status: int, says: str
) -> None:
    admin.post("/v2/tasks", body).gave(status, says)
    with site.parts.database.reading() as connection:
        for table in (tasks, task_info, calotype_task_runs, images):
            assert connection.execute(select(table)).all() == []


def test_who_may_use_it_needs_the_rights_for_the_image_too(opened: Site) -> None:
    reader, member = opened.of(READER), opened.of(MEMBER)
    reader.post("/v2/tasks", new()).gave(403, "add_image")
    member.post("/v2/tasks", new(image_properties={"visibility": "public"})).gave(
        403, "publicize_image"
    )
    task = member.post("/v2/tasks", new()).gave(201).json
    assert member.image(task["image_id"])["owner"] == "ours"


def test_no_room_is_left(make_site: MakeSite) -> None:
    admin = make_site({("DEFAULT", "user_storage_quota"): "1"}).of(ADMIN)
    admin.create_active(b"x")
    admin.post("/v2/tasks", new()).gave(413, "user_storage_quota")
