"""Where data lies, as HTTP: who may say it, who may ask, and what is refused at once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from calotype.db import import_lock
from calotype.db.engine import Database
from calotype.jobs import make_runner
from calotype.model.image import Status
from calotype.model.location import Location
from calotype.remote.uri_filter import UriFilter
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.http import HttpStore
from calotype.stores.http_settings import HttpSettings
from calotype.stores.memory import MemoryStore
from calotype.worker.cleaner import Cleaner
from tests.api.cases import (
    ADMIN,
    MEMBER,
    NOWHERE,
    OTHER,
    READER,
    SERVICE,
    Answer,
    Client,
    Site,
    on_each_engine,
    who,
)
from tests.api.conftest import MakeSite
from tests.stores.sources import Stream

FORMATS = {"disk_format": "raw", "container_format": "bare"}
WEB = "http://192.0.2.1/image"
SHA256 = "0123456789abcdef" * 4


def catalog(*, web: bool = True, multi: bool = False) -> Catalog:
    """A store that only services know, and perhaps one of the web."""
    entries = {"shelf": Entry("shelf", MemoryStore())}
    if web:
        entries["web"] = Entry("web", HttpStore(HttpSettings(), UriFilter(name="url")))
    return Catalog(entries, "shelf", multi=multi)


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    return make_site(stores=catalog())


def add(client: Client, image_id: str, url: Any = WEB, **body: Any) -> Answer:
    return client.post(f"/v2/images/{image_id}/locations", {"url": url, **body})


def work(site: Site) -> None:
    """Do all tasks that wait."""
    make_runner(site.parts).run_waiting()


def kept(site: Site, data: bytes = b"data", key: str = "key") -> str:
    """The url of data that lies in the store that only services know."""
    store = site.parts.stores.entry("shelf" if site.parts.stores.multi else None).store
    return store.put(key, Stream(data), None).url


# -- who may add -----------------------------------------------------------------------------------


@pytest.mark.parametrize("caller", [MEMBER, SERVICE, ADMIN])
def test_who_may_add_a_location_on_the_web(site: Site, caller: Any) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    answer = add(site.of(caller), image_id).gave(202)
    assert answer.body == b""
    # The released clients read what says that it is JSON.
    assert not answer.headers["content-type"].startswith("application/json")
    assert site.of(MEMBER).image(image_id)["status"] == "importing"


@pytest.mark.parametrize("caller", [READER, OTHER])
def test_who_may_not(site: Site, caller: Any) -> None:
    image_id = site.of(ADMIN).create(**FORMATS, owner="ours", visibility="public")
    add(site.of(caller), image_id).gave(403, "add_image_location")
    assert site.of(MEMBER).image(image_id)["status"] == "queued"


def test_an_image_out_of_sight_is_not_there(site: Site) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(OTHER), image_id).gave(404)
    add(site.of(MEMBER), NOWHERE).gave(404)
    site.of(OTHER).get(f"/v2/images/{image_id}/locations").gave(404)


@pytest.mark.parametrize("caller", [MEMBER, ADMIN])
def test_only_services_know_what_lies_in_the_stores(site: Site, caller: Any) -> None:
    image_id, url = site.of(MEMBER).create(**FORMATS), kept(site)
    add(site.of(caller), image_id, url).gave(403, "role service")


@pytest.mark.parametrize("caller", [SERVICE, replace(MEMBER, service_roles=frozenset({"service"}))])
def test_services_add_what_lies_in_the_stores(site: Site, caller: Any) -> None:
    image_id, url = site.of(MEMBER).create(**FORMATS), kept(site)
    add(site.of(caller), image_id, url).gave(202)
    work(site)
    image = site.of(MEMBER).image(image_id)
    assert (image["status"], image["size"]) == ("active", 4)
    assert site.of(MEMBER).get(f"/v2/images/{image_id}/file").body == b"data"


def test_without_a_store_for_it_the_web_is_for_services_too(make_site: MakeSite) -> None:
    site = make_site(stores=catalog(web=False))
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(MEMBER), image_id).gave(403, "type http")
    add(site.of(SERVICE), image_id).gave(400, "url: must begin with memory://")


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ([], "object"),
        ({}, "url"),
        ({"url": 5}, "url"),
        ({"url": ""}, "url"),
        ({"url": None}, "url"),
        ({"url": WEB, "validation_data": None}, "validation_data"),
        ({"url": WEB, "validation_data": {"os_hash_algo": "md5"}}, "os_hash_value"),
        ({"url": WEB, "validation_data": {"os_hash_value": SHA256}}, "os_hash_algo"),
        (
            {"url": WEB, "validation_data": {"os_hash_algo": "crc", "os_hash_value": SHA256}},
            "validation_data.os_hash_algo",
        ),
        (
            {"url": WEB, "validation_data": {"os_hash_algo": "md5", "os_hash_value": SHA256}},
            "32 hexadecimal digits",
        ),
        (
            {"url": WEB, "validation_data": {"os_hash_algo": "sha256", "os_hash_value": "x" * 64}},
            "64 hexadecimal digits",
        ),
    ],
)
def test_a_body_of_another_form(site: Site, body: Any, says: str) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    site.of(MEMBER).post(f"/v2/images/{image_id}/locations", body).gave(400, says)
    assert_untouched(site, image_id)


def test_keys_that_are_not_known_do_not_matter(site: Site) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(MEMBER), image_id, metadata={"x": "y"}, other=5).gave(202)


def test_no_digest_may_be_said_as_released_clients_do(site: Site) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(MEMBER), image_id, validation_data={}).gave(202)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "filesystem:///etc/passwd",
        "swift+config://ref/container/key",
        "rbd://fsid/pool/image/snap",
        "swift+https://tenant%3Auser:secret@auth.example/v3/container/key",
        "/etc/passwd",
        "://secret",
        "secret",
    ],
)
def test_addresses_that_no_location_may_have(site: Site, url: str) -> None:
    """In Glance those of files are taken, and the task fails."""
    image_id = site.of(MEMBER).create(**FORMATS)
    answer = add(site.of(SERVICE), image_id, url).gave(400, "url: ")
    assert "secret" not in answer.message and "passwd" not in answer.message
    assert_untouched(site, image_id)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/x",
        "http://2130706433/x",
        "http://192.0.2.1:8080/x",
        "http://user:secret@192.0.2.1/x",
        "http://192.0.2.1/a b",
        "http:///x",
        "https://[::1/x",
    ],
)
def test_addresses_that_the_filter_does_not_let_pass(site: Site, url: str) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    answer = add(site.of(MEMBER), image_id, url).gave(400, "url: ")
    assert "secret" not in answer.message
    assert_untouched(site, image_id)


@on_each_engine
def test_an_address_may_be_long_but_not_too_long(make_site: MakeSite, engine_name: str) -> None:
    site = make_site(stores=catalog())
    image_id = site.of(MEMBER).create(**FORMATS)
    longest = f"{WEB}?".ljust(1 << 15, "x")
    add(site.of(MEMBER), image_id, f"{longest}x").gave(400, "url: must have at most 32768 bytes")
    add(site.of(MEMBER), image_id, longest).gave(202)


def test_an_image_needs_its_formats(site: Site) -> None:
    image_id = site.of(MEMBER).create(disk_format="raw")
    add(site.of(MEMBER), image_id).gave(400, "container_format: ")


def test_an_image_that_asks_for_its_signature_to_be_verified(site: Site) -> None:
    names = ("", "_hash_method", "_key_type", "_certificate_uuid")
    signed = {f"img_signature{name}": "x" for name in names}
    add(site.of(MEMBER), site.of(MEMBER).create(**FORMATS, **signed)).gave(400, "img_signature: ")


def test_only_a_queued_image_takes_a_location_whoever_asks(site: Site) -> None:
    image_id = site.of(ADMIN).create_active(owner="ours", visibility="public")
    for caller in (MEMBER, READER, OTHER, SERVICE):
        add(site.of(caller), image_id, "nonsense").gave(409, "active")


def test_an_image_that_is_at_work_is_locked(site: Site) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(MEMBER), image_id).gave(202)
    add(site.of(MEMBER), image_id).gave(409, "importing")


def test_a_lock_that_somebody_else_holds_is_respected(site: Site, database: Database) -> None:
    image_id = site.of(MEMBER).create(**FORMATS)
    other = site.of(MEMBER).create(**FORMATS)
    add(site.of(MEMBER), other).gave(202)
    task_id = site.of(MEMBER).get(f"/v2/images/{other}/tasks").json["tasks"][0]["id"]
    database.transaction(lambda connection: import_lock.take(connection, image_id, task_id))
    add(site.of(MEMBER), image_id).gave(409, task_id)
    assert site.of(MEMBER).image(image_id)["status"] == "queued"


def test_an_image_that_may_have_no_location(make_site: MakeSite) -> None:
    site = make_site({("DEFAULT", "image_location_quota"): 0}, stores=catalog())
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(MEMBER), image_id).gave(413, "locations: ")


def test_a_location_counts_for_the_storage_of_its_project(make_site: MakeSite) -> None:
    site = make_site({("DEFAULT", "user_storage_quota"): "5"}, stores=catalog())
    first, second = (site.of(MEMBER).create(**FORMATS) for _ in range(2))
    for image_id in (first, second):
        add(site.of(SERVICE), image_id, kept(site, key=image_id)).gave(202)
        work(site)
    assert site.of(MEMBER).image(first)["status"] == "active"
    assert site.of(MEMBER).image(second)["status"] == "queued"
    (task,) = site.of(MEMBER).get(f"/v2/images/{second}/tasks").json["tasks"]
    assert task["status"] == "failure" and "user_storage_quota" in task["message"]


def test_the_cap_on_uploads_is_none_on_what_lies_there_already(make_site: MakeSite) -> None:
    site = make_site({("DEFAULT", "image_size_cap"): 3}, stores=catalog())
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(SERVICE), image_id, kept(site)).gave(202)
    work(site)
    assert site.of(MEMBER).image(image_id)["status"] == "active"


def assert_untouched(site: Site, image_id: str) -> None:
    client = site.of(MEMBER)
    assert client.image(image_id)["status"] == "queued"
    assert client.get(f"/v2/images/{image_id}/tasks").json == {"tasks": []}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_name_both(site: Site, method: str) -> None:
    """Glance's answer names POST only."""
    image_id = site.of(MEMBER).create(**FORMATS)
    answer = site.of(MEMBER).ask(method, f"/v2/images/{image_id}/locations").gave(405)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


