"""Imports that make their image, by the tasks API: what comes of them."""

import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype.db.engine import Database
from tests.api.cases import on_each_engine
from tests.api.many_stores import many_stores
from tests.imports.conftest import Importing
from tests.imports.test_fetch import site_for
from tests.imports.web import Web, held_back, page, serving
from tests.tasks.site import until

DATA = os.urandom(1 << 20) + b"end"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@pytest.fixture
def importing(web: Web, database: Database, tmp_path: Path) -> Iterator[Importing]:
    importing = site_for(web, database, tmp_path)
    yield importing
    importing.site.parts.database.close()


def begin(importing: Importing, uri: str, **fields: Any) -> Any:
    """Ask for a task; what was answered."""
    given = {"import_from": uri, "import_from_format": "raw", "image_properties": fields}
    answer = importing.admin.post("/v2/tasks", {"type": "import", "input": given})
    return answer.gave(201).json


def shown(importing: Importing, task: Any) -> Any:
    return importing.admin.get(f"/v2/tasks/{task['id']}").gave(200).json


@on_each_engine
def test_the_image_becomes_active(importing: Importing, web: Web) -> None:
    web.pages["/disk"] = page(DATA)
    task = begin(importing, f"{web.url}/disk", name="fetched")
    importing.work()
    ended = shown(importing, task)
    assert (ended["status"], ended["message"]) == ("success", f"Imported {len(DATA)} bytes")
    assert ended["result"] == {"image_id": task["image_id"]}
    assert ended["expires_at"] is not None
    image = importing.admin.image(task["image_id"])
    assert (image["status"], image["name"], image["stores"]) == ("active", "fetched", "cheap")
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert "os_glance_import_task" not in image
    assert importing.held() == {"cheap": [image["id"]]}
    assert importing.site.files("cheap")[image["id"]] == DATA


@on_each_engine
def test_of_one_that_fails_nothing_is_left(importing: Importing, web: Web) -> None:
    task = begin(importing, f"{web.url}/nothing", name="never", tags=["a"], protected=True)
    importing.work()
    ended = shown(importing, task)
    assert (ended["status"], ended["result"]) == ("failure", None)
    assert ended["message"] == "uri: the server answered 404 Not Here"
    importing.admin.get(f"/v2/images/{task['image_id']}").gave(404)
    assert (importing.admin.ids(), importing.held()) == ([], {})


def test_data_of_another_format_is_refused(importing: Importing, web: Web) -> None:
    web.pages["/disk"] = page(DATA)
    task = begin(importing, f"{web.url}/disk", disk_format="qcow2")
    importing.work()
    assert shown(importing, task)["status"] == "failure"
    assert "disk_format is qcow2" in shown(importing, task)["message"]
    assert (importing.admin.ids(), importing.held()) == ([], {})


def test_an_address_is_judged_again_by_the_worker(
    importing: Importing, web: Web, database: Database, tmp_path: Path
) -> None:
    task = begin(importing, f"{web.url}/disk")
    ports: dict[tuple[str, str], object] = {("import_filtering_opts", "allowed_ports"): [80]}
    closed = Importing(many_stores(database, tmp_path, ports))
    closed.work()
    assert shown(closed, task)["message"] == f"uri: the port {web.port} is not allowed here"
    assert web.asked == []
    closed.site.parts.database.close()


def test_one_whose_workers_die_leaves_nothing(importing: Importing, web: Web) -> None:
    web.pages["/disk"] = page(DATA)
    task = begin(importing, f"{web.url}/disk")
    parts = importing.site.parts
    for _ in range(parts.settings.service.calotype_task_attempts):
        assert parts.tasks.begin(task["id"], lambda connection: None) is not None
    importing.work()
    assert shown(importing, task)["message"].startswith("Given up")
    assert (importing.admin.ids(), importing.held()) == ([], {})


def test_the_image_is_deleted_meanwhile(importing: Importing, web: Web) -> None:
    go_on = threading.Event()
    web.pages["/disk"] = held_back(DATA, 1 << 16, go_on)
    task = begin(importing, f"{web.url}/disk")
    worker = threading.Thread(target=importing.work)
    worker.start()
    try:
        until(lambda: web.asked, "the request for the data")
        importing.admin.delete(f"/v2/images/{task['image_id']}").gave(204)
    finally:
        go_on.set()
        worker.join()
    ended = shown(importing, task)
    assert (ended["status"], ended["message"]) == (
        "failure", "The image was deleted while it was imported",
    )  # fmt: skip
    assert (importing.admin.ids(), importing.held()) == ([], {})
