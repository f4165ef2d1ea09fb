"""Imports from the request to the end of their task, with what can go wrong on the way."""

import hashlib
import os
from pathlib import Path

import pytest

from calotype.app import build
from calotype.db.engine import Database
from calotype.formats import detect
from calotype.jobs import make_runner
from tests.api.cases import (
    ADMIN,
    MEMBER,
    NOWHERE,
    OTHER,
    READER,
    Given,
    Site,
    on_each_engine,
)
from tests.api.conftest import _parts
from tests.api.many_stores import WEIGHTS, many_stores
from tests.imports.conftest import FORMATS, Importing

DATA = os.urandom(3 << 20) + b"end"
LOCK = "os_glance_import_task"
TO = "os_glance_importing_to_stores"
FAILED = "os_glance_failed_import"


# -- glance-direct ---------------------------------------------------------------------------------


@on_each_engine
def test_staged_data_becomes_an_active_image(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id).gave(202)
    image = importing.client.image(image_id)
    (task,) = importing.tasks(image_id)
    assert (image["status"], image["size"], image[TO]) == ("importing", len(DATA), "cheap")
    assert image[LOCK] == task["id"]
    assert (task["status"], task["type"]) == ("pending", "api_image_import")
    assert task["input"]["import_req"] == {"method": {"name": "glance-direct"}}

    importing.work()

    image = importing.client.image(image_id)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(DATA), "cheap")
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert image["virtual_size"] == len(DATA)
    assert (image[TO], image[FAILED]) == ("", "")
    assert LOCK not in image
    assert importing.client.get(f"/v2/images/{image_id}/file").gave(200).body == DATA
    assert importing.held() == {"cheap": [image_id]}
    (task,) = importing.tasks(image_id)
    assert (task["status"], task["result"]) == ("success", {"image_id": image_id})


def test_the_answer_is_empty_and_does_not_claim_to_be_json(importing: Importing) -> None:
    answer = importing.ask(importing.staged(DATA)).gave(202)
    assert (answer.body, answer.headers["content-type"]) == (b"", "text/plain; charset=utf-8")


def test_staged_data_is_moved_not_copied(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    before = os.stat(importing.site.folder / "staging" / image_id)
    importing.ask(image_id).gave(202)
    importing.work()
    after = os.stat(importing.site.folder / "cheap" / image_id)
    assert (after.st_ino, after.st_mtime_ns, after.st_nlink) == (
        before.st_ino, before.st_mtime_ns, 1,
    )  # fmt: skip


def test_staged_data_is_not_read_again(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id).gave(202)
    monkeypatch.delattr(detect.FormatWatcher, "see")  # whoever reads the data would stumble
    importing.work()
    assert importing.task(image_id)[0] == "success"


def test_data_that_glance_staged_is_read_once(importing: Importing) -> None:
    image_id = importing.staged(b"old data")
    staging = importing.site.folder / "staging"
    (staging / image_id).unlink()
    (staging / image_id).write_bytes(DATA)  # the facts are those of another file now
    importing.ask(image_id).gave(202)
    importing.work()
    image = importing.client.image(image_id)
    assert (image["size"], image["checksum"]) == (len(DATA), hashlib.md5(DATA).hexdigest())


@pytest.mark.parametrize(
    ("asked", "headers", "stores"),
    [
        ({}, {}, ["cheap"]),
        ({}, {"x-image-meta-store": "far"}, ["far"]),
        ({"stores": ["far"]}, {}, ["far"]),
        ({"stores": ["far"]}, {"x-image-meta-store": "far"}, ["far"]),  # as openstacksdk asks
        ({"stores": ["far", "fast", "far"]}, {}, ["far", "fast"]),
        ({"all_stores": True}, {}, ["fast", "cheap", "far"]),
        ({"stores": None}, {}, ["cheap"]),
        ({"all_stores": True, "all_stores_must_succeed": False}, {}, ["fast", "cheap", "far"]),
    ],
)
def test_data_goes_to_the_stores_that_are_asked_for(
    importing: Importing, asked: dict[str, object], headers: dict[str, str], stores: list[str]
) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id, headers=headers, **asked).gave(202)
    assert importing.client.image(image_id)[TO] == ",".join(stores)
    importing.work()
    assert importing.client.image(image_id)["stores"] == ",".join(stores)
    assert importing.held() == {store: [image_id] for store in WEIGHTS if store in stores}
    for store in stores:
        assert importing.site.files(store)[image_id] == DATA
    inodes = {os.stat(importing.site.folder / store / image_id).st_ino for store in stores}
    assert len(inodes) == len(stores)


# -- what is refused -------------------------------------------------------------------------------

