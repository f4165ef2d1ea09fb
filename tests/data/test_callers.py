"""Data and who asks for it: the quota of a project, deactivated images, images of others."""

import base64
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.data.conftest import THREADS
from tests.data.site import Made, Site, file_of
from tests.stores.sources import content

BLOCK = 1 << 20
QUOTA = 5 * BLOCK

USERS = """
alice: {project: p1, roles: [member]}
bob: {project: p2, roles: [member]}
root: {roles: [admin]}
"""


def authorization(name: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:secret of {name}".encode()).decode()


@pytest.fixture(scope="module")
def everybody(make_service: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that asks who calls."""
    folder: Path = tmp_path_factory.mktemp("service")
    lines = []
    for name in ("alice", "bob", "root"):
        hashed = bcrypt.hashpw(f"secret of {name}".encode(), bcrypt.gensalt(4)).decode()
        lines.append(f"{name}:{hashed}\n")
    (folder / "htpasswd").write_text("".join(lines))
    (folder / "users.yaml").write_text(USERS)
    service = make_service(
        folder,
        *("--workers", "1", "--threads", str(THREADS), "--no-worker"),
        default=(
            f"user_storage_quota = {QUOTA}B\ncalotype_basic_auth_users = {folder}/users.yaml\n"
        ),
        extra=(
            "[paste_deploy]\nflavor = http_basic\n"
            f"[oslo_middleware]\nhttp_basic_auth_user_file = {folder}/htpasswd\n"
        ),
    )
    yield Site(service.start())
    assert service.stop() == 0


@pytest.fixture
def alice(everybody: Site) -> Iterator[Site]:
    """A member of a project that stores nothing."""
    site = everybody.as_user(authorization("alice"))
    yield site
    for image in site.ask("GET", "/v2/images").json["images"]:
        assert site.ask("DELETE", f"/v2/images/{image['id']}").status == 204
    assert site.kept() == set()


@pytest.fixture
def bob(everybody: Site) -> Site:
    return everybody.as_user(authorization("bob"))


@pytest.fixture
def root(everybody: Site) -> Site:
    return everybody.as_user(authorization("root"))


# -- user_storage_quota ----------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_project_may_store_so_much_and_no_more(alice: Site, bob: Site, chunked: bool) -> None:
    send = Site.upload_chunked if chunked else Site.upload
    first, second = alice.new(), alice.new()
    assert send(alice, first, content(3 * BLOCK)).status == 204
    answer = send(alice, second, content(2 * BLOCK + 1))
    assert answer.status == 413
    assert "user_storage_quota" in answer.message
    alice.untouched(second)
    assert send(alice, second, content(2 * BLOCK)).status == 204
    third = alice.new()
    assert send(alice, third, b"x").status == 413
    alice.untouched(third)
    others = bob.new()
    assert send(bob, others, content(QUOTA)).status == 204
    assert bob.ask("DELETE", f"/v2/images/{others}").status == 204


def test_what_was_refused_or_deleted_does_not_count(alice: Site) -> None:
    image_id = alice.new("qcow2")
    assert alice.upload(image_id, content(QUOTA)).status == 415
    assert alice.upload_chunked(image_id, content(QUOTA), X_OpenStack_Image_Size=3).status == 400
    whole = alice.new()
    assert alice.upload(whole, content(QUOTA)).status == 204
    assert alice.ask("DELETE", f"/v2/images/{whole}").status == 204
    assert alice.upload(alice.new(), content(QUOTA)).status == 204


# -- whose image -----------------------------------------------------------------------------------


def test_data_of_others_is_not_there(alice: Site, bob: Site) -> None:
    image_id = alice.stored(b"private")
    assert bob.download(image_id).status == 404
    assert bob.ask("HEAD", file_of(image_id)).status == 404
    assert bob.upload(image_id, content(BLOCK)).status == 404
    queued = alice.new()
    assert bob.upload(queued, content(BLOCK)).status == 404
    alice.untouched(queued)


def test_a_deactivated_image_is_for_admins_only(alice: Site, root: Site) -> None:
    image_id = alice.stored(b"data")
    assert root.ask("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
    answer = alice.download(image_id)
    assert answer.status == 403
    assert "deactivated" in answer.message
    assert alice.download(image_id, Range="bytes=0-1").status == 403
    assert alice.ask("HEAD", file_of(image_id)).status == 403
    assert root.download(image_id).body == b"data"
    assert root.download(image_id, Range="bytes=1-2").body == b"at"
    assert root.ask("POST", f"/v2/images/{image_id}/actions/reactivate").status == 204
    assert alice.download(image_id).body == b"data"


def test_who_is_unknown_may_send_and_take_nothing(everybody: Site, alice: Site) -> None:
    image_id = alice.new()
    for site in (everybody, everybody.as_user("Basic bm9ib2R5Om5vdGhpbmc=")):
        assert site.upload(image_id, content(BLOCK // 2)).status == 401
        assert site.download(image_id).status == 401
    alice.untouched(image_id)
