"""glance-download: images of another region, as its image service may answer."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from calotype.db.engine import Database
from calotype.db.tables import calotype_task_runs, task_info, tasks
from calotype.services.regions import image_endpoint
from tests.api.cases import MEMBER, Answer, Client
from tests.api.many_stores import many_stores
from tests.imports.conftest import FORMATS, Importing
from tests.imports.web import Reply, Web, elsewhere, page, serving

DATA = os.urandom(3 << 20) + b"end"
LOCK = "os_glance_import_task"
REMOTE = "11111111-2222-4333-8444-555555555555"
TOKEN = "gAAAAA-a-token-of-a-member"
IMAGE = f"/image/v2/images/{REMOTE}"

DESCRIBED: dict[str, Any] = {
    "id": REMOTE,
    "status": "active",
    "size": len(DATA),
    "disk_format": "raw",
    "container_format": "ovf",
    "checksum": hashlib.md5(DATA).hexdigest(),
    "os_hash_algo": "sha512",
    "os_hash_value": hashlib.sha512(DATA).hexdigest(),
    "name": "theirs",
    "visibility": "private",
    "os_hidden": False,
    "tags": ["hw_tag"],
    "hw_disk_bus": "scsi",
    "hw_number": 5,
    "trait:CUSTOM_ONE": "required",
    "os_distro": "debian",
    "os_glance_importing_to_stores": "",
    "owner_specified.secret": "not to be copied",
}


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def catalog(web: Web) -> str:
    """What Keystone gives with a token: also services and regions of others."""
    services = [
        {"type": "volume", "endpoints": [{"region": "There", "publicURL": "http://192.0.2.1"}]},
        {
            "type": "image",
            "endpoints": [
                {"region": "Here", "publicURL": "http://192.0.2.2"},
                {"region": "There", "publicURL": f"{web.url}/image/v2/", "internalURL": "nowhere"},
            ],
        },
    ]
    return json.dumps(services)


OPTIONS: dict[tuple[str, str], object] = {
    ("DEFAULT", "enabled_import_methods"): ["glance-download", "glance-direct"],
}


def client(importing: Importing, web: Web) -> Client:
    """A member whose token came with a catalogue."""
    return importing.site.of(replace(MEMBER, token=TOKEN, catalog=catalog(web)))


def site_for(database: Database, folder: Path, **more: object) -> Importing:
    options = {**OPTIONS, **{("DEFAULT", name): value for name, value in more.items()}}
    return Importing(many_stores(database, folder, options))


@pytest.fixture
def importing(database: Database, tmp_path: Path) -> Iterator[Importing]:
    importing = site_for(database, tmp_path)
    yield importing
    importing.site.parts.database.close()


def guarded(reply: Reply) -> Reply:
    """The reply for whoever has the token."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers["X-Auth-Token"] == TOKEN
        (reply if known else page(b"", status=401))(handler)

    return answer


def described(**changes: Any) -> Reply:
    return page(json.dumps({**DESCRIBED, **changes}).encode())


def offer(web: Web, image: Reply | None = None, data: Reply | None = None) -> None:
    """What the other region has."""
    web.pages[IMAGE] = guarded(image or described())
    web.pages[f"{IMAGE}/file"] = guarded(data or page(DATA))


def ask(importing: Importing, web: Web, image_id: str, **method: Any) -> Answer:
    method = {"glance_image_id": REMOTE, "glance_region": "There", **method}
    named = {"name": "glance-download", **method}
    return importing.ask(image_id, named, client(importing, web), all_stores=True)


def imported(importing: Importing, web: Web) -> str:
    """Import the image; the id of ours."""
    image_id = importing.client.create(**FORMATS, hw_disk_bus="virtio", mine="yes")
    ask(importing, web, image_id).gave(202)
    importing.work()
    return image_id