REFUSED = [
    ({"method": "glance-direct"}, {}, 400, "method"),
    ({"method": {}}, {}, 400, "name"),
    ({}, {}, 400, "method"),
    ([], {}, 400, "object"),
    ({"method": {"name": "no-such-thing"}}, {}, 400, "no-such-thing"),
    ({"method": {"name": "web-download"}}, {}, 400, "uri"),
    ({"method": {"name": 5}}, {}, 400, "name"),
    ({"stores": "fast"}, {}, 400, "stores"),
    ({"stores": [5]}, {}, 400, "stores"),
    ({"all_stores": "yes"}, {}, 400, "all_stores"),
    ({"all_stores_must_succeed": 1}, {}, 400, "all_stores_must_succeed"),
    ({"stores": ["fast"], "all_stores": True}, {}, 400, "all_stores"),
    ({"all_stores": True}, {"x-image-meta-store": "fast"}, 400, "all_stores"),
    ({"stores": ["fast"]}, {"x-image-meta-store": "far"}, 400, "x-image-meta-store"),
    ({"stores": ["fast", "far"]}, {"x-image-meta-store": "fast"}, 400, "x-image-meta-store"),
    ({"stores": ["nowhere"]}, {}, 409, "nowhere"),
    ({"stores": ["fast", "os_glance_staging_store"]}, {}, 409, "os_glance_staging_store"),
    ({"all_stores": False}, {"x-image-meta-store": "nowhere"}, 409, "nowhere"),
    ({"method": {"name": "copy-image"}}, {}, 403, "copy_image"),
]


@pytest.mark.parametrize(("body", "headers", "status", "says"), REFUSED)
def test_what_is_refused_changes_nothing(
    importing: Importing, body: object, headers: dict[str, str], status: int, says: str
) -> None:
    image_id = importing.staged(DATA)
    before, held = importing.client.image(image_id), importing.held()
    if isinstance(body, dict) and body and "method" not in body:
        body = {"method": {"name": "glance-direct"}, **body}
    url = f"/v2/images/{image_id}/import"
    importing.client.ask("POST", url, body, headers).gave(status, says)
    assert importing.client.image(image_id) == before
    assert (importing.held(), importing.tasks(image_id)) == (held, [])
    importing.ask(image_id).gave(202)


def test_a_header_beside_stores_that_work(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id, headers={"x-image-meta-store": ""}, stores=["far"]).gave(202)


def test_who_may_import(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id, client=importing.site.of(READER)).gave(403, "modify_image")
    importing.ask(image_id, client=importing.site.of(OTHER)).gave(404)
    importing.ask(NOWHERE).gave(404)


def test_the_status_must_fit_the_method(importing: Importing) -> None:
    queued = importing.client.create(**FORMATS)
    importing.ask(queued).gave(409, "queued")
    active = importing.client.create_active()
    importing.ask(active).gave(409, "active")
    staged = importing.staged()
    importing.ask(staged, "copy-image", importing.admin, stores=["far"]).gave(409, "uploading")


@pytest.mark.parametrize("missing", FORMATS)
def test_formats_must_be_set(importing: Importing, missing: str) -> None:
    image_id = importing.staged(**{missing: None})
    importing.ask(image_id).gave(409, missing)


def test_a_method_must_be_enabled(database: Database, tmp_path: Path) -> None:
    enabled = {("DEFAULT", "enabled_import_methods"): ["glance-direct"]}
    importing = Importing(many_stores(database, tmp_path, enabled))
    image_id = importing.admin.create_active()
    importing.ask(image_id, "copy-image", importing.admin).gave(400, "glance-direct")
    importing.site.parts.database.close()


def test_an_image_whose_signature_cannot_be_verified(importing: Importing) -> None:
    signed = ("", "_hash_method", "_key_type", "_certificate_uuid")
    image_id = importing.staged(**{f"img_signature{name}": "x" for name in signed})
    importing.ask(image_id).gave(400, "img_signature")


def test_the_quota_counts_each_copy(database: Database, tmp_path: Path) -> None:
    quota = {("DEFAULT", "user_storage_quota"): 25}
    importing = Importing(many_stores(database, tmp_path, quota))
    image_id = importing.staged(b"0123456789")
    importing.ask(image_id, all_stores=True).gave(413, "user_storage_quota")
    importing.ask(image_id, stores=["fast", "far"]).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    importing.site.parts.database.close()


# -- the lock --------------------------------------------------------------------------------------


def test_one_import_at_a_time(importing: Importing) -> None:
    image_id = importing.admin.create_active()
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)
    again = importing.ask(image_id, "copy-image", importing.admin, stores=["fast"])
    again.gave(409, importing.tasks(image_id)[0]["id"])
    assert len(importing.tasks(image_id)) == 1
    importing.work()
    importing.ask(image_id, "copy-image", importing.admin, stores=["fast"]).gave(202)


