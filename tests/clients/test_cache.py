"""The released clients, and people with real roles, in front of three nodes that cache."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cache.people import start
from tests.cache.site import Node
from tests.clients.people import User
from tests.data.site import soon
from tests.keystone import ADMIN, MEMBER, Keystone, Person
from tests.service import environment as clean

DATA = bytes(range(256)) * 300
UNKNOWN = "99999999-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
def nodes(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    folder = tmp_path_factory.mktemp("nodes")
    behind = keystone.sections().replace("= keystone\n", "= keystone+cachemanagement\n", 1)
    made = [
        Node(
            folder / f"node-{number}",
            *("--workers", "1", "--no-worker"),
            store=folder / "images",
            database=f"sqlite:///{folder}/calotype.db",
            extra=behind,
        )
        for number in range(3)
    ]
    try:
        start(made)
        yield made
    finally:
        for node in made:
            node.stop()


def at(node: Node, keystone: Keystone, programs: Path, person: Person) -> User:
    """A person in front of one node, not of the catalogue."""
    here = {"OS_IMAGE_ENDPOINT_OVERRIDE": node.url, "OS_IMAGE_URL": node.url}
    environment = {**keystone.environment(person), **here}
    token = {"X-Auth-Token": keystone.token(person)}
    return User(programs, node.folder, node.url, environment, environment, token)


@pytest.fixture
def admins(nodes: list[Node], keystone: Keystone, programs: Path) -> list[User]:
    return [at(node, keystone, programs, ADMIN) for node in nodes]


@pytest.fixture
def mary(nodes: list[Node], keystone: Keystone, programs: Path) -> User:
    return at(nodes[0], keystone, programs, MEMBER)


def test_glance(nodes: list[Node], admins: list[User], mary: User) -> None:
    admin, id_ = admins[0], mary.put_image("cached", DATA)
    admin.glance("cache-queue", id_)
    assert soon(lambda: nodes[0].cached() == [id_])
    [row] = admin.glance("cache-list").rows
    assert (row["ID"], row["State"], row["Size"], row["Hits"]) == (
        *(id_, "cached", str(len(DATA)), "0"),
    )
    today = time.strftime("%Y-%m-", time.gmtime())
    assert row["Last Accessed (UTC)"].startswith(today)
    assert row["Last Modified (UTC)"].startswith(today)

    assert mary.at(nodes[2].url).ask("GET", f"/v2/images/{id_}/file").body == DATA
    assert soon(lambda: nodes[2].cached() == [id_])
    asked = admins[1]
    both = sorted([nodes[0].url, nodes[2].url])
    rows = asked.glance("cache-nodes-list", id_).rows
    assert [row["Node Reference URL"] for row in rows] == both
    answer = asked.ask("GET", f"/v2/cache/nodes/{id_}")
    assert answer.json == {"cached_nodes": both}
    assert asked.glance("cache-list").rows == []

    admins[2].glance("cache-delete", id_)
    assert nodes[2].cached() == []
    assert "Pruned 0 file(s), 0 byte(s)." in admin.glance("cache-prune").text
    admin.glance("cache-clean")
    admin.glance("cache-clear", "--target", "cache")
    assert nodes[0].cached() == []
    assert asked.glance("cache-nodes-list", id_).rows == []


def test_glance_for_those_who_may_not(mary: User) -> None:
    id_ = mary.put_image("mine", DATA)
    for command, *arguments in (
        ("cache-nodes-list", id_),
        ("cache-queue", id_),
        ("cache-delete", id_),
        ("cache-clear",),
        ("cache-clean",),
        ("cache-prune",),
    ):
        complaint = mary.glance(command, *arguments).complaint
        assert "not permitted" in complaint, (command, complaint)
    assert "403" in mary.glance("cache-list", status=1).complaint
    for path in (f"/v2/cache/nodes/{id_}", "/v2/cache", "/v2/cached_images"):
        assert mary.ask("GET", path).status == 403


def test_glance_for_an_image_that_is_not_there(admins: list[User]) -> None:
    complaint = admins[0].glance("cache-nodes-list", UNKNOWN).complaint
    assert "Unable to list cached nodes" in complaint
    assert "There is no image with the id" in complaint


def test_openstack(nodes: list[Node], admins: list[User], mary: User) -> None:
    admin, id_ = admins[1], mary.put_image("for openstack", DATA)
    admin.openstack("cached", "image", "queue", "for openstack")
    assert soon(lambda: nodes[1].cached() == [id_])
    [row] = admin.openstack("cached", "image", "list", "-f", "json").json
    assert (row["ID"], row["State"], row["Size"], row["Hits"]) == (id_, "cached", len(DATA), 0)
    admin.openstack("cached", "image", "delete", id_)
    assert nodes[1].cached() == []
    admin.openstack("cached", "image", "queue", id_)
    assert soon(lambda: nodes[1].cached() == [id_])
    admin.openstack("cached", "image", "clear")
    assert nodes[1].cached() == []
    assert "Failed to clear" in mary.openstack("cached", "image", "clear", status=1).complaint


def manage(
    node: Node, environment: dict[str, str], *arguments: str, status: int = 0, says: str = ""
) -> list[list[str]]:
    """Run `glance-cache-manage`; the cells of the table that it prints."""
    code = "import sys; from calotype.admin.cache_manage import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "-H", "127.0.0.1", "-p", str(node.port), *arguments],
        env=clean(environment),
        input=says,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if status:
        return [[done.stderr]]
    assert "deprecated" in done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def test_glance_cache_manage(nodes: list[Node], keystone: Keystone, mary: User) -> None:
    node, admin, id_ = nodes[0], keystone.environment(ADMIN), mary.put_image("managed", DATA)
    manage(node, admin, "delete-all-cached-images", "--force")
    manage(node, admin, "queue-image", id_, says="n\n")
    assert node.cached() == []
    manage(node, admin, "queue-image", id_, says="y\n")
    assert soon(lambda: node.cached() == [id_])
    head, row = manage(node, admin, "list-cached")
    assert head == ["ID", "Last Accessed (UTC)", "Last Modified (UTC)", "Size", "Hits"]
    assert (row[0], row[3:]) == (id_, [str(len(DATA)), "0"])
    manage(node, admin, "-f", "delete-cached-image", id_)
    assert node.cached() == []
    (node.cache / "queue" / UNKNOWN).touch()
    assert manage(node, admin, "list-queued") == [["ID"], [UNKNOWN]]
    manage(node, admin, "-f", "delete-queued-image", UNKNOWN)
    assert manage(node, admin, "-f", "delete-all-queued-images") == []
    assert manage(node, admin, "list-queued") == manage(node, admin, "list-cached") == []
    assert manage(node, admin, "help") == []


def test_glance_cache_manage_for_those_who_may_not(nodes: list[Node], keystone: Keystone) -> None:
    environment = keystone.environment(MEMBER)
    [[complaint]] = manage(nodes[0], environment, "list-cached", status=1)
    assert "ERROR: " in complaint
    assert "403" in complaint
    token = {"OS_AUTH_TOKEN": "wrong"}
    assert "401" in manage(nodes[0], token, "list-cached", status=1)[0][0]
    wrong = {**environment, "OS_PASSWORD": "a secret"}
    [[complaint]] = manage(nodes[0], wrong, "list-cached", status=1)
    assert "401" in complaint
    assert "a secret" not in complaint
    assert "no command" in manage(nodes[0], environment, "dance", status=1)[0][0]
    assert "one id" in manage(nodes[0], environment, "queue-image", status=1)[0][0]
    manage(nodes[0], environment, "--dance", "list-cached", status=2)