def test_an_image_of_another_region_is_here(importing: Importing, web: Web) -> None:
    offer(web)
    image_id = imported(importing, web)
    image = importing.client.image(image_id)
    assert (image["status"], image["size"], image["stores"]) == (
        "active", len(DATA), "fast,cheap,far",
    )  # fmt: skip
    assert (image["disk_format"], image["container_format"]) == ("raw", "ovf")
    assert image["os_hash_value"] == DESCRIBED["os_hash_value"]
    assert importing.client.get(f"/v2/images/{image_id}/file").gave(200).body == DATA
    copied = {"hw_disk_bus": "scsi", "trait:CUSTOM_ONE": "required", "os_distro": "debian"}
    assert {name: image.get(name) for name in copied} == copied
    assert image["mine"] == "yes" and image["name"] != "theirs" and image["tags"] == []
    assert not {"hw_number", "owner_specified.secret", LOCK} & set(image)
    assert [path for path, _ in web.asked] == [IMAGE, f"{IMAGE}/file"]
    assert importing.task(image_id)[0] == "success"


@pytest.mark.parametrize(
    "recorded",
    [
        {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(DATA).hexdigest().upper()},
        {"os_hash_algo": None, "os_hash_value": None},
        {"os_hash_algo": "of-tomorrow", "os_hash_value": "12"},
        {"os_hash_algo": None, "os_hash_value": None, "checksum": None},
    ],
)
def test_whatever_digests_are_recorded_there(
    importing: Importing, web: Web, recorded: dict[str, Any]
) -> None:
    offer(web, described(**recorded))
    image = importing.client.image(imported(importing, web))
    assert (image["status"], image["checksum"]) == ("active", DESCRIBED["checksum"])