# -- content ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("facts", [True, False], ids=["with facts", "without"])
def test_data_of_another_format_is_refused_by_the_task(importing: Importing, facts: bool) -> None:
    image_id = importing.staged(DATA, disk_format="qcow2")
    if not facts:
        (importing.site.folder / "staging" / f"{image_id}.facts").unlink()
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    status, message = importing.task(image_id)
    assert status == "failure" and "qcow2" in message
    queued_again(importing, image_id)


def queued_again(importing: Importing, image_id: str) -> None:
    """The image can be used as if it were new, and not a byte is left."""
    image = importing.client.image(image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    assert LOCK not in image and image.get(TO, "") == ""
    assert importing.held() == {}
    url = f"/v2/images/{image_id}"
    importing.client.patch(url, [{"op": "replace", "path": "/disk_format", "value": "raw"}])
    headers = {"Content-Type": "application/octet-stream"}
    importing.client.ask("PUT", f"{url}/stage", DATA, headers).gave(204)
    importing.ask(image_id).gave(202)
    importing.work()
    assert importing.client.image(image_id)["status"] == "active"


def test_staged_data_that_is_gone(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id).gave(202)
    (importing.site.folder / "staging" / image_id).unlink()
    importing.work()
    assert importing.task(image_id) == (
        "failure", "There is no staged data on this node: stage it again",
    )  # fmt: skip
    queued_again(importing, image_id)


# -- stores that fail ------------------------------------------------------------------------------


def broken(importing: Importing, store: str) -> Path:
    """Take the folder of a store away."""
    folder = importing.site.folder / store
    folder.rename(folder.with_name("away"))
    return folder


def test_all_or_nothing(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    folder = broken(importing, "far")
    importing.ask(image_id, stores=["fast", "far", "cheap"]).gave(202)
    importing.work()
    status, message = importing.task(image_id)
    assert status == "failure" and "store" in message
    assert importing.client.image(image_id)[FAILED] == "far"
    folder.with_name("away").rename(folder)
    queued_again(importing, image_id)


def test_as_many_as_can_be(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    broken(importing, "far")
    importing.ask(image_id, all_stores=True, all_stores_must_succeed=False).gave(202)
    importing.work()
    image = importing.client.image(image_id)
    assert (image["status"], image["stores"]) == ("active", "fast,cheap")
    assert (image[FAILED], image[TO]) == ("far", "")
    assert importing.task(image_id)[0] == "success"
    assert importing.held() == {"fast": [image_id], "cheap": [image_id]}


def test_none_is_too_few(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    folder = broken(importing, "far")
    importing.ask(image_id, stores=["far"], all_stores_must_succeed=False).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "failure"
    folder.with_name("away").rename(folder)
    queued_again(importing, image_id)


def test_what_a_crash_left_in_a_store_is_replaced(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    for store in WEIGHTS:
        (importing.site.folder / store / image_id).write_bytes(b"half of it")
    importing.ask(image_id, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert all(importing.site.files(store)[image_id] == DATA for store in WEIGHTS)


def test_an_image_that_is_deleted_meanwhile(importing: Importing) -> None:
    image_id = importing.staged(DATA)
    importing.ask(image_id).gave(202)
    importing.client.delete(f"/v2/images/{image_id}").gave(204)
    importing.work()
    (task,) = importing.site.parts.tasks.of_image(image_id)
    assert (task.status, task.message) == (
        "failure", "The image was deleted while it was imported",
    )  # fmt: skip
    assert importing.held() == {}


# -- copy-image ------------------------------------------------------------------------------------


@on_each_engine
def test_an_active_image_is_copied_to_further_stores(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, all_stores=True).gave(202)
    image = importing.client.image(image_id)
    assert (image["status"], image[TO]) == ("active", "fast,far")
    assert importing.client.get(f"/v2/images/{image_id}/file").gave(200).body == DATA
    importing.work()
    image = importing.client.image(image_id)
    assert (image["status"], image["stores"]) == ("active", "cheap,fast,far")
    assert (image[TO], image[FAILED]) == ("", "")
    assert importing.task(image_id)[0] == "success"
    assert all(importing.site.files(store)[image_id] == DATA for store in WEIGHTS)
    for store in ("cheap", "far"):
        importing.admin.delete(f"/v2/stores/{store}/{image_id}").gave(204)
    assert importing.client.get(f"/v2/images/{image_id}/file").gave(200).body == DATA


def test_what_a_store_has_already_is_not_copied_there(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    client = importing.admin
    importing.ask(image_id, "copy-image", client, stores=["cheap"]).gave(400, "cheap")
    importing.ask(image_id, "copy-image", client, stores=["far", "cheap"]).gave(400, "cheap")
    importing.ask(image_id, "copy-image", client).gave(400, "cheap")
    importing.ask(image_id, "copy-image", client, all_stores=True).gave(202)
    importing.work()
    importing.ask(image_id, "copy-image", client, all_stores=True).gave(202)
    assert len(importing.tasks(image_id)) == 1
    assert LOCK not in importing.client.image(image_id)


def test_a_copy_that_fails_leaves_the_image_as_it_was(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    before = importing.client.image(image_id)
    broken(importing, "far")
    importing.ask(image_id, "copy-image", importing.admin, all_stores=True).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "failure"
    after = importing.client.image(image_id)
    assert after.pop(FAILED) == "far" and after.pop(TO) == ""
    assert {**after, "updated_at": ""} == {**before, "updated_at": ""}
    assert importing.held() == {"cheap": [image_id]}


def test_copies_that_could_be_made_stay(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    broken(importing, "far")
    more = {"all_stores": True, "all_stores_must_succeed": False}
    importing.ask(image_id, "copy-image", importing.admin, **more).gave(202)
    importing.work()
    image = importing.client.image(image_id)
    assert (image["stores"], image[FAILED]) == ("cheap,fast", "far")
    assert importing.task(image_id)[0] == "success"


def test_a_copy_comes_from_any_store_that_has_it_whole(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, stores=["fast"]).gave(202)
    importing.work()
    (importing.site.folder / "fast" / image_id).write_bytes(b"damaged")
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)
    importing.work()
    assert importing.site.files("far")[image_id] == DATA


def test_an_image_without_readable_data_cannot_be_copied(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    (importing.site.folder / "cheap" / image_id).unlink()
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "failure"
    assert importing.held() == {}


def test_an_image_that_is_deleted_while_it_is_copied(importing: Importing) -> None:
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)
    importing.client.delete(f"/v2/images/{image_id}").gave(204)
    importing.work()
    (task,) = importing.site.parts.tasks.of_image(image_id)
    assert task.status == "failure" and importing.held() == {}


def test_two_stores_with_one_folder_do_not_lose_the_data(
    database: Database, tmp_path: Path
) -> None:
    """Under the image's id lies, in the second store, the only copy there is."""
    (tmp_path / "cheap").mkdir()
    (tmp_path / "alias").symlink_to(tmp_path / "cheap")
    options = {("far", "filesystem_store_datadir"): str(tmp_path / "alias")}
    importing = Importing(many_stores(database, tmp_path, options))
    image_id = importing.client.create_active(DATA)
    importing.ask(image_id, "copy-image", importing.admin, stores=["far"]).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "failure"
    assert importing.client.get(f"/v2/images/{image_id}/file").gave(200).body == DATA
    importing.site.parts.database.close()


# -- one store without a name ----------------------------------------------------------------------


def test_copies_and_names_need_named_stores(database: Database, tmp_path: Path) -> None:
    parts = _parts(
        database, tmp_path, {("DEFAULT", "node_staging_uri"): f"file://{tmp_path}/staging"}
    )
    site = Site(parts, build(parts, strategy=Given()))
    client = site.of(MEMBER)
    image_id = client.create(**FORMATS)
    headers = {"Content-Type": "application/octet-stream"}
    client.ask("PUT", f"/v2/images/{image_id}/stage", DATA, headers).gave(204)
    url, direct = f"/v2/images/{image_id}/import", {"name": "glance-direct"}
    for body in ({"stores": ["file"]}, {"all_stores": True}):
        client.post(url, {"method": direct, **body}).gave(400, "enabled_backends")
    site.of(ADMIN).post(url, {"method": {"name": "copy-image"}}).gave(400, "enabled_backends")
    # What `openstack image import` sends in any case; of one store, all are as many as any.
    openstack = {"all_stores": False, "all_stores_must_succeed": False}
    client.post(url, {"method": direct, **openstack}).gave(202)
    make_runner(parts).run_waiting()
    image = client.image(image_id)
    assert (image["status"], image["size"]) == ("active", len(DATA))
    assert not {"stores", TO, FAILED, LOCK} & set(image)
    assert client.get(f"/v2/images/{image_id}/file").gave(200).body == DATA
    parts.database.close()


def test_the_answer_does_not_say_that_nothing_is_json(importing: Importing) -> None:
    """The released clients would try to read it."""
    answer = importing.ask(importing.staged()).gave(202)
    assert answer.body == b"" and "json" not in answer.headers["content-type"]
