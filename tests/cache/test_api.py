"""`/v2/cache` on one node: what is there, what is queued, and who may look after it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype.db.engine import connect
from tests.cache.people import guarded
from tests.cache.site import Node
from tests.tasks.site import Site, until

NOBODY = "99999999-0000-4000-8000-000000000000"
DATA = bytes(range(256)) * 300

EVERY_CALL = [
    ("GET", "/v2/cache"),
    ("DELETE", "/v2/cache"),
    ("PUT", "/v2/cache/{image_id}"),
    ("DELETE", "/v2/cache/{image_id}"),
    ("GET", "/v2/cache/nodes/{image_id}"),
    ("POST", "/v2/cache/clean"),
    ("POST", "/v2/cache/prune"),
]
OLD_CALLS = [
    ("GET", "/v2/cached_images"),
    ("DELETE", "/v2/cached_images"),
    ("DELETE", "/v2/cached_images/{image_id}"),
    ("GET", "/v2/queued_images"),
    ("DELETE", "/v2/queued_images"),
    ("PUT", "/v2/queued_images/{image_id}"),
    ("DELETE", "/v2/queued_images/{image_id}"),
]


def serve(node: Node) -> Iterator[Site]:
    database = connect(node.database)
    with node:
        yield Site(node, database)
    database.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    return guarded(
        tmp_path_factory.mktemp("node"),
        flavor="http_basic+cachemanagement",
        default="image_cache_max_size = 200000",
    )


@pytest.fixture(scope="module")
def running(node: Node) -> Iterator[Site]:
    yield from serve(node)


@pytest.fixture
def site(running: Site) -> Site:
    """The service with nothing in its cache, as the admin sees it."""
    running.ask("DELETE", "/v2/cache").gave(204)
    return running


def cached(site: Site) -> dict[str, dict[str, object]]:
    answer = site.ask("GET", "/v2/cache").gave(200).json
    assert list(answer) == ["cached_images", "queued_images"]
    return {entry["image_id"]: entry for entry in answer["cached_images"]}


def queued(site: Site) -> list[str]:
    return list(site.ask("GET", "/v2/cache").gave(200).json["queued_images"])


def bring(site: Site, data: bytes = DATA) -> str:
    """The id of an image that is in the cache."""
    image_id = site.stored(data)
    site.ask("PUT", f"/v2/cache/{image_id}").gave(202)
    until(lambda: image_id in cached(site), "the image in the cache")
    return image_id


# -- what is here ----------------------------------------------------------------------------------


def test_an_image_is_brought_here_at_once(site: Site, node: Node) -> None:
    assert cached(site) == {}
    before, moment = node.reads(), time.time()
    image_id = bring(site)
    entry = cached(site)[image_id]
    assert entry.keys() == {
        *("id", "image_id", "last_accessed", "last_modified", "size", "hits", "checksum")
    }
    assert (entry["size"], entry["hits"]) == (len(DATA), 0)
    assert entry["checksum"] == site.show(image_id)["checksum"]
    for name in ("last_accessed", "last_modified"):
        assert isinstance(entry[name], float)
        assert abs(float(str(entry[name])) - moment) < 60
    assert queued(site) == []
    site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    assert cached(site)[image_id]["hits"] == 1
    assert node.reads() == before + 1


def test_what_is_here_is_not_brought_again(site: Site, node: Node) -> None:
    image_id, before = bring(site), node.reads()
    site.ask("PUT", f"/v2/cache/{image_id}").gave(202)
    assert queued(site) == []
    assert node.reads() == before


def test_what_has_no_data_cannot_be_cached(site: Site) -> None:
    image_id = site.new()
    site.ask("PUT", f"/v2/cache/{image_id}").gave(400, "queued", "only an active image")
    image_id = site.stored(DATA)
    site.ask("POST", f"/v2/images/{image_id}/actions/deactivate").gave(204)
    site.ask("PUT", f"/v2/cache/{image_id}").gave(400, "deactivated")
    assert queued(site) == []


def test_what_cannot_be_brought_stays_queued(site: Site, node: Node) -> None:
    image_id = site.stored(DATA)
    site.service.images.joinpath(image_id).unlink()
    site.ask("PUT", f"/v2/cache/{image_id}").gave(202)
    assert queued(site) == [image_id]
    site.ask("DELETE", f"/v2/cache/{image_id}").gave(204)
    assert queued(site) == []
    assert node.cached("incomplete") == []


def test_taking_one_out(site: Site, node: Node) -> None:
    one, two = bring(site), bring(site)
    site.ask("DELETE", f"/v2/cache/{one}").gave(204)
    assert list(cached(site)) == [two] == node.cached()
    site.ask("DELETE", f"/v2/cache/{one}").gave(204)


@pytest.mark.parametrize("target", [None, "", "cache", "queue", "Cache"])
def test_taking_out_everything(site: Site, target: str | None) -> None:
    bring(site)
    lost = site.stored(DATA)
    site.service.images.joinpath(lost).unlink()
    site.ask("PUT", f"/v2/cache/{lost}").gave(202)
    headers = {} if target is None else {"x-image-cache-clear-target": target}
    site.ask("DELETE", "/v2/cache", headers=headers).gave(204)
    assert bool(cached(site)) == (target == "queue")
    assert bool(queued(site)) == (str(target).lower() == "cache")


@pytest.mark.parametrize("target", ["both", "everything", "cache,queue"])
def test_an_unknown_target(site: Site, target: str) -> None:
    headers = {"x-image-cache-clear-target": target}
    site.ask("DELETE", "/v2/cache", headers=headers).gave(400, "x-image-cache-clear-target")


def test_pruning(site: Site, node: Node) -> None:
    ids = [bring(site) for _ in range(4)]
    for image_id in ids:
        site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    answer = site.ask("POST", "/v2/cache/prune").gave(200).json
    assert answer == {"total_files_pruned": 2, "total_bytes_pruned": 2 * len(DATA)}
    assert sorted(cached(site)) == sorted(ids[2:]) == node.cached()
    answer = site.ask("POST", "/v2/cache/prune").gave(200).json
    assert answer == {"total_files_pruned": 0, "total_bytes_pruned": 0}


def test_cleaning(site: Site, node: Node) -> None:
    here = bring(site)
    (node.cache / "invalid" / NOBODY).write_bytes(b"?")
    stalled = node.cache / "incomplete" / NOBODY
    stalled.write_bytes(b"?")
    os.utime(stalled, (1, 1))
    (node.cache / NOBODY).write_bytes(b"of an image that another node deleted")
    answer = site.ask("POST", "/v2/cache/clean").gave(200)
    assert answer.text == ""
    assert node.cached() == [here] == list(cached(site))
    assert node.cached("invalid") == node.cached("incomplete") == []


def test_what_is_cached_and_deactivated_is_for_admins(site: Site) -> None:
    mary = site.as_("mary")
    image_id = mary.stored(DATA)
    mary.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    until(lambda: image_id in cached(site))
    site.ask("POST", f"/v2/images/{image_id}/actions/deactivate").gave(204)
    mary.ask("GET", f"/v2/images/{image_id}/file").gave(403, "deactivated")
    site.as_("otto").ask("GET", f"/v2/images/{image_id}/file").gave(404)
    site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    assert cached(site)[image_id]["hits"] == 1


# -- who may ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), [*EVERY_CALL, *OLD_CALLS])
def test_only_admins_may(site: Site, method: str, path: str) -> None:
    image_id = site.as_("mary").stored(DATA)
    for name in ("mary", "rita"):
        refused = site.as_(name).ask(method, path.format(image_id=image_id)).gave(403)
        assert "policy rule" in refused.message


@pytest.mark.parametrize(("method", "path"), [call for call in EVERY_CALL if "image_id" in call[1]])
def test_an_image_that_one_may_not_see(site: Site, method: str, path: str) -> None:
    image_id = site.as_("mary").stored(DATA)
    site.as_("otto").ask(method, path.format(image_id=image_id)).gave(404)
    site.ask(method, path.format(image_id=NOBODY)).gave(404)


@pytest.mark.parametrize(("method", "path"), [*EVERY_CALL, *OLD_CALLS])
def test_no_call_takes_a_body(site: Site, method: str, path: str) -> None:
    site.ask(method, path.format(image_id=NOBODY), data=b"{}").gave(400, "takes no body")


@pytest.mark.parametrize("name", ["", "nobody"])
def test_who_is_nobody(site: Site, name: str) -> None:
    assert site.as_(name).ask("GET", "/v2/cache").status == 401


# -- the older calls -------------------------------------------------------------------------------


def test_the_older_calls(site: Site, node: Node) -> None:
    one, two = bring(site), bring(site)
    (node.cache / "queue" / NOBODY).touch()
    listed = site.ask("GET", "/v2/cached_images").gave(200).json
    assert listed == {"cached_images": list(cached(site).values())}
    assert site.ask("GET", "/v2/queued_images").gave(200).json == {"queued_images": [NOBODY]}
    assert site.ask("DELETE", f"/v2/cached_images/{one}").gave(200).json is None
    assert site.ask("DELETE", f"/v2/cached_images/{NOBODY}").gave(200).json is None
    assert list(cached(site)) == [two]
    assert site.ask("DELETE", "/v2/cached_images").gave(200).json == {"num_deleted": 1}
    assert site.ask("DELETE", f"/v2/queued_images/{NOBODY}").gave(200).json is None
    assert queued(site) == []
    (node.cache / "queue" / NOBODY).touch()
    assert site.ask("DELETE", "/v2/queued_images").gave(200).json == {"num_deleted": 1}
    assert site.ask("PUT", f"/v2/queued_images/{one}").gave(200).json is None
    until(lambda: one in cached(site))
    site.ask("PUT", f"/v2/queued_images/{site.new()}").gave(400, "only an active image")


@pytest.mark.parametrize("name", ["cache.db", "..", "queue", "incomplete"])
def test_only_images_can_be_taken_out(site: Site, node: Node, name: str) -> None:
    (node.cache / "cache.db").touch()
    for path in ("cached_images", "queued_images"):
        site.ask("DELETE", f"/v2/{path}/{name.replace('.', '%2e')}")
    assert (node.cache / "cache.db").exists()
    assert (node.cache / "queue").is_dir()


# -- without it ------------------------------------------------------------------------------------


def test_without_a_cache(tmp_path: Path) -> None:
    node = guarded(tmp_path, flavor="http_basic")
    node.config.write_text(node.config.read_text().replace("image_cache_dir", "image_size_cap #"))
    node.config.write_text(
        "\n".join(it for it in node.config.read_text().splitlines() if "size_cap" not in it)
    )
    for site in serve(node):
        image_id = site.as_("mary").stored(DATA)
        for method, path in EVERY_CALL:
            path = path.format(image_id=image_id)
            status = 409 if "nodes" in path else 404
            site.ask(method, path).gave(status, "image_cache_dir is not set")
            site.as_("mary").ask(method, path).gave(403)
        for method, path in OLD_CALLS:
            site.ask(method, path.format(image_id=image_id)).gave(404, "cachemanagement")


@pytest.mark.parametrize("driver", ["sqlite", "xattr"])
def test_another_driver(tmp_path: Path, driver: str) -> None:
    node = guarded(tmp_path, default=f"image_cache_driver = {driver}")
    for site in serve(node):
        image_id = bring(site)
        site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
        entry = cached(site)[image_id]
        assert (entry["size"], entry["hits"]) == (len(DATA), 1)
        assert "id" not in entry
        refused = site.ask("GET", f"/v2/cache/nodes/{image_id}").gave(409, "centralized_db")
        assert "image_cache_driver" in refused.message
        site.as_("mary").ask("GET", f"/v2/cache/nodes/{image_id}").gave(404)
        site.ask("GET", f"/v2/cache/nodes/{NOBODY}").gave(404)
        for method, path in OLD_CALLS:
            site.ask(method, path.format(image_id=image_id)).gave(404, "cachemanagement")


def test_the_notes_of_an_earlier_driver_are_taken_over(tmp_path: Path) -> None:
    node = guarded(tmp_path, default="image_cache_driver = sqlite")
    for site in serve(node):
        image_id = bring(site)
        site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    node.config.write_text(node.config.read_text().replace("= sqlite\n", "= centralized_db\n", 1))
    for site in serve(node):
        assert cached(site)[image_id]["hits"] == 1
        assert site.ask("GET", f"/v2/cache/nodes/{image_id}").json == {"cached_nodes": [node.url]}
