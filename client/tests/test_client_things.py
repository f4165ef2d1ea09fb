"""Stores, imports, tasks, hashes, members, locations and the cache, over the command line."""

import hashlib
import http.client
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from terminal import Terminal

from calotype_client import Client
from tests.imports.web import Web, page
from tests.service import Service


def soon(look: Callable[[], Any]) -> Any:
    """What `look` gives as soon as it gives something."""
    deadline = time.monotonic() + 30
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def test_stores(anybody: Terminal, disk: Path) -> None:
    listed = {it["ID"]: it for it in anybody.json("store", "list")}
    assert listed.keys() == {"fast", "far", "web"}
    assert [it["ID"] for it in listed.values() if it["Default"]] == ["fast"]
    assert [it["ID"] for it in listed.values() if it["Read Only"]] == ["web"]
    assert listed["fast"]["Description"] == "Solid-state disks"
    detail = anybody.json("store", "list", "--detail")
    assert {it["ID"]: it["Type"] for it in detail} == {"fast": "file", "far": "file", "web": "http"}

    id_ = anybody.json("image", "create", "far", "--file", disk, "--store", "far")["id"]
    assert anybody.json("image", "show", id_)["stores"] == ["far"]
    said = anybody.complaint("image", "create", "no", "--file", disk, "--store", "nowhere")
    assert "nowhere" in said


def test_stage_and_import(anybody: Terminal, disk: Path) -> None:
    assert "glance-direct" in anybody.type("image", "import", "methods", "-f", "value").text
    id_ = anybody.json("image", "create", "staged")["id"]
    anybody.type("image", "stage", id_, "--file", disk)
    shown = anybody.type(
        *("image", "import", id_, "--store", "fast", "--store", "far", "--wait", "-f", "json")
    )
    assert (shown.json["status"], set(shown.json["stores"])) == ("active", {"far", "fast"})
    assert shown.complaint.splitlines()[-1].startswith("success")
    [task] = anybody.json("image", "tasks", id_)
    assert (task["Type"], task["Status"]) == ("api_image_import", "success")

    anybody.type("image", "delete", id_, "--store", "far")
    assert anybody.json("image", "show", id_)["stores"] == ["fast"]
    copied = anybody.json(
        "image", "import", id_, "--method", "copy-image", "--all-stores", "--wait"
    )
    assert set(copied["stores"]) == {"fast", "far"}
    again = anybody.type("image", "import", id_, "--method", "copy-image", "--all-stores")
    assert "WARNING: There is nothing to do" in again.complaint


def test_import_from_the_web_and_why_it_fails(anybody: Terminal, web: Web, disk: Path) -> None:
    web.pages["/disk"] = page(disk.read_bytes())
    for name in ("web", "gone"):
        anybody.type("image", "create", name, "--disk-format", "raw")
    method = ("--method", "web-download", "--wait", "--uri")
    anybody.type("image", "import", "web", *method, f"{web.url}/disk")
    assert anybody.json("image", "show", "web")["size"] == disk.stat().st_size

    said = anybody.type("image", "import", "gone", *method, f"{web.url}/gone", status=1).complaint
    reason = said.splitlines()[-1]
    assert reason.startswith("ERROR: Task ") and "404" in reason
    said = anybody.complaint("image", "import", "gone", "--method", "glance-direct")
    assert "is queued: glance-direct needs one that is uploading" in said


class Renaming(BaseHTTPRequestHandler):
    """Hands calls on to a service, and gives the answers ids of its own, as a gateway may."""

    service = ""

    def do_GET(self) -> None:
        far = http.client.HTTPConnection(self.service)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        far.request(self.command, self.path, body, dict(self.headers))
        answer = far.getresponse()
        data = answer.read()
        self.send_response(answer.status)
        self.send_header("x-openstack-request-id", "req-of-the-gateway")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        far.close()

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        """Nothing."""


def test_a_gateway_that_names_requests_itself(
    anybody: Terminal, client: Client, web: Web, open_service: Service, disk: Path
) -> None:
    web.pages["/disk.raw"] = page(disk.read_bytes())
    Renaming.service = f"127.0.0.1:{open_service.port}"
    gateway = ThreadingHTTPServer(("127.0.0.1", 0), Renaming)
    thread = threading.Thread(target=gateway.serve_forever)
    thread.start()
    try:
        behind = anybody.having(OS_ENDPOINT=f"http://127.0.0.1:{gateway.server_port}")
        image = client.images.create(name="far", disk_format="raw", container_format="bare")
        how = ("--method", "web-download", "--uri", f"{web.url}/disk.raw", "--wait")
        assert behind.json("image", "import", image.id, *how)["status"] == "active"
        again = behind.complaint("image", "import", image.id, *how)
        assert "is active: web-download needs one that is queued" in again
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()