# -- who may ask -----------------------------------------------------------------------------------


def test_services_and_admins_learn_where_the_data_lies(make_site: MakeSite) -> None:
    site = make_site(stores=catalog(multi=True))
    image_id, url = site.of(MEMBER).create(**FORMATS, visibility="private"), kept(site)
    path = f"/v2/images/{image_id}/locations"
    for caller in (SERVICE, ADMIN):
        assert site.of(caller).get(path).gave(200).json == []
    add(site.of(SERVICE), image_id, url).gave(202)
    work(site)
    for caller in (SERVICE, ADMIN):
        assert site.of(caller).get(path).gave(200).json == [
            {"url": url, "metadata": {"store": "shelf"}}
        ]
    for caller in (MEMBER, READER):
        site.of(caller).get(path).gave(403, "fetch_image_location")
    site.of(SERVICE).get(f"/v2/images/{NOWHERE}/locations").gave(404)


def test_a_service_sees_no_more_than_the_rule_lets_it(make_site: MakeSite) -> None:
    """It finds a private image for this call only."""
    site = make_site(stores=catalog())
    image_id = site.of(MEMBER).create(**FORMATS, visibility="private")
    site.of(SERVICE).get(f"/v2/images/{image_id}/locations").gave(200)
    site.of(SERVICE).get(f"/v2/images/{image_id}").gave(404)
    site.of(who("service", "member", "reader")).get(f"/v2/images/{image_id}/locations").gave(404)


