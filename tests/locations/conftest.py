"""One service for each file of tests, and a web server."""

from collections.abc import Iterator

import pytest

from tests.locations.site import Site, make_service, serving
from tests.remote.data_server import DataServer, Manners, giving


@pytest.fixture(scope="module")
def running() -> Iterator[DataServer]:
    with giving() as server:
        yield server


@pytest.fixture(scope="module")
def _idle(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    running: DataServer,
) -> Iterator[Site]:
    default = getattr(request.module, "DEFAULT", "")
    folder = tmp_path_factory.mktemp("service")
    with serving(make_service(folder, running, default), running) as site:
        yield site


@pytest.fixture(scope="module")
def _working(_idle: Site) -> Iterator[Site]:
    with _idle.worker():
        yield _idle


@pytest.fixture
def idle(_idle: Site, running: DataServer) -> Site:
    """A service whose tasks wait. A file of tests sets its options in DEFAULT."""
    return _fresh(_idle, running)


@pytest.fixture
def site(_working: Site, running: DataServer) -> Site:
    """A service with a worker beside it."""
    return _fresh(_working, running)


def _fresh(site: Site, running: DataServer) -> Site:
    running.manners = Manners()
    running.elsewhere.clear()
    running.asked.clear()
    return site
