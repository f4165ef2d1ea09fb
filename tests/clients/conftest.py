"""A Keystone, services with it and without, and people who use them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.people import User, user_of
from tests.keystone import ADMIN, MEMBER, OTHER, READER, Keystone, Person, peers
from tests.servers import Missing
from tests.service import Service

MissingServer = Callable[[str, str], None]


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


@pytest.fixture(scope="session")
def programs(missing_server: MissingServer) -> Path:
    """Where the released clients are."""
    try:
        return peers() / "bin"
    except Missing as reason:
        missing_server("Keystone and the clients", str(reason))
        raise


@pytest.fixture(scope="session")
def keystone(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """A real Keystone with people and projects."""
    server = Keystone(tmp_path_factory.mktemp("keystone"))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def keystone_cloud(
    keystone: Keystone, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """The service behind Keystone, found through the catalogue."""
    folder = tmp_path_factory.mktemp("behind-keystone")
    with Service(folder / "service", extra=keystone.sections()) as service:
        keystone.serve_images_at(service.url)
        people = {
            person: user_of(keystone, person, programs, folder, service.url)
            for person in (ADMIN, MEMBER, READER, OTHER)
        }
        yield Cloud("keystone", service, people, keystone.projects)


@pytest.fixture(scope="session")
def open_cloud(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """The service without authentication: everybody is an administrator."""
    folder = tmp_path_factory.mktemp("open")
    with Service(folder / "service") as service:
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
        yield Cloud("none", service, people, {"blue": "blue", "red": "red"})


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
