"""The commands that calotype-client adds to `openstack`: processes, in front of a real Keystone."""

import hashlib
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cache.people import start
from tests.cache.site import Node
from tests.clients.people import Shown, User, user_of
from tests.data.site import soon
from tests.keystone import ADMIN, MEMBER, OTHER, Keystone

DATA = bytes(range(256)) * 5000
PROJECT = Path(__file__).parents[2] / "client" / "pyproject.toml"
UNKNOWN = "99999999-0000-4000-8000-000000000000"


@pytest.fixture(scope="module", autouse=True)
def _installed(programs: Path, missing_server: Callable[[str, str], None]) -> None:
    found = subprocess.run(
        [programs / "python", "-c", "import calotype_client.osc"], check=False, capture_output=True
    )
    if found.returncode:
        missing_server("the plugin of openstack", "make test installs it among the peers")


@pytest.fixture(scope="module")
def node(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A service that caches and has a worker."""
    folder = tmp_path_factory.mktemp("plugin")
    behind = keystone.sections().replace("= keystone\n", "= keystone+cachemanagement\n", 1)
    made = Node(folder / "node", "--workers", "1", extra=behind)
    try:
        start([made])
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def people(node: Node, keystone: Keystone, programs: Path) -> dict[str, User]:
    here = {"OS_IMAGE_ENDPOINT_OVERRIDE": node.url}
    return {
        person.name: user_of(keystone, person, programs, node.folder, node.url).with_environment(
            here
        )
        for person in (ADMIN, MEMBER, OTHER)
    }


@pytest.fixture
def admin(people: dict[str, User]) -> User:
    return people[ADMIN.name]


@pytest.fixture
def mary(people: dict[str, User]) -> User:
    return people[MEMBER.name]


def piped(user: User, data: bytes, *arguments: str, status: int = 0) -> Shown:
    """Run `openstack …` with data on its standard input."""
    return user._run("openstack", arguments, user.openstack_environment, status, data)


def only_line(shown: Shown) -> str:
    """The one line that a command complains with."""
    [line] = shown.complaint.splitlines()
    return line


def test_upload_a_file(mary: User, tmp_path: Path) -> None:
    file = tmp_path / "disk.raw"
    file.write_bytes(DATA)
    id_ = mary.put_image("from a file")
    shown = mary.openstack("image", "upload", "from a file", "--file", file, "-f", "json").json
    assert shown == {
        "id": id_,
        "name": "from a file",
        "status": "active",
        "size": len(DATA),
        "checksum": hashlib.md5(DATA).hexdigest(),
        "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(DATA).hexdigest(),
    }
    assert mary.ask("GET", f"/v2/images/{id_}/file").body == DATA


@pytest.mark.parametrize("size", [(), ("--size", str(len(DATA)))], ids=["unknown", "declared"])
def test_upload_what_a_pipe_gives(mary: User, size: tuple[str, ...]) -> None:
    id_ = mary.put_image("from a pipe")
    shown = piped(mary, DATA, "image", "upload", id_, *size, "-c", "status", "-f", "value")
    assert shown.text == "active\n"
    assert mary.ask("GET", f"/v2/images/{id_}/file").body == DATA


def test_an_upload_of_no_bytes(mary: User) -> None:
    id_ = mary.put_image("empty")
    wanted = ("image", "upload", id_, "-c", "size", "-f", "value")
    assert "--size 0" in only_line(piped(mary, b"", *wanted, status=1))
    assert piped(mary, b"", *wanted, "--size", "0").text == "0\n"


@pytest.mark.parametrize("much", [1, -1], ids=["more", "less"])
def test_upload_with_a_wrong_size(mary: User, tmp_path: Path, much: int) -> None:
    file = tmp_path / "disk.raw"
    file.write_bytes(DATA)
    id_ = mary.put_image("of a wrong size")
    wrong = ("image", "upload", id_, "--size", str(len(DATA) + much))
    for shown in (
        mary.openstack(*wrong, "--file", file, status=1),
        piped(mary, DATA, *wrong, status=1),
    ):
        assert "size" in only_line(shown).lower()
    assert mary.ask("GET", f"/v2/images/{id_}").json["status"] == "queued"


def test_upload_without_data_to_read(mary: User, tmp_path: Path) -> None:
    id_ = mary.put_image("still queued")
    shown = mary.openstack("image", "upload", id_, status=1)
    assert only_line(shown) == "Not from a terminal: give --file, or send data to stdin"
    missing = tmp_path / "nothing"
    shown = mary.openstack("image", "upload", id_, "--file", missing, status=1)
    assert only_line(shown) == f"{missing} cannot be read: No such file or directory"
    shown = mary.openstack("image", "upload", id_, "--size", "much", status=2)
    assert "'much' is no count of bytes" in shown.complaint
    taken = mary.put_image("has data", DATA)
    assert "active" in only_line(piped(mary, DATA, "image", "upload", taken, status=1))


def test_hash(admin: User, mary: User) -> None:
    id_ = mary.put_image("to be hashed", DATA)
    wanted = ("image", "hash", id_, "--algorithm", "sha256")
    shown = admin.openstack(*wanted, "--wait", "-f", "json").json
    assert shown.pop("message")
    assert shown == {
        "id": id_,
        "checksum": hashlib.md5(DATA).hexdigest(),
        "os_hash_algo": "sha256",
        "os_hash_value": hashlib.sha256(DATA).hexdigest(),
    }
    begun = admin.openstack("image", "hash", id_, "-f", "json").json
    assert (begun["image_id"], begun["type"]) == (id_, "calculate_hash")
    [newest] = [t for t in _tasks(mary, id_) if t["ID"] == begun["task_id"]]
    assert newest["Type"] == "calculate_hash"
    assert soon(lambda: _tasks(mary, id_)[0]["Status"] == "success")
    assert mary.ask("GET", f"/v2/images/{id_}").json["os_hash_algo"] == "sha512"


def test_a_hash_that_fails_says_why(node: Node, admin: User, mary: User) -> None:
    id_ = mary.put_image("damaged", DATA)
    (node.images / id_).write_bytes(DATA[::-1])
    shown = admin.openstack("image", "hash", id_, "--wait", status=1)
    assert "stored data does not match its recorded hash" in only_line(shown)


def test_a_hash_that_is_refused(admin: User, mary: User) -> None:
    id_ = mary.put_image("not hashed", DATA)
    line = only_line(mary.openstack("image", "hash", id_, status=1))
    assert "calculate" in line
    line = only_line(admin.openstack("image", "hash", id_, "--algorithm", "crc32", status=1))
    assert "'crc32' is not known" in line


def test_tasks(admin: User, mary: User, people: dict[str, User]) -> None:
    id_ = mary.put_image("with tasks", DATA)
    assert _tasks(mary, id_) == []
    admin.openstack("image", "hash", id_, "--wait")
    [task] = _tasks(mary, "with tasks")
    columns = ["ID", "Type", "Status", "Message", "Created At", "Updated At"]
    assert list(task) == columns
    assert (task["Type"], task["Status"]) == ("calculate_hash", "success")
    [task] = _tasks(mary, id_, "--long")
    assert list(task) == [*columns, "Expires At", "Owner", "User ID", "Request ID", "Result"]
    assert task["Request ID"].startswith("req-")
    stranger = people[OTHER.name]
    assert id_ in only_line(stranger.openstack("image", "tasks", "list", id_, status=1))


def _tasks(user: User, *arguments: str) -> list[dict[str, str]]:
    found = user.openstack("image", "tasks", "list", *arguments, "-f", "json").json
    return list(found)


def test_cache_nodes(node: Node, admin: User, mary: User) -> None:
    id_ = mary.put_image("in the cache", DATA)
    nodes = ("cache", "nodes", "list", "in the cache", "-f", "json")
    assert admin.openstack(*nodes).json == []
    admin.openstack("cached", "image", "queue", id_)
    assert soon(lambda: id_ in node.cached())
    assert admin.openstack(*nodes).json == [{"Node": node.url}]
    assert "does not allow it" in only_line(mary.openstack(*nodes, status=1))
    shown = admin.openstack("cache", "nodes", "list", UNKNOWN, status=1)
    assert UNKNOWN in only_line(shown)


def test_every_command(node: Node, admin: User, mary: User) -> None:
    """Each that the plugin registers, one after the other on one image."""
    id_ = mary.put_image("of every command")
    shown = {
        "image upload": piped(mary, DATA, "image", "upload", id_, "-f", "json").json["status"],
        "image hash": admin.openstack("image", "hash", id_, "--wait", "-f", "json").json["id"],
        "image tasks list": [task["Type"] for task in _tasks(mary, id_)],
    }
    admin.openstack("cached", "image", "queue", id_)
    assert soon(lambda: id_ in node.cached())
    listed = admin.openstack("cache", "nodes", "list", id_, "-f", "json")
    shown["cache nodes list"] = listed.json
    assert shown == {
        "image upload": "active",
        "image hash": id_,
        "image tasks list": ["calculate_hash"],
        "cache nodes list": [{"Node": node.url}],
    }
    project = tomllib.loads(PROJECT.read_text())["project"]
    registered = project["entry-points"]["openstack.image.v2"]
    assert shown.keys() == {name.replace("_", " ") for name in registered}


def test_a_service_that_is_not_there(admin: User) -> None:
    away = admin.with_environment({"OS_IMAGE_ENDPOINT_OVERRIDE": "http://127.0.0.1:9"})
    line = only_line(away.openstack("image", "tasks", "list", UNKNOWN, status=1))
    # The words of openstack's own commands, which find out before ours can ask.
    assert "service image" in line