def test_hash_and_tasks(anybody: Terminal, disk: Path) -> None:
    id_ = anybody.json("image", "create", "hashed", "--file", disk)["id"]
    begun = anybody.json("image", "hash", id_, "--algorithm", "sha256")
    assert (begun["type"], begun["image_id"]) == ("calculate_hash", id_)
    found = soon(
        lambda: [it for it in anybody.json("image", "tasks", id_) if it["Status"] == "success"]
    )
    assert found[0]["ID"] == begun["id"]
    shown = anybody.json("image", "hash", id_, "--algorithm", "sha1", "--wait")
    assert (shown["os_hash_algo"], len(shown["os_hash_value"])) == ("sha1", 40)
    assert "crc32" in anybody.complaint("image", "hash", id_, "--algorithm", "crc32")

    assert begun["id"] in [it["ID"] for it in anybody.json("task", "list")]
    assert anybody.json("task", "list", "--status", "failure", "--limit", "1") is not None
    assert anybody.json("task", "show", begun["id"])["status"] == "success"
    anybody.complaint("task", "show", "nothing", status=3)


def test_cache(anybody: Terminal, disk: Path, open_service: Service) -> None:
    id_ = anybody.json("image", "create", "cached", "--file", disk)["id"]
    assert anybody.json("cache", "nodes", id_) == []
    anybody.type("cache", "queue", "cached")

    def cached() -> Any:
        listed = anybody.json("cache", "list")
        return [it for it in listed if (it["ID"], it["State"]) == (id_, "cached")]

    assert soon(cached)[0]["Size"] == disk.stat().st_size
    assert anybody.json("cache", "nodes", "cached") == [{"Node": open_service.url}]
    anybody.type("cache", "delete", "cached")
    assert anybody.json("cache", "nodes", "cached") == []
    anybody.type("cache", "queue", id_)
    soon(cached)
    anybody.type("cache", "clear", "--queue")
    assert cached()
    anybody.type("cache", "clear")
    assert anybody.json("cache", "list") == []


def test_locations(anybody: Terminal, disk: Path) -> None:
    id_ = anybody.json("image", "create", "located", "--file", disk)["id"]
    [found] = anybody.json("image", "location", "list", id_)
    assert found["URL"].endswith(id_) and found["Metadata"] == {"store": "fast"}
    # It has its data already.
    said = anybody.complaint("image", "location", "add", id_, "http://127.0.0.1/x")
    assert "active" in said


def test_data_on_the_web(anybody: Terminal, web: Web, disk: Path) -> None:
    data = disk.read_bytes()
    web.pages["/located"] = page(data)
    url, digest = f"{web.url}/located", hashlib.sha256(data).hexdigest()
    id_ = anybody.json("image", "create", "on-the-web", "--disk-format", "raw")["id"]
    added = anybody.type("image", "location", "add", id_, url, "--hash", f"sha256={digest}")
    assert (added.text, added.complaint) == ("", "")
    shown = soon(
        lambda: (it := anybody.json("image", "show", id_))["status"] == "active" and it,
    )
    assert (shown["size"], shown["os_hash_value"]) == (len(data), digest)
    [found] = anybody.json("image", "location", "list", "on-the-web")
    assert found == {"URL": url, "Metadata": {"store": "web"}}
    assert anybody.type("image", "save", id_).raw == data


def test_a_location_with_a_wrong_digest(anybody: Terminal, web: Web, disk: Path) -> None:
    web.pages["/other"] = page(disk.read_bytes())
    id_ = anybody.json("image", "create", "not-this", "--disk-format", "raw")["id"]
    wrong = ("--hash", f"sha256={'0' * 64}")
    anybody.type("image", "location", "add", id_, f"{web.url}/other", *wrong)
    [task] = soon(
        lambda: [it for it in anybody.json("image", "tasks", id_) if it["Status"] == "failure"]
    )
    assert "sha256" in task["Message"]
    assert anybody.json("image", "show", id_)["status"] == "queued"
