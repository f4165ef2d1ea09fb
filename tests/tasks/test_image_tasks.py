"""The specification of the tasks of an image, sentence by sentence, over HTTP."""

import json
import re
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from calotype.db import tables
from calotype.db.images import now
from calotype.db.tables import calotype_leases, task_info, tasks
from tests.tasks.site import Site

DEFAULT = "[task]\ntask_time_to_live = 7\n[DEFAULT]\nhttp_retries = 0"

#: What the specification shows, in its own words.
SHOWN = {
    "id", "image_id", "request-id", "user", "type", "status", "owner", "expires_at", "created_at",
    "updated_at", "deleted_at", "deleted", "input", "result", "message",
}  # fmt: skip
#: What the released clients read.
READ = {"request_id", "user_id"}


def glance_wrote(site: Site, image_id: str, **values: Any) -> str:
    """A task as Glance leaves it in the database; its id."""
    task_id = str(uuid.uuid4())
    row = {
        "id": task_id,
        "type": "api_image_import",
        "status": "processing",
        "owner": "operations",
        "image_id": image_id,
        "request_id": "req-5",
        "user_id": "admin",
        "created_at": datetime(2020, 12, 18, 5, 20, 38),
        "updated_at": datetime(2020, 12, 18, 5, 25, 39),
        "deleted": False,
        **values,
    }
    asked = {"method": {"name": "copy-image"}}
    given = json.dumps({"image_id": image_id, "import_req": asked})

    def work(connection: Any) -> None:
        connection.execute(insert(tasks).values(**row))
        info = {"input": given, "result": None, "message": "Copied 15 MiB"}
        connection.execute(insert(task_info).values(task_id=task_id, **info))

    site.database.transaction(work)
    return task_id


def everything(site: Site) -> dict[str, list[Any]]:
    """All rows of all tables but that of the leases, which a worker renews."""
    found = {}
    with site.database.reading() as connection:
        for metadata in (tables.glance, tables.own):
            for table in metadata.sorted_tables:
                if table is not calotype_leases:
                    found[table.name] = _rows(connection, table)
    return found


def _rows(connection: Any, table: Table) -> list[Any]:
    return sorted(tuple(row) for row in connection.execute(select(table)))


# -- "fetch the tasks associated with image_id of that image and returns it to the user" -----------


def test_returns_the_tasks_of_the_image_and_no_others(site: Site) -> None:
    one, other = site.bare(), site.bare()
    first = site.begin(one, "sha256")
    site.ended(one, first)
    second = site.begin(one, "sha512")
    site.ended(one, second)
    site.ended(other, site.begin(other))
    assert {task["id"] for task in site.tasks(one)} == {first, second}


def test_returns_every_field_of_the_specification(site: Site) -> None:
    image_id = site.bare()
    task = site.ended(image_id, site.begin(image_id))
    assert set(task) == SHOWN | READ
    assert task["image_id"] == image_id
    assert (task["type"], task["status"], task["owner"]) == (
        "calculate_hash", "success", "operations",
    )  # fmt: skip
    assert (task["deleted"], task["deleted_at"]) == (False, None)
    assert task["input"] == {"image_id": image_id, "os_hash_algo": "sha512"}
    assert task["result"]["image_id"] == image_id


def test_the_elements_are_flat_and_bear_both_spellings(site: Site) -> None:
    """The released clients find the fields in the elements of the list themselves."""
    image_id = site.bare()
    answer = site.hash(image_id)
    task = site.task(image_id, answer.json["id"])
    assert "task" not in task
    assert task["request_id"] == task["request-id"] == answer.headers["x-openstack-request-id"]
    assert task["user_id"] == task["user"] == "admin"


def test_times_are_iso_8601_with_microseconds(site: Site) -> None:
    image_id = site.bare()
    ended = site.ended(image_id, site.begin(image_id))
    for name in ("created_at", "updated_at", "expires_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", ended[name]), ended[name]


def test_a_task_of_glance_is_shown_as_in_the_specification(site: Site) -> None:
    image_id = site.stored()
    task_id = glance_wrote(site, image_id)
    assert site.task(image_id, task_id) == {
        "id": task_id,
        "image_id": image_id,
        "request-id": "req-5",
        "request_id": "req-5",
        "user": "admin",
        "user_id": "admin",
        "type": "api_image_import",
        "status": "processing",
        "owner": "operations",
        "expires_at": None,
        "created_at": "2020-12-18T05:20:38.000000",
        "updated_at": "2020-12-18T05:25:39.000000",
        "deleted_at": None,
        "deleted": False,
        "input": {"image_id": image_id, "import_req": {"method": {"name": "copy-image"}}},
        "result": None,
        "message": "Copied 15 MiB",
    }


@pytest.mark.parametrize("values", [{"request_id": None}, {"user_id": None}], ids=str)
def test_either_request_id_or_user_or_both(site: Site, values: dict[str, None]) -> None:
    image_id = site.stored()
    task = site.task(image_id, glance_wrote(site, image_id, **values))
    (missing,) = values
    other = {"request_id": "request-id", "user_id": "user"}[missing]
    assert task[missing] is task[other] is None
    assert {task["request_id"], task["user_id"]} != {None}


