"""Staging the data of an image, as HTTP."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype.db.engine import Database
from calotype.model.image import Status
from tests.api.cases import ADMIN, MEMBER, NOWHERE, OCTETS, OTHER, READER, Client, on_each_engine
from tests.api.conftest import MakeSite
from tests.api.many_stores import ManyStores, many_stores

FORMATS = {"disk_format": "raw", "container_format": "bare"}
SIZE = "x-openstack-image-size"


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[ManyStores]:
    site = many_stores(database, tmp_path)
    yield site
    site.parts.database.close()


@pytest.fixture
def client(site: ManyStores) -> Client:
    return site.of(MEMBER)


def put(client: Client, image_id: str, data: bytes = b"data", **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.ask(
        "PUT", f"/v2/images/{image_id}/stage", data, {"Content-Type": OCTETS, **named}
    )


def staged(site: ManyStores) -> dict[str, bytes]:
    """What lies in the staging folder."""
    folder = site.folder / "staging"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def warnings_of(image_id: str, caplog: pytest.LogCaptureFixture) -> int:
    """How many warnings name the image."""
    return len(
        [it for it in caplog.records if it.levelname == "WARNING" and image_id in it.msg % it.args]
    )


def nothing_happened(site: ManyStores, image_id: str) -> None:
    image = site.of(ADMIN).image(image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("queued", None, None)
    assert staged(site) == {}


@on_each_engine
def test_staged_data_waits_for_its_import(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    put(client, image_id, b"x" * 70_000).gave(204)
    image = client.image(image_id)
    assert (image["status"], image["size"], image["checksum"]) == ("uploading", 70_000, None)
    assert "stores" not in image
    assert staged(site)[image_id] == b"x" * 70_000
    facts = json.loads(staged(site)[f"{image_id}.facts"])
    assert facts["size"] == 70_000 and len(facts["os_hash_value"]) == 128
    assert not any(site.files(store) for store in ("fast", "cheap", "far"))
    client.get(f"/v2/images/{image_id}/file").gave(204)


def test_an_empty_body_can_be_staged(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    put(client, image_id, b"").gave(204)
    assert client.image(image_id)["size"] == 0


def test_formats_need_not_be_set_yet_nor_fit(site: ManyStores, client: Client) -> None:
    put(client, client.create(), b"data").gave(204)
    put(client, client.create(disk_format="qcow2", container_format="bare"), b"data").gave(204)


@pytest.mark.parametrize(
    ("headers", "status", "says"),
    [
        ({SIZE: "3"}, 400, "Size mismatch"),
        ({SIZE: "5"}, 400, "Size mismatch"),
        ({SIZE: "-1"}, 400, SIZE),
        ({SIZE: "four"}, 400, SIZE),
        ({"Content-Type": "text/plain"}, 415, "application/octet-stream"),
    ],
)
def test_a_refused_stage_leaves_nothing(
    site: ManyStores,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    status: int,
    says: str,
) -> None:
    image_id = client.create(**FORMATS)
    put(client, image_id, b"data", **headers).gave(status, says)
    assert warnings_of(image_id, caplog) == ("Size mismatch" in says)
    nothing_happened(site, image_id)
    put(client, image_id, b"data", **{SIZE: "4"}).gave(204)


@pytest.mark.parametrize(("declared", "says"), [("3", "Size exceeds"), ("5", "Size mismatch")])
def test_the_declared_size_is_enforced_in_chunked_bodies(
    site: ManyStores, client: Client, caplog: pytest.LogCaptureFixture, declared: str, says: str
) -> None:
    image_id = client.create(**FORMATS)
    headers = {"Content-Type": OCTETS, SIZE: declared, "Transfer-Encoding": "chunked"}
    environ = {"wsgi.input": io.BytesIO(b"data"), "CONTENT_LENGTH": ""}
    answer = client.ask("PUT", f"/v2/images/{image_id}/stage", b"data", headers, **environ)
    answer.gave(400, says)
    assert warnings_of(image_id, caplog) == 1
    nothing_happened(site, image_id)


def test_a_client_that_goes_away_leaves_nothing(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    headers = {"Content-Type": OCTETS}
    cut = {"wsgi.input": io.BytesIO(b"da"), "CONTENT_LENGTH": "4"}
    client.ask("PUT", f"/v2/images/{image_id}/stage", b"data", headers, **cut).gave(400)
    nothing_happened(site, image_id)


def test_what_is_larger_than_the_cap_is_refused(database: Database, tmp_path: Path) -> None:
    site = many_stores(database, tmp_path, {("DEFAULT", "image_size_cap"): 3})
    client = site.of(MEMBER)
    image_id = client.create(**FORMATS)
    put(client, image_id, b"data").gave(413, "image_size_cap")
    nothing_happened(site, image_id)
    put(client, image_id, b"dat").gave(204)
    site.parts.database.close()


def test_who_may_stage(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    put(site.of(READER), image_id).gave(403, "modify_image")
    put(site.of(OTHER), image_id).gave(404)
    put(client, NOWHERE).gave(404)
    nothing_happened(site, image_id)


def test_only_a_queued_image_is_staged(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    put(client, image_id, b"first").gave(204)
    put(client, image_id, b"second").gave(409, "uploading")
    assert staged(site)[image_id] == b"first"
    put(client, client.create_active()).gave(409, "active")


def test_one_at_a_time(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    with site.parts.leases.hold(f"image:{image_id}"):
        put(client, image_id).gave(409)
    nothing_happened(site, image_id)


def test_what_an_interrupted_stage_left_is_replaced(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    (site.folder / "staging").mkdir()
    (site.folder / "staging" / image_id).write_bytes(b"left over")
    (site.folder / "staging" / f"{image_id}.facts").write_bytes(b"{}")
    put(client, image_id, b"new").gave(204)
    assert staged(site)[image_id] == b"new"


def test_there_is_nothing_to_stage_for_without_glance_direct(make_site: MakeSite) -> None:
    client = make_site({("DEFAULT", "enabled_import_methods"): ["web-download"]}).of(MEMBER)
    image_id = client.create(**FORMATS)
    put(client, image_id).gave(404, "glance-direct")


def test_deleting_the_image_removes_what_is_staged(site: ManyStores, client: Client) -> None:
    image_id = client.create(**FORMATS)
    put(client, image_id).gave(204)
    client.delete(f"/v2/images/{image_id}").gave(204)
    assert staged(site) == {}


def test_an_image_that_is_deleted_meanwhile_leaves_nothing(
    site: ManyStores, client: Client
) -> None:
    image_id = client.create(**FORMATS)

    class Body(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            image = site.parts.images.get(image_id)
            if image.status is Status.UPLOADING:
                site.parts.deletes.finish(image_id, Status.UPLOADING)
            return super().read(size)

    sent = {"wsgi.input": Body(b"data"), "CONTENT_LENGTH": "4"}
    answer = client.ask(
        "PUT", f"/v2/images/{image_id}/stage", b"data", {"Content-Type": OCTETS}, **sent
    )
    answer.gave(410, "deleted")
    assert staged(site) == {}


def test_a_staging_folder_that_cannot_be_written(site: ManyStores, client: Client) -> None:
    (site.folder / "staging").write_text("no folder")
    image_id = client.create(**FORMATS)
    answer = client.ask(
        *("PUT", f"/v2/images/{image_id}/stage", b"data", {"Content-Type": OCTETS}), breaks=True
    )
    answer.gave(503, "staging")
    assert client.image(image_id)["status"] == "queued"