def test_a_rule_that_is_open_to_all_shows_no_image_that_is_out_of_sight(
    make_site: MakeSite, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("fetch_image_location: ''\nadd_image_location: ''\n")
    site = make_site(text=f"[oslo_policy]\npolicy_file = {policy}\n", stores=catalog())
    image_id = site.of(MEMBER).create(**FORMATS, visibility="private")
    site.of(READER).get(f"/v2/images/{image_id}/locations").gave(200)
    site.of(OTHER).get(f"/v2/images/{image_id}/locations").gave(404)
    add(site.of(OTHER), image_id).gave(404)


# -- what becomes of it ----------------------------------------------------------------------------


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("given", [True, False])
def test_which_digests_the_image_gets(make_site: MakeSite, secure: bool, given: bool) -> None:
    site = make_site({("DEFAULT", "do_secure_hash"): secure}, stores=catalog())
    image_id, url = site.of(MEMBER).create(**FORMATS), kept(site)
    digest = {"os_hash_algo": "sha256", "os_hash_value": SHA256}
    add(site.of(SERVICE), image_id, url, **({"validation_data": digest} if given else {})).gave(202)
    work(site)
    image = site.of(MEMBER).image(image_id)
    found = (image["status"], image["os_hash_algo"], image["os_hash_value"])
    if secure and given:  # which it has not
        assert found == ("queued", None, None)
    elif secure:
        assert found[:2] == ("active", "sha512") and len(found[2]) == 128
    elif given:
        assert found == ("active", "sha256", SHA256)
    else:
        assert found == ("active", None, None)
    assert (image["checksum"] is not None) == (secure and not given)


@on_each_engine
def test_a_failed_location_leaves_the_data_alone(make_site: MakeSite, engine_name: str) -> None:
    """In Glance the data goes with the location, though the service never wrote it."""
    site = make_site(stores=catalog())
    image_id, url = site.of(MEMBER).create(**FORMATS), kept(site)
    digest = {"os_hash_algo": "sha256", "os_hash_value": SHA256}
    add(site.of(SERVICE), image_id, url, validation_data=digest).gave(202)
    work(site)
    image = site.parts.images.get(image_id)
    assert (image.status, image.locations, image.size) == (Status.QUEUED, (), None)
    assert import_lock.NAME not in image.properties
    assert kept_data(site, "key") == b"data"
    # And another try with the right digest is as good as the first one.
    add(site.of(SERVICE), image_id, url).gave(202)
    work(site)
    assert site.of(MEMBER).image(image_id)["status"] == "active"


def test_a_location_that_glance_left_is_replaced_by_itself(site: Site) -> None:
    """Its failed tasks leave the row of an http location on the queued image."""
    image_id, url = site.of(MEMBER).create(**FORMATS), kept(site)
    image = site.parts.images.get(image_id)
    site.parts.images.swap(image, image.with_(locations=(Location(url),)))
    add(site.of(SERVICE), image_id, url).gave(202)
    work(site)
    found = site.parts.images.get(image_id)
    assert (found.status, found.size, len(found.locations)) == (Status.ACTIVE, 4, 1)
    assert found.os_hash_value is not None and import_lock.NAME not in found.properties


def test_an_import_that_was_ended_from_outside_is_not_gone_on_with(site: Site) -> None:
    """As when Glance has broken the lock and queued the image."""
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(SERVICE), image_id, kept(site)).gave(202)
    image = site.parts.images.get(image_id)
    site.parts.images.swap(image, image.moved_to(Status.QUEUED))
    work(site)
    (task,) = site.of(MEMBER).get(f"/v2/images/{image_id}/tasks").json["tasks"]
    assert task["status"] == "failure" and "queued, not importing" in task["message"]
    assert site.of(MEMBER).image(image_id)["status"] == "queued"