# -- "This new API will return all tasks associated with image which are not expired" --------------


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_the_expiry_is_set_at_the_end_from_task_time_to_live(site: Site, outcome: str) -> None:
    image_id = site.bare()
    if outcome == "failure":
        site.file(image_id).unlink()
    task_id = site.begin(image_id)
    task = site.ended(image_id, task_id)
    assert task["status"] == outcome
    left = datetime.fromisoformat(task["expires_at"]) - now()
    assert timedelta(hours=6, minutes=50) < left <= timedelta(hours=7)


def test_expired_tasks_are_not_shown(site: Site) -> None:
    image_id = site.stored()
    ago, later = now() - timedelta(seconds=1), now() + timedelta(hours=1)
    glance_wrote(site, image_id, status="success", expires_at=ago)
    glance_wrote(site, image_id, status="failure", expires_at=ago)
    glance_wrote(site, image_id, deleted=True)
    lasting = glance_wrote(site, image_id, status="failure", expires_at=later)
    going_on = glance_wrote(site, image_id, expires_at=None)
    assert {task["id"] for task in site.tasks(image_id)} == {lasting, going_on}


def test_without_a_task_the_list_is_empty(site: Site) -> None:
    assert site.tasks(site.stored()) == []
    assert site.tasks(site.new()) == []
    image_id = site.stored()
    glance_wrote(site, image_id, status="success", expires_at=now() - timedelta(days=1))
    assert site.tasks(image_id) == []


# -- "normal user can be clueless" -----------------------------------------------------------------


def test_an_owner_sees_what_an_admin_does_with_the_image(site: Site, mary: Site) -> None:
    image_id = mary.bare()
    task_id = site.begin(image_id)
    task = mary.ended(image_id, task_id)
    assert (task["owner"], task["user"]) == ("operations", "admin")


@pytest.mark.parametrize("name", ["admin", "mary", "rita"])
def test_everybody_sees_the_same_who_may_see_the_image(site: Site, mary: Site, name: str) -> None:
    image_id = mary.stored()
    task_id = glance_wrote(site, image_id, owner="somebody else")
    assert [task["id"] for task in site.as_(name).tasks(image_id)] == [task_id]


@pytest.mark.parametrize("visibility", ["public", "community"])
def test_who_may_see_an_image_of_others_sees_its_tasks(site: Site, visibility: str) -> None:
    image_id = site.stored(visibility=visibility)
    task_id = glance_wrote(site, image_id)
    assert [task["id"] for task in site.as_("otto").tasks(image_id)] == [task_id]


def test_a_member_of_a_shared_image_sees_its_tasks(site: Site, mary: Site) -> None:
    image_id = mary.stored()
    task_id = glance_wrote(site, image_id)
    otto = site.as_("otto")
    otto.ask("GET", f"/v2/images/{image_id}/tasks").gave(404)
    mary.ask("POST", f"/v2/images/{image_id}/members", json={"member": "theirs"}).gave(200)
    assert [task["id"] for task in otto.tasks(image_id)] == [task_id]


# -- "404 Not Found with details" ------------------------------------------------------------------


@pytest.mark.parametrize("image_id", ["00000000-0000-4000-8000-00000000dead", "no-id"])
def test_404_for_an_image_that_is_not_there(site: Site, image_id: str) -> None:
    site.ask("GET", f"/v2/images/{image_id}/tasks").gave(404, image_id)


def test_404_for_an_image_that_the_caller_cannot_see(site: Site, mary: Site) -> None:
    image_id = mary.stored(visibility="private")
    site.as_("otto").ask("GET", f"/v2/images/{image_id}/tasks").gave(404, image_id)


def test_404_for_an_image_that_was_deleted(site: Site) -> None:
    image_id = site.stored()
    glance_wrote(site, image_id)
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    site.ask("GET", f"/v2/images/{image_id}/tasks").gave(404)


# -- "GET /v2/images/{image_id}/tasks" -------------------------------------------------------------


def test_takes_no_query_parameters(site: Site) -> None:
    image_id = site.stored()
    task_id = glance_wrote(site, image_id)
    answer = site.ask("GET", f"/v2/images/{image_id}/tasks?limit=0&status=success").gave(200)
    assert [task["id"] for task in answer.json["tasks"]] == [task_id]


def test_the_content_type_of_the_example_is_accepted(site: Site) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    site.ask("GET", f"/v2/images/{site.stored()}/tasks", headers=headers).gave(200)


def test_405_for_other_methods(site: Site) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = site.ask(method, f"/v2/images/{site.stored()}/tasks").gave(405)
        assert "GET" in answer.headers["Allow"]


def test_reading_changes_no_row(idle: Site) -> None:
    """Glance removes expired tasks when they are listed."""
    image_id = idle.stored(visibility="public")
    expired = glance_wrote(
        idle, image_id, status="success", expires_at=now() - timedelta(hours=1), user_id="admin"
    )
    glance_wrote(idle, image_id)
    before = everything(idle)
    for name in ("admin", "mary", "otto"):
        idle.as_(name).ask("GET", f"/v2/images/{image_id}/tasks").gave(200)
    assert everything(idle) == before
    assert expired in {row[0] for row in before["tasks"]}
