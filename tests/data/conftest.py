"""Fixtures for the tests of data: one running service for each file of tests."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.data.site import Made, Site, kill
from tests.data.wire import Wire
from tests.service import Service

#: One process with few threads, so that a thread that is lost will be missed.
THREADS = 4


@pytest.fixture(scope="session")
def make_service(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """`make_service(folder, "--threads", "2", default="option = value")`: a service to start."""
    template = Service(tmp_path_factory.mktemp("template"))
    done = template.run("db", "sync")
    assert done.returncode == 0, done.stderr
    return Made(template.folder / "calotype.db")


@pytest.fixture(autouse=True)
def no_connections_left() -> Iterator[None]:
    """Close what a test has left open."""
    yield
    for wire in list(Wire.opened):
        wire.close()


@pytest.fixture(scope="module")
def site(
    request: pytest.FixtureRequest,
    make_service: Made,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A running service; a file of tests sets its options in DEFAULT and EXTRA."""
    service = make_service(
        tmp_path_factory.mktemp("service"),
        *("--workers", "1", "--threads", str(THREADS), "--no-worker"),
        default=getattr(request.module, "DEFAULT", ""),
        extra=getattr(request.module, "EXTRA", ""),
    )
    try:
        yield Site(service.start())
    finally:
        assert service.stop() == 0


Start = Callable[..., Site]


@pytest.fixture
def start(make_service: Made, tmp_path: Path) -> Iterator[Start]:
    """`start("--threads", "2", default="option = value")`: a service of the test's own, started."""
    started: list[Service] = []

    def run(*arguments: str, **more: str) -> Site:
        folder = tmp_path / f"service-{len(started)}"
        service = make_service(folder, *arguments, **more)
        started.append(service)
        return Site(service.start())

    yield run
    for service in started:
        if service.process.running:
            kill(service)


@pytest.fixture(scope="session")
def curl(missing_server: Callable[[str, str], None]) -> str:
    """The path of curl."""
    found = shutil.which("curl")
    if found is None:
        missing_server("curl", "curl is not installed: apt-get install curl")
    return str(found)
