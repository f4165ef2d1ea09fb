"""Adding a location with `do_secure_hash` on: the task, its ends, and what is left of each."""

import threading
from typing import Any

import pytest

from tests.locations.site import Site
from tests.tasks.site import MIB, digest, until

DEFAULT = "http_retries = 1\nenabled_import_methods = [copy-image]"
DATA = b"positive" * (MIB // 8) + b"."


# -- without validation data -----------------------------------------------------------------------


def test_a_location_makes_a_queued_image_active(site: Site) -> None:
    image_id, url = site.new(), site.at(DATA)
    task = site.added(image_id, url)
    assert (task["type"], task["status"]) == ("location_import", "success")
    image = site.show(image_id)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(DATA), "web")
    assert site.digests(image_id) == (digest("md5", DATA), "sha512", digest("sha512", DATA))
    assert site.locations(image_id) == [{"url": url, "metadata": {"store": "web"}}]
    assert "os_glance_import_task" not in image


def test_the_data_can_be_downloaded_and_so_can_a_part(site: Site) -> None:
    image_id = site.new()
    site.added(image_id, site.at(DATA))
    path = f"/v2/images/{image_id}/file"
    assert site.ask("GET", path).text == DATA.decode()
    part = site.ask("GET", path, headers={"Range": "bytes=6-13"})
    assert (part.status, part.text) == (206, DATA[6:14].decode())
    site.behaves(ranges=False)
    part = site.ask("GET", path, headers={"Range": "bytes=6-13"})
    assert (part.status, part.text) == (206, DATA[6:14].decode())


def test_the_image_is_active_while_its_digests_are_calculated(site: Site) -> None:
    image_id, url, go_on = site.new(), site.at(DATA), threading.Event()
    site.behaves(each=go_on.wait)
    site.add(image_id, url).gave_nothing(202)
    until(lambda: site.show(image_id)["status"] == "active", "the image")
    assert site.digests(image_id) == (None, "sha512", None)
    # It is no import any more: others may use the image, but not calculate the same digests.
    assert "os_glance_import_task" not in site.show(image_id)
    task_id = site.tasks(image_id)[0]["id"]
    site.as_("admin").hash(image_id).gave(409, task_id)
    go_on.set()
    assert site.ended(image_id, task_id)["status"] == "success"
    assert site.digests(image_id)[2] == digest("sha512", DATA)


def test_digests_that_cannot_be_calculated_leave_the_image_active_without(site: Site) -> None:
    image_id, url = site.new(), site.at(DATA)
    site.behaves(fail=[500, 500])  # each GET, the first one and its repetition
    task = site.added(image_id, url)
    assert task["status"] == "failure"
    assert "could not be read in 2 attempts: url: the server answered 500" in task["message"]
    assert site.show(image_id)["status"] == "active"
    assert site.digests(image_id) == (None, None, None)


def test_reading_is_tried_again(site: Site) -> None:
    image_id, url = site.new(), site.at(DATA)
    site.behaves(fail=[503])
    assert site.added(image_id, url)["status"] == "success"
    assert site.digests(image_id)[2] == digest("sha512", DATA)


def test_a_delete_while_the_digests_are_calculated_ends_the_task(site: Site) -> None:
    image_id, url, go_on = site.new(), site.at(DATA), threading.Event()
    site.behaves(each=go_on.wait)
    site.add(image_id, url).gave_nothing(202)
    until(lambda: site.show(image_id)["status"] == "active", "the image")
    task_id = site.tasks(image_id)[0]["id"]
    site.ask("DELETE", f"/v2/images/{image_id}").gave_nothing(204)
    go_on.set()
    until(lambda: site.attempts(task_id) is None, "the end of the task")
    assert site.stored_task(task_id).message == (
        "The image was deleted while its digests were calculated"
    )
    site.ask("GET", f"/v2/images/{image_id}").gave(404)


# -- the store itself ------------------------------------------------------------------------------


def test_the_store_is_shown_as_one_for_reading(site: Site) -> None:
    stores = site.ask("GET", "/v2/info/stores").gave(200).json["stores"]
    web = {"id": "web", "description": "The web", "read-only": "true"}
    assert web in stores
    detail = site.as_("admin").ask("GET", "/v2/info/stores/detail").gave(200).json["stores"]
    assert {**web, "type": "http", "weight": 0, "properties": {}, "powers": ["range"]} in detail


def test_the_store_takes_no_uploads(site: Site) -> None:
    image_id = site.new()
    headers = {"Content-Type": "application/octet-stream", "x-image-meta-store": "web"}
    site.ask("PUT", f"/v2/images/{image_id}/file", data=b"x", headers=headers).gave(410)
    assert site.show(image_id)["status"] == "queued"


def test_the_sweeper_and_verify_know_the_store(site: Site) -> None:
    image_id = site.new()
    site.added(image_id, site.at(DATA))
    swept = site.service.run("sweep", "--grace", "0")
    assert swept.returncode == 0, swept.stderr
    verified = site.service.run("verify", image_id)
    assert verified.returncode == 0, verified.stdout + verified.stderr


# -- with validation data --------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_data_that_has_its_digest(site: Site, algorithm: str) -> None:
    image_id = site.new()
    value = digest(algorithm, DATA)
    task = site.added(image_id, site.at(DATA), {algorithm: value.upper()})
    assert task["status"] == "success"
    assert task["input"] == {
        "image_id": image_id,
        "validation_data": {"os_hash_algo": algorithm, "os_hash_value": value.upper()},
    }
    assert site.show(image_id)["status"] == "active"
    assert site.digests(image_id) == (digest("md5", DATA), algorithm, value)


