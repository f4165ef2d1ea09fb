"""All that is done with images, on each kind of backend: the same for all of them."""

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import pytest

from tests.backends import kinds
from tests.backends.kinds import KINDS, SHARED, Backend, Shared
from tests.backends.scene import (
    BIG,
    FILES,
    OCTETS,
    SMALL,
    STORE,
    TWIN,
    Scene,
    make_service,
    playing,
)
from tests.data.wire import Wire
from tests.stores.sources import content
from tests.tasks.site import MIB, until

DELETED = "The image was deleted while its digests were calculated"
DELAYED = "delayed_delete = true\nscrub_time = 0"


@pytest.fixture(scope="module", params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """Each kind in turn."""
    return kinds.make(request.param, request, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def scene(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A service on the backend."""
    with playing(make_service(tmp_path_factory.mktemp("scene"), backend), backend) as scene:
        yield scene


# -- in and out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [SMALL, BIG, b"", b"x"], ids=["small", "big", "empty", "byte"])
@pytest.mark.parametrize("way", ["length", "declared", "unknown"])
def test_an_upload_comes_back(scene: Scene, data: bytes, way: str) -> None:
    image_id = scene.new()
    declared = len(data) if way == "declared" else None
    answer = scene.put(image_id, data, declared=declared, chunked=way != "length")
    assert answer.status_code == 204, answer.text
    scene.whole(image_id, data, STORE)


def test_a_download_of_a_part(scene: Scene) -> None:
    image_id, size = scene.active(BIG), len(BIG)
    for first, last in [(0, 0), (5, 99), (8 * MIB - 1, 8 * MIB), (MIB, 18 * MIB), (size - 1, size)]:
        assert scene.data(image_id, part=f"{first}-{last}") == BIG[first : last + 1]
    assert scene.data(image_id, part="-7") == BIG[-7:]
    assert scene.data(image_id, part=f"{size - 3}-") == BIG[-3:]


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "big"])
def test_staged_data_is_imported(scene: Scene, data: bytes) -> None:
    image_id = scene.new()
    assert scene.put(image_id, data, call="stage", declared=len(data)).status_code == 204
    assert scene.imported(image_id, "glance-direct", STORE)["status"] == "success"
    scene.whole(image_id, data, STORE)


def test_staged_data_is_imported_into_all_stores(scene: Scene) -> None:
    image_id, log = scene.new(), scene.worker_log()
    assert scene.put(image_id, BIG, call="stage", chunked=True).status_code == 204
    assert scene.imported(image_id, "glance-direct", STORE, FILES, TWIN)["status"] == "success"
    scene.whole(image_id, BIG, STORE, FILES, TWIN)
    assert log.lines() == []


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "big"])
def test_an_image_is_copied_from_store_to_store(scene: Scene, data: bytes) -> None:
    image_id, log = scene.active(data, FILES), scene.worker_log()
    assert scene.imported(image_id, "copy-image", STORE)["status"] == "success"
    assert scene.imported(image_id, "copy-image", TWIN)["status"] == "success"
    scene.whole(image_id, data, FILES, STORE, TWIN)
    assert log.lines() == []
    back = scene.active(data, TWIN)
    assert scene.imported(back, "copy-image", FILES, STORE)["status"] == "success"
    scene.whole(back, data, FILES, STORE, TWIN)


def test_it_is_known_which_backend_copies_by_itself(scene: Scene) -> None:
    told = scene.ask("GET", "/v2/info/stores/detail").gave(200).json["stores"]
    powers = {store["id"]: store["powers"] for store in told}
    assert ("server-side copy" in powers[STORE]) is scene.backend.copies


# -- the size that was declared --------------------------------------------------------------------


@pytest.mark.parametrize("off", [-1, 1, -MIB, MIB], ids=lambda off: f"{off:+}")
@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "big"])
def test_data_of_another_size_than_declared_is_refused(scene: Scene, data: bytes, off: int) -> None:
    image_id, before, log = scene.new(), scene.backend.held(), scene.log()
    answer = scene.put(image_id, data, declared=len(data) + off, chunked=True)
    assert answer.status_code == 400
    assert f"expected {len(data) + off} bytes" in answer.json()["message"]
    (line,) = log.lines()
    assert " WARNING " in line and image_id in line
    assert scene.show(image_id)["status"] == "queued"
    assert scene.backend.held() <= before
    assert scene.put(image_id, data).status_code == 204
    scene.whole(image_id, data, STORE)


def test_a_client_that_goes_away_leaves_nothing(scene: Scene) -> None:
    image_id, before, log = scene.new(), scene.backend.held(), scene.log()
    with Wire(scene.service.port) as wire:
        wire.head(
            "PUT", f"/v2/images/{image_id}/file", Content_Type=OCTETS,
            Transfer_Encoding="chunked", X_OpenStack_Image_Size=len(BIG), X_Image_Meta_Store=STORE,
        )  # fmt: skip
        wire.chunk(BIG[: 18 * MIB])
        until(lambda: scene.show(image_id)["status"] == "saving", "the upload")
        wire.reset()
    until(lambda: scene.show(image_id)["status"] == "queued", "the end of the upload")
    scene.empties(before)
    assert log.lines("ERROR", "CRITICAL") == []


# -- digests ---------------------------------------------------------------------------------------


def hashed(scene: Scene, image_id: str, algorithm: str) -> dict[str, Any]:
    return scene.ended(image_id, scene.begin(image_id, algorithm))


def test_digests_are_calculated(scene: Scene) -> None:
    image_id = scene.active(BIG)
    scene.record(image_id, checksum=None, os_hash_algo=None, os_hash_value=None)
    assert hashed(scene, image_id, "sha256")["status"] == "success"
    found = hashlib.md5(BIG).hexdigest(), "sha256", hashlib.sha256(BIG).hexdigest()
    assert scene.digests(image_id) == found


def test_an_image_is_deleted_while_its_digests_are_calculated(scene: Scene) -> None:
    data = content(96 * MIB)
    image_id = scene.active(data)
    with caught_hashing(scene, image_id) as task_id:
        answer = scene.ask("DELETE", f"/v2/images/{image_id}")
    if scene.backend.reading_holds:
        answer.gave(409)
        assert scene.ended(image_id, task_id)["status"] == "success"
        scene.whole(image_id, data, STORE)
        answer = scene.ask("DELETE", f"/v2/images/{image_id}")
    else:
        until(lambda: has_ended(scene, task_id), "the end of the task")
        assert scene.row(task_id)["status"] == "failure"
        assert scene.stored_task(task_id).message == DELETED
    answer.gave(204)
    scene.gone(image_id)


@contextmanager
def caught_hashing(scene: Scene, image_id: str) -> Iterator[str]:
    """A task while its worker stands still, having read some of the image but not all."""
    for _ in range(5):
        scene.record(image_id, checksum=None, os_hash_algo=None, os_hash_value=None)
        task_id = scene.begin(image_id)
        until(partial(has_begun, scene, task_id), "progress")
        with scene.halted():
            if not has_ended(scene, task_id):
                yield task_id
                return
    raise AssertionError("each task was faster than we")


def has_begun(scene: Scene, task_id: str) -> bool:
    return scene.stored_task(task_id).message != ""


def has_ended(scene: Scene, task_id: str) -> bool:
    return scene.row(task_id)["status"] in ("success", "failure")


# -- deletes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [SMALL, BIG], ids=["small", "big"])
def test_a_delete_leaves_nothing(scene: Scene, data: bytes) -> None:
    before = scene.backend.held()
    image_id = scene.active(data)
    assert scene.imported(image_id, "copy-image", TWIN)["status"] == "success"
    assert scene.backend.held() > before
    scene.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    scene.gone(image_id)
    assert scene.backend.held() <= before


def test_one_of_two_copies_is_deleted(scene: Scene) -> None:
    before = scene.backend.held()
    image_id = scene.active(SMALL, FILES)
    assert scene.imported(image_id, "copy-image", STORE)["status"] == "success"
    scene.ask("DELETE", f"/v2/stores/{STORE}/{image_id}").gave(204)
    scene.whole(image_id, SMALL, FILES)
    assert scene.backend.held() <= before
    scene.ask("DELETE", f"/v2/stores/{FILES}/{image_id}").gave(403)


#: Those whose data others of the cloud use where it lies.
shared = pytest.mark.parametrize("backend", SHARED, indirect=True, scope="module")


def using(scene: Scene, image_id: str) -> AbstractContextManager[None]:
    """Somebody who uses the data of an image."""
    assert isinstance(scene.backend, Shared)
    return scene.backend.using(scene.location(image_id).url)


@shared
def test_data_in_use_stays_and_so_does_its_image(scene: Scene) -> None:
    image_id = scene.active(BIG)
    with using(scene, image_id):
        held = scene.backend.held()
        for _ in range(2):
            scene.ask("DELETE", f"/v2/images/{image_id}").gave(409)
            assert scene.show(image_id)["status"] == "active"
        assert scene.backend.held() == held
        if not scene.backend.reading_holds:
            scene.whole(image_id, BIG, STORE)
    scene.whole(image_id, BIG, STORE)
    scene.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    scene.gone(image_id)


@shared
def test_a_copy_in_use_stays(scene: Scene) -> None:
    image_id = scene.active(SMALL)
    assert scene.imported(image_id, "copy-image", FILES)["status"] == "success"
    with using(scene, image_id):
        scene.ask("DELETE", f"/v2/stores/{STORE}/{image_id}").gave(409)
        assert set(scene.show(image_id)["stores"].split(",")) == {STORE, FILES}
    scene.whole(image_id, SMALL, STORE, FILES)
    scene.ask("DELETE", f"/v2/stores/{STORE}/{image_id}").gave(204)
    scene.whole(image_id, SMALL, FILES)


# -- delayed deletes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def delaying(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A service that leaves deleted data to the scrubber, which nobody starts but the tests."""
    folder = tmp_path_factory.mktemp("delaying")
    with playing(make_service(folder, backend, DELAYED), backend, worker=False) as scene:
        yield scene


def test_a_deleted_image_comes_back(delaying: Scene) -> None:
    image_id = delaying.active(BIG)
    delaying.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    delaying.ask("GET", f"/v2/images/{image_id}").gave(404)
    delaying.scrub("--restore", image_id)
    delaying.whole(image_id, BIG, STORE)


def test_a_scrubbed_image_leaves_nothing(delaying: Scene) -> None:
    before = delaying.backend.held()
    image_id = delaying.active(BIG)
    held = delaying.backend.held()
    delaying.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    assert delaying.backend.held() == held
    delaying.scrub()
    delaying.gone(image_id)
    assert delaying.backend.held() <= before
    assert "not" in delaying.scrub("--restore", image_id, status=1)


@shared
def test_data_in_use_is_scrubbed_when_it_is_free(delaying: Scene) -> None:
    image_id = delaying.active(SMALL)
    with using(delaying, image_id):
        delaying.ask("DELETE", f"/v2/images/{image_id}").gave(204)
        held = delaying.backend.held()
        assert "1 left" in delaying.scrub()
        assert delaying.backend.held() == held
        assert delaying.image_row(image_id)["status"] == "pending_delete"
    delaying.scrub("--restore", image_id)
    delaying.whole(image_id, SMALL, STORE)
    delaying.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    delaying.scrub()
    delaying.gone(image_id)