OTHER_DATA = bytes(len(DATA))
FAILING = {
    "unknown": (page(b"", status=404), None, "there is no image"),
    "forbidden": (page(b"", status=403), None, "may not read"),
    "broken": (page(b"", status=500), None, "answered 500"),
    "elsewhere": (elsewhere("/other"), None, "answered 302"),
    "no JSON": (page(b"<html>"), None, "not understood"),
    "a list": (page(b"[]"), None, "not understood"),
    "queued": (described(status="queued"), None, "queued, not active"),
    "no size": (described(size=None), None, "no size"),
    "digest": (None, page(OTHER_DATA), "does not match the digest"),
    "md5": (described(os_hash_value=None), page(OTHER_DATA), "does not match the digest"),
    "no digest": (
        described(os_hash_algo="of-tomorrow", checksum=None), None, "cannot be verified",
    ),
    "shorter": (None, page(DATA[:-1]), "Size mismatch"),
    "longer": (None, page(DATA + b"more"), "Size exceeds"),
    "cut": (None, page(DATA[:-1], len(DATA)), "Size mismatch"),
    "no data": (None, page(b"", status=204), "no data"),
    "data elsewhere": (None, elsewhere("http://169.254.169.254/"), "answered 302"),
    "format": (described(disk_format="qcow2", container_format="bare"), None, "qcow2"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
def test_a_download_that_fails_changes_nothing(importing: Importing, web: Web, case: str) -> None:
    image, data, says = FAILING[case]
    offer(web, image, data)
    image_id = imported(importing, web)
    status, message = importing.task(image_id)
    assert status == "failure" and says in message and TOKEN not in message
    shown = importing.client.image(image_id)
    assert (shown["status"], shown["size"], shown["checksum"]) == ("queued", None, None)
    assert {name: shown[name] for name in FORMATS} == FORMATS
    assert (shown["hw_disk_bus"], "os_distro" in shown, LOCK in shown) == ("virtio", False, False)
    assert importing.held() == {}
    assert not any(path.startswith("/other") for path, _ in web.asked)

    offer(web)
    ask(importing, web, image_id).gave(202)
    importing.work()
    assert importing.client.image(image_id)["status"] == "active"


def test_a_token_whose_time_is_over(importing: Importing, web: Web) -> None:
    offer(web)
    image_id = importing.client.create(**FORMATS)
    named = {"name": "glance-download", "glance_image_id": REMOTE, "glance_region": "There"}
    late = importing.site.of(replace(MEMBER, token="another", catalog=catalog(web)))
    importing.ask(image_id, named, late).gave(202)
    importing.work()
    status, message = importing.task(image_id)
    assert status == "failure" and "your token is not accepted" in message
    assert importing.client.image(image_id)["status"] == "queued"


def test_a_server_that_is_not_there(importing: Importing, web: Web) -> None:
    web.shutdown()
    web.server_close()
    image_id = imported(importing, web)
    status, message = importing.task(image_id)
    assert status == "failure" and "Region There" in message and "refused" in message


def test_the_cap_counts_before_a_byte_comes(web: Web, database: Database, tmp_path: Path) -> None:
    importing = site_for(database, tmp_path, image_size_cap=1 << 20)
    offer(web)
    image_id = imported(importing, web)
    assert "image_size_cap" in importing.task(image_id)[1]
    assert [path for path, _ in web.asked] == [IMAGE]
    importing.site.parts.database.close()


# -- the token -------------------------------------------------------------------------------------


def test_the_token_is_kept_where_nobody_sees_it_and_only_as_long_as_the_task(
    importing: Importing, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    offer(web)
    image_id = importing.client.create(**FORMATS)
    caplog.set_level(0)
    ask(importing, web, image_id).gave(202)
    kept = select(calotype_task_runs.c.undo)
    shown = select(tasks, task_info).join(task_info, task_info.c.task_id == tasks.c.id)
    with importing.site.parts.database.reading() as connection:
        assert TOKEN in str(connection.execute(kept).scalar())
        assert TOKEN not in str(connection.execute(shown).all())
    assert TOKEN not in str(importing.tasks(image_id))
    assert TOKEN not in str(importing.client.image(image_id))
    importing.work()
    with importing.site.parts.database.reading() as connection:
        assert connection.execute(kept).all() == []
        assert TOKEN not in str(connection.execute(shown).all())
    assert caplog.text and TOKEN not in caplog.text


# -- what is refused -------------------------------------------------------------------------------

REFUSED = [
    ({"glance_image_id": None}, "glance_image_id"),
    ({"glance_image_id": "no-uuid"}, "glance_image_id"),
    ({"glance_image_id": 5}, "glance_image_id"),
    ({"glance_region": ""}, "glance_region"),
    ({"glance_region": 5}, "glance_region"),
    ({"glance_region": "Nowhere"}, "the regions are: Here, There"),
    ({"glance_service_interface": "secret"}, "glance_service_interface"),
    ({"glance_service_interface": "admin"}, "no admin endpoint"),
    ({"glance_service_interface": "internal"}, "no internal endpoint"),
]


@pytest.mark.parametrize(("method", "says"), REFUSED)
def test_what_is_refused(importing: Importing, web: Web, method: dict[str, Any], says: str) -> None:
    image_id = importing.client.create(**FORMATS)
    before = importing.client.image(image_id)
    ask(importing, web, image_id, **method).gave(400, says)
    assert importing.client.image(image_id) == before and importing.tasks(image_id) == []


@pytest.mark.parametrize("missing", ["glance_image_id", "glance_region"])
def test_what_is_required(importing: Importing, web: Web, missing: str) -> None:
    image_id = importing.client.create(**FORMATS)
    method = {"name": "glance-download", "glance_image_id": REMOTE, "glance_region": "There"}
    del method[missing]
    importing.ask(image_id, method, client(importing, web)).gave(400, missing)


def test_without_a_catalog_there_is_no_other_region(importing: Importing) -> None:
    image_id = importing.client.create(**FORMATS)
    method = {"name": "glance-download", "glance_image_id": REMOTE, "glance_region": "There"}
    importing.ask(image_id, method).gave(400, "without a service catalog")


def test_only_a_queued_image_is_downloaded(importing: Importing, web: Web) -> None:
    ask(importing, web, importing.staged()).gave(409, "uploading")


def test_formats_must_be_set_as_for_other_methods(importing: Importing, web: Web) -> None:
    ask(importing, web, importing.client.create()).gave(409, "disk_format")


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://images.example:9292", "http://images.example:9292"),
        ("https://cloud.example/image/", "https://cloud.example/image"),
        ("https://cloud.example/image/v2", "https://cloud.example/image"),
        ("https://cloud.example/v2.13/", "https://cloud.example"),
    ],
)
def test_an_address_with_and_without_a_version(url: str, endpoint: str) -> None:
    services = [{"type": "image", "endpoints": [{"region": "There", "adminURL": url}]}]
    assert image_endpoint(json.dumps(services), "There", "admin") == endpoint