def test_the_image_is_importing_until_its_data_is_compared(site: Site) -> None:
    image_id, url, go_on = site.new(), site.at(DATA), threading.Event()
    site.behaves(each=go_on.wait)
    site.add(image_id, url, {"sha256": digest("sha256", DATA)}).gave_nothing(202)
    until(lambda: site.tasks(image_id)[0]["status"] == "processing", "the task")
    assert site.show(image_id)["status"] == "importing"
    assert site.locations(image_id) == []
    site.add(image_id, url).gave(409, "importing")
    go_on.set()
    until(lambda: site.show(image_id)["status"] == "active", "the image")


def test_data_with_another_digest(site: Site) -> None:
    image_id, url = site.new(), site.at(DATA)
    task = site.added(image_id, url, {"sha256": digest("sha256", b"other")})
    assert task["status"] == "failure" and "sha256 digest" in task["message"]
    assert_as_before(site, image_id)
    # The image can be used for a better one.
    assert site.added(image_id, url)["status"] == "success"


def test_data_that_cannot_be_read_to_be_compared(site: Site) -> None:
    image_id = site.new()
    site.behaves(cut=1)
    task = site.added(image_id, site.at(DATA), {"sha256": digest("sha256", DATA)})
    assert task["status"] == "failure" and "1 bytes too early" in task["message"]
    assert_as_before(site, image_id)


def test_a_delete_while_the_data_is_compared(site: Site) -> None:
    image_id, url, go_on = site.new(), site.at(DATA), threading.Event()
    site.behaves(each=go_on.wait)
    site.add(image_id, url, {"sha256": digest("sha256", DATA)}).gave_nothing(202)
    task_id = site.tasks(image_id)[0]["id"]
    until(lambda: site.web and ("GET" in {it[0] for it in site.web.asked}), "the reading")
    site.ask("DELETE", f"/v2/images/{image_id}").gave_nothing(204)
    go_on.set()
    until(lambda: site.attempts(task_id) is None, "the end of the task")
    assert "deleted" in site.stored_task(task_id).message


def assert_as_before(site: Site, image_id: str) -> None:
    """A failed location leaves a queued image without anything."""
    image = site.show(image_id)
    assert (image["status"], image["size"]) == ("queued", None)
    assert "stores" not in image and "os_glance_import_task" not in image
    assert site.digests(image_id) == (None, None, None)
    assert site.locations(image_id) == []


# -- locations that are of no use ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "data", "manners", "says"),
    [
        ("/none", None, {}, "no data at this address"),
        ("/empty", b"", {}, "empty"),
        ("/broken", DATA, {"heads": False, "fail": [500, 500]}, "500"),
        ("/lengthless", DATA, {"lengths": False}, "how long"),
    ],
)
def test_a_location_of_no_use_is_not_kept(
    site: Site, path: str, data: bytes | None, manners: dict[str, Any], says: str
) -> None:
    image_id, url = site.new(), site.at(data, path)
    site.behaves(**manners)
    task = site.added(image_id, url)
    assert task["status"] == "failure" and says in task["message"]
    assert_as_before(site, image_id)


def test_the_size_is_asked_for_again_when_the_server_is_busy(site: Site) -> None:
    image_id, url = site.new(), site.at(DATA)
    site.behaves(heads=False, fail=[503])
    assert site.added(image_id, url)["status"] == "success"


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("http://169.254.169.254/latest/meta-data", "the host 169.254.169.254 is not allowed"),
        ("http://127.0.0.1:1/", "the port 1 is not allowed"),
        ("file:///etc/passwd", "must begin with http"),
    ],
)
def test_a_redirect_passes_the_filter(site: Site, where: str, says: str) -> None:
    image_id, url = site.new(), site.at(None, "/away")
    assert site.web is not None
    site.web.elsewhere["/away"] = where
    task = site.added(image_id, url)
    assert task["status"] == "failure" and says in task["message"]
    assert_as_before(site, image_id)


def test_a_server_that_is_away_when_the_data_is_wanted(site: Site) -> None:
    image_id = site.new()
    site.added(image_id, site.at(DATA))
    site.behaves(fail=[500])
    site.ask("GET", f"/v2/images/{image_id}/file").gave(503, "cannot be reached")
    site.ask("GET", f"/v2/images/{image_id}/file").gave_data(DATA)


def test_data_on_the_web_can_be_copied_to_a_store(site: Site) -> None:
    image_id, admin = site.new(), site.as_("admin")
    site.added(image_id, site.at(DATA))
    before = {task["id"] for task in site.tasks(image_id)}
    order = {"method": {"name": "copy-image"}, "stores": ["fast"]}
    admin.ask("POST", f"/v2/images/{image_id}/import", json=order).gave_nothing(202)
    task = site.ended(image_id, site.task_besides(image_id, before))
    assert task["status"] == "success", task
    assert site.show(image_id)["stores"] == "web,fast"
    admin.ask("DELETE", f"/v2/stores/web/{image_id}").gave_nothing(204)
    assert site.show(image_id)["stores"] == "fast"
    assert site.file(image_id, "fast").read_bytes() == DATA