def kept_data(site: Site, key: str) -> bytes | None:
    """What lies in the store under a key."""
    store = site.parts.stores.entry("shelf" if site.parts.stores.multi else None).store
    assert isinstance(store, MemoryStore)
    found = store.find(key)
    return None if found is None else b"".join(store.read(found))


def test_no_address_is_told_to_who_sees_the_image(site: Site, caplog: Any) -> None:
    caplog.set_level("DEBUG")
    image_id = site.of(MEMBER).create(**FORMATS)
    url = "memory://" + "nowhere?password=secret"
    add(site.of(SERVICE), image_id, url).gave(202)
    work(site)
    (task,) = site.of(MEMBER).get(f"/v2/images/{image_id}/tasks").json["tasks"]
    assert task["status"] == "failure"
    assert "secret" not in str(task)
    assert "secret" not in caplog.text


# -- data that several images have -----------------------------------------------------------------


def registered(site: Site, url: str) -> str:
    """The id of an active image whose data lies there."""
    image_id = site.of(MEMBER).create(**FORMATS)
    add(site.of(SERVICE), image_id, url).gave(202)
    work(site)
    assert site.of(MEMBER).image(image_id)["status"] == "active"
    return image_id


@on_each_engine
def test_data_goes_with_the_last_image_that_has_it(make_site: MakeSite, engine_name: str) -> None:
    site = make_site(stores=catalog())
    url = kept(site)
    first, second = registered(site, url), registered(site, url)
    site.of(MEMBER).delete(f"/v2/images/{first}").gave(204)
    assert kept_data(site, "key") == b"data"
    assert site.of(MEMBER).get(f"/v2/images/{second}/file").body == b"data"
    site.of(MEMBER).delete(f"/v2/images/{second}").gave(204)
    assert kept_data(site, "key") is None


