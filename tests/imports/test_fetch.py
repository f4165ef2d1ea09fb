"""web-download: images from the web, past the filter."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype import errors
from calotype.db.engine import Database
from calotype.imports.fetch import opened
from calotype.remote import uri_filter
from calotype.remote.uri_filter import UriFilter
from tests.api.many_stores import WEIGHTS, many_stores
from tests.imports.conftest import FORMATS, Importing
from tests.imports.web import Web, chunked, elsewhere, page, serving

DATA = os.urandom(3 << 20) + b"end"
LOCK = "os_glance_import_task"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def site_for(web: Web, database: Database, folder: Path, **more: Any) -> Importing:
    """A site that may fetch from this server only."""
    options: dict[tuple[str, str], object] = {
        ("import_filtering_opts", "allowed_hosts"): ["127.0.0.1"],
        ("import_filtering_opts", "allowed_ports"): [web.port],
        **{("DEFAULT", name): value for name, value in more.items()},
    }
    return Importing(many_stores(database, folder, options))


@pytest.fixture
def importing(web: Web, database: Database, tmp_path: Path) -> Iterator[Importing]:
    importing = site_for(web, database, tmp_path)
    yield importing
    importing.site.parts.database.close()


def download(importing: Importing, uri: str, **body: Any) -> str:
    """Import an image from an address; its id."""
    image_id = importing.client.create(**FORMATS)
    importing.ask(image_id, {"name": "web-download", "uri": uri}, **body).gave(202)
    importing.work()
    return image_id


@pytest.mark.parametrize("reply", [page(DATA), page(DATA, -1), chunked(DATA)])
def test_data_comes_from_the_web(importing: Importing, web: Web, reply: Any) -> None:
    web.pages["/image"] = reply
    image_id = download(importing, f"{web.url}/image?a=b", stores=["fast", "far"])
    image = importing.client.image(image_id)
    assert (image["status"], image["size"], image["stores"]) == ("active", len(DATA), "fast,far")
    assert image["checksum"] == hashlib.md5(DATA).hexdigest()
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert importing.held() == {"fast": [image_id], "far": [image_id]}
    assert all(importing.site.files(store)[image_id] == DATA for store in ("fast", "far"))
    assert web.asked == [("/image?a=b", f"127.0.0.1:{web.port}")]
    assert importing.task(image_id)[0] == "success"


def test_redirects_are_followed(importing: Importing, web: Web) -> None:
    web.pages["/a"] = elsewhere("/b", 301)
    web.pages["/b"] = elsewhere(f"{web.url}/c?d", 307)
    web.pages["/c"] = page(DATA)
    image_id = download(importing, f"{web.url}/a")
    assert importing.client.image(image_id)["size"] == len(DATA)


FAILING = [
    ("/missing", None, "404"),
    ("/broken", page(b"", status=500), "500"),
    ("/nothing", page(b"", status=304), "304"),
    ("/short", page(DATA, len(DATA) + 1), "Size mismatch"),
    ("/cut", chunked(DATA, cut=True), "cannot be fetched"),
    ("/loop", elsewhere("/loop"), "redirected more than 10 times"),
    ("/link-local", elsewhere("http://169.254.169.254/latest/meta-data"), "169.254.169.254"),
    ("/port", elsewhere("http://127.0.0.1:1/"), "port 1"),
    ("/scheme", elsewhere("file:///etc/passwd"), "http://"),
    ("/odd", elsewhere("http://2130706433/"), "usual form"),
    ("/strange", elsewhere("http://[::1"), "uri"),
]


@pytest.mark.parametrize(("path", "reply", "says"), FAILING, ids=[case[0] for case in FAILING])
def test_a_download_that_fails(
    importing: Importing, web: Web, path: str, reply: Any, says: str
) -> None:
    if reply is not None:
        web.pages[path] = reply
    image_id = download(importing, f"{web.url}{path}")
    status, message = importing.task(image_id)
    assert status == "failure" and says in message
    image = importing.client.image(image_id)
    assert (image["status"], image["size"]) == ("queued", None)
    assert LOCK not in image and importing.held() == {}


def test_a_download_that_failed_can_be_tried_again(importing: Importing, web: Web) -> None:
    image_id = download(importing, f"{web.url}/later")
    web.pages["/later"] = page(DATA)
    again = {"name": "web-download", "uri": f"{web.url}/later"}
    importing.ask(image_id, again).gave(202)
    importing.work()
    assert importing.client.image(image_id)["status"] == "active"


def test_a_server_that_cannot_be_reached(importing: Importing, web: Web) -> None:
    web.shutdown()
    web.server_close()
    image_id = download(importing, f"{web.url}/x")
    status, message = importing.task(image_id)
    assert status == "failure" and "Connection refused" in message


def test_content_of_another_format(importing: Importing, web: Web) -> None:
    web.pages["/image"] = page(DATA)
    image_id = importing.client.create(disk_format="qcow2", container_format="bare")
    importing.ask(image_id, {"name": "web-download", "uri": f"{web.url}/image"}).gave(202)
    importing.work()
    status, message = importing.task(image_id)
    assert status == "failure" and "qcow2" in message
    assert importing.client.image(image_id)["status"] == "queued" and importing.held() == {}


@pytest.mark.parametrize("reply", [page(DATA), chunked(DATA)])
def test_a_download_ends_at_the_cap(
    web: Web, database: Database, tmp_path: Path, reply: Any
) -> None:
    importing = site_for(web, database, tmp_path, image_size_cap=1 << 20)
    web.pages["/image"] = reply
    image_id = download(importing, f"{web.url}/image")
    status, message = importing.task(image_id)
    assert status == "failure" and "image_size_cap" in message
    assert importing.held() == {}
    importing.site.parts.database.close()


def test_the_quota_counts_each_copy(web: Web, database: Database, tmp_path: Path) -> None:
    importing = site_for(web, database, tmp_path, user_storage_quota="25")
    web.pages["/image"] = page(b"0123456789")
    assert importing.task(download(importing, f"{web.url}/image", all_stores=True))[0] == "failure"
    image_id = download(importing, f"{web.url}/image", stores=["fast", "far"])
    assert importing.task(image_id)[0] == "success"
    importing.site.parts.database.close()


@pytest.mark.parametrize(
    "uri",
    [
        "http://images.example/",
        "ftp://127.0.0.1/",
        "http://127.0.0.1:1/",
        "http://2130706433/",
        "",
        "http://user:secret@127.0.0.1/",
    ],
)
def test_an_address_that_is_not_allowed_is_refused_at_once(importing: Importing, uri: str) -> None:
    image_id = importing.client.create(**FORMATS)
    importing.ask(image_id, {"name": "web-download", "uri": uri}).gave(400, "uri")
    assert importing.client.image(image_id)["status"] == "queued"
    assert importing.tasks(image_id) == []


def test_only_a_queued_image_is_downloaded(importing: Importing, web: Web) -> None:
    image_id = importing.staged()
    uri = f"{web.url}/image"
    importing.ask(image_id, {"name": "web-download", "uri": uri}).gave(409, "uploading")


# -- the connection goes where was looked ----------------------------------------------------------


def test_a_name_is_resolved_once_and_connected_to_there(web: Web) -> None:
    web.pages["/image"] = page(DATA)
    answers = [["127.0.0.1"], ["203.0.113.1"]]  # a name that changes its mind
    uris = UriFilter(
        allowed_hosts=["images.example"],
        allowed_ports=[web.port],
        resolve=lambda host, port: answers.pop(0),
    )
    with opened(f"http://images.example:{web.port}/image", uris) as answer:
        assert answer.read(len(DATA)) == DATA
    assert web.asked == [("/image", f"images.example:{web.port}")]
    assert len(answers) == 1


def test_the_address_of_each_redirect_is_looked_at(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server we may reach sends us to a name that is the metadata service's."""
    # What stands for the outside world here is on loopback too.
    local = uri_filter.is_local
    monkeypatch.setattr(uri_filter, "is_local", lambda it: it != "127.0.0.1" and local(it))
    web.pages["/image"] = elsewhere(f"http://inside.example:{web.port}/latest/meta-data")
    known = {"images.example": "127.0.0.1", "inside.example": "169.254.169.254"}
    uris = UriFilter(allowed_ports=[web.port], resolve=lambda host, port: [known[host]])
    denied = pytest.raises(errors.Denied, match=r"inside\.example")
    with denied, opened(f"http://images.example:{web.port}/image", uris):
        pass
    assert len(web.asked) == 1


def test_no_store_is_touched_by_what_fails(importing: Importing, web: Web) -> None:
    download(importing, f"{web.url}/missing", all_stores=True)
    assert all(importing.site.files(store) == {} for store in WEIGHTS)
