"""A real service, with a real Keystone and without one, and people at terminals."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prepared import Prepared
from terminal import Terminal, clean

from calotype_client import Client, connect
from tests.conftest import missing_server
from tests.imports.web import Web, serving
from tests.keystone import ADMIN, MEMBER, OTHER, READER, Keystone, Person
from tests.servers import Missing
from tests.service import Service

__all__ = ["missing_server"]

#: Two stores with names and the web, a cache, and imports from the web server of the tests.
DEFAULT = """\
enabled_backends = fast:file, far:file, web:http
image_cache_dir = {folder}/cache
"""
EXTRA = """\
default_backend = fast
[fast]
filesystem_store_datadir = {folder}/fast
store_description = Solid-state disks
[far]
filesystem_store_datadir = {folder}/far
[web]
store_description = Web servers
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
"""
OPEN = "[paste_deploy]\nflavor = caching\n"


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    """A web server from which images can be fetched."""
    with serving() as server:
        yield server


def start(folder: Path, web: Web, extra: str) -> Service:
    """A service with all that the client can ask for, not yet serving."""
    service = Service(
        folder,
        default=DEFAULT.format(folder=folder),
        extra=EXTRA.format(folder=folder, port=web.port) + extra,
        arguments=("--workers", "1"),
    )
    node = f"[DEFAULT]\nworker_self_reference_url = {service.url}\n"
    service.config.write_text(service.config.read_text().replace("[DEFAULT]\n", node))
    return service


@pytest.fixture(scope="session")
def open_service(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without authentication: everybody is an administrator."""
    with start(tmp_path_factory.mktemp("open") / "service", web, OPEN) as service:
        yield service


@pytest.fixture(scope="session")
def prepared() -> Iterator[Prepared]:
    """The client, loaded."""
    process = Prepared(clean())
    yield process
    process.stop()


@pytest.fixture
def anybody(open_service: Service, prepared: Prepared, tmp_path: Path) -> Terminal:
    """Somebody in front of it."""
    nobody = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": open_service.url}
    return Terminal(tmp_path, nobody, prepared)


@pytest.fixture(scope="session")
def client(open_service: Service) -> Client:
    """The library in front of it."""
    return connect(auth_type="none", auth={"endpoint": open_service.url})


@pytest.fixture(scope="session")
def keystone(
    missing_server: Callable[[str, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Keystone]:
    """A real Keystone with people and projects."""
    try:
        server = Keystone(tmp_path_factory.mktemp("keystone"))
    except Missing as reason:
        missing_server("Keystone", str(reason))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def cloud(
    keystone: Keystone, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service behind Keystone, found through the catalogue."""
    behind = keystone.sections().replace("= keystone\n", "= keystone+caching\n", 1)
    with start(tmp_path_factory.mktemp("cloud") / "service", web, behind) as service:
        keystone.serve_images_at(service.url)
        yield service


@pytest.fixture
def people(
    cloud: Service, keystone: Keystone, prepared: Prepared, tmp_path: Path
) -> dict[Person, Terminal]:
    """People of the cloud, each at a terminal."""
    return {
        person: Terminal(tmp_path, keystone.environment(person), prepared)
        for person in (ADMIN, MEMBER, READER, OTHER)
    }


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw disk of a few MiB, in more than one block."""
    path = tmp_path_factory.mktemp("disk") / "disk.raw"
    path.write_bytes(os.urandom((3 << 20) + 123))
    return path
