"""A Keystone, services with it and without, and people who use them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.people import User, user_of
from tests.clients.warm import cool_down
from tests.imports.web import Web, serving
from tests.keystone import ADMIN, MEMBER, OTHER, READER, Keystone, Person, peers
from tests.servers import Missing
from tests.service import Service
from tests.tasks.site import until

MissingServer = Callable[[str, str], None]

#: Images may be fetched from the web server of the tests.
IMPORTS = """\
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
"""
#: Two stores with names.
BACKENDS = "enabled_backends = fast:file, far:file"
STORES = """\
default_backend = fast
[fast]
filesystem_store_datadir = {folder}/fast
store_description = Solid-state disks
weight = 2
[far]
filesystem_store_datadir = {folder}/far
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
"""


@dataclass(frozen=True)
class Cloud:
    """A running image service and who may use it."""

    identity: str
    service: Service
    people: dict[Person, User]
    #: Ids of projects; without a Keystone, any text will do.
    projects: dict[str, str]

    @property
    def url(self) -> str:
        return self.service.url

    @property
    def admin(self) -> User:
        return self.people[ADMIN]

    @property
    def member(self) -> User:
        return self.people[MEMBER]

    @property
    def reader(self) -> User:
        return self.people[READER]

    @property
    def other(self) -> User:
        return self.people[OTHER]

    def tasks_of(self, image_id: str) -> list[dict[str, Any]]:
        """The tasks of an image, the newest first, by plain HTTP."""
        answer = self.admin.ask("GET", f"/v2/images/{image_id}/tasks")
        assert answer.status == 200, answer
        return list(answer.json["tasks"])

    def ended(self, image_id: str) -> dict[str, Any]:
        """The newest task of an image, once all of them have ended.

        Those of one second come in any order.
        """

        def has_ended() -> dict[str, Any] | None:
            tasks = self.tasks_of(image_id)
            ended = all(task["status"] in ("success", "failure") for task in tasks)
            return dict(tasks[0]) if ended else None

        return dict(until(has_ended, "the end of the task"))

    def task_ended(self, task_id: str) -> dict[str, Any]:
        """A task, once it has ended, by the tasks API."""

        def has_ended() -> dict[str, Any] | None:
            task = self.admin.ask("GET", f"/v2/tasks/{task_id}").json
            return task if task["status"] in ("success", "failure") else None

        return dict(until(has_ended, "the end of the task"))

    def hash(self, image_id: str) -> str:
        """Have the digests of an image calculated anew; the id of the task."""
        answer = self.admin.ask("POST", f"/v2/images/{image_id}/hash", {"os_hash_algo": "sha256"})
        assert answer.status == 202, answer
        return str(answer.json["id"])


@pytest.fixture(scope="session")
def programs(missing_server: MissingServer) -> Iterator[Path]:
    """Where the released clients are."""
    try:
        found = peers() / "bin"
    except Missing as reason:
        missing_server("Keystone and the clients", str(reason))
        raise
    yield found
    cool_down()


@pytest.fixture(scope="session")
def keystone(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """A real Keystone with people and projects."""
    server = Keystone(tmp_path_factory.mktemp("keystone"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    """A web server from which images can be fetched."""
    with serving() as server:
        yield server


@pytest.fixture(scope="session")
def keystone_cloud(
    keystone: Keystone, programs: Path, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The service behind Keystone, found through the catalogue."""
    folder = tmp_path_factory.mktemp("behind-keystone")
    extra = keystone.sections() + IMPORTS.format(port=web.port)
    with Service(folder / "service", extra=extra) as service:
        keystone.serve_images_at(service.url)
        people = {
            person: user_of(keystone, person, programs, folder, service.url)
            for person in (ADMIN, MEMBER, READER, OTHER)
        }
        yield Cloud("keystone", service, people, keystone.projects)


@pytest.fixture(scope="session")
def open_cloud(
    programs: Path, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The service without authentication: everybody is an administrator."""
    folder = tmp_path_factory.mktemp("open")
    with Service(folder / "service", extra=IMPORTS.format(port=web.port)) as service:
        yield _open(service, programs, folder)


def _open(service: Service, programs: Path, folder: Path) -> Cloud:
    anybody = User(
        programs,
        folder,
        service.url,
        {
            "OS_AUTH_TYPE": "none",
            "OS_ENDPOINT": service.url,
            "OS_IMAGE_ENDPOINT_OVERRIDE": service.url,
        },
        {"OS_IMAGE_URL": service.url, "OS_AUTH_TOKEN": "any"},
    )
    people = dict.fromkeys((ADMIN, MEMBER, READER, OTHER), anybody)
    return Cloud("none", service, people, {"blue": "blue", "red": "red"})


@pytest.fixture(scope="session")
def keystone_stores(
    keystone: Keystone, programs: Path, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The service with two stores behind Keystone. The clients are told where it is."""
    folder = tmp_path_factory.mktemp("stores-behind-keystone")
    extra = STORES.format(folder=folder) + keystone.sections() + IMPORTS.format(port=web.port)
    with Service(folder / "service", default=BACKENDS, extra=extra) as service:
        here = {"OS_IMAGE_ENDPOINT_OVERRIDE": service.url, "OS_IMAGE_URL": service.url}
        people = {
            person: user_of(keystone, person, programs, folder, service.url).with_environment(here)
            for person in (ADMIN, MEMBER, READER, OTHER)
        }
        yield Cloud("keystone", service, people, keystone.projects)


@pytest.fixture(scope="session")
def open_stores(
    programs: Path, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The service with two stores, without authentication."""
    folder = tmp_path_factory.mktemp("open-stores")
    extra = STORES.format(folder=folder) + IMPORTS.format(port=web.port)
    with Service(folder / "service", default=BACKENDS, extra=extra) as service:
        yield _open(service, programs, folder)


@pytest.fixture(scope="session", params=["keystone", "none"])
def stores(request: pytest.FixtureRequest) -> Cloud:
    """The service with two stores, behind Keystone and without authentication."""
    name = {"keystone": "keystone_stores", "none": "open_stores"}[request.param]
    found: Cloud = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session", params=["keystone", "none"])
def cloud(request: pytest.FixtureRequest) -> Cloud:
    """The service behind Keystone, and without authentication."""
    name = {"keystone": "keystone_cloud", "none": "open_cloud"}[request.param]
    found: Cloud = request.getfixturevalue(name)
    return found


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk of a few MiB, in more than one block."""
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    path.write_bytes(os.urandom((3 << 20) + 123))
    return path