def test_an_upload_that_another_image_names_outlives_its_image(site: Site) -> None:
    uploaded = site.of(MEMBER).create_active(b"data")
    other = registered(site, f"memory://{uploaded}")
    site.of(MEMBER).delete(f"/v2/images/{uploaded}").gave(204)
    assert site.of(MEMBER).get(f"/v2/images/{other}/file").body == b"data"


def test_a_delete_that_was_cut_off_minds_other_images_too(site: Site) -> None:
    url = kept(site)
    first, second = registered(site, url), registered(site, url)
    site.parts.deletes.begin(site.parts.images.get(first))
    cleaner = Cleaner(
        site.parts.images, site.parts.deletes, site.parts.leases, site.parts.stores,
        grace=0, patience=-1,
    )  # fmt: skip
    assert cleaner.finish_deletes() == 1
    assert kept_data(site, "key") == b"data"
    assert site.of(MEMBER).image(second)["status"] == "active"


def test_a_copy_that_another_image_has_too_is_only_forgotten(make_site: MakeSite) -> None:
    site = make_site(stores=catalog(multi=True))
    url = kept(site)
    image_id, other = registered(site, url), registered(site, url)
    image = site.parts.images.get(image_id)
    web = Location(WEB, {"store": "web"})
    site.parts.images.swap(image, image.with_(locations=(*image.locations, web)))
    site.of(ADMIN).delete(f"/v2/stores/shelf/{image_id}").gave(204)
    assert site.of(MEMBER).image(image_id)["stores"] == "web"
    assert site.of(MEMBER).get(f"/v2/images/{other}/file").body == b"data"


def test_a_copy_on_the_web_can_be_forgotten(make_site: MakeSite) -> None:
    site = make_site(stores=catalog(multi=True))
    image_id = registered(site, kept(site))
    image = site.parts.images.get(image_id)
    web = Location(WEB, {"store": "web"})
    site.parts.images.swap(image, image.with_(locations=(*image.locations, web)))
    site.of(ADMIN).delete(f"/v2/stores/web/{image_id}").gave(204)
    assert site.of(MEMBER).image(image_id)["stores"] == "shelf"
