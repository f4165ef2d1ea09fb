"""One service for each file of tests."""

from collections.abc import Iterator

import pytest

from tests.tasks.site import Site, make_service, serving


@pytest.fixture(scope="module")
def idle(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A service whose tasks wait: no worker runs. A file of tests sets its options in DEFAULT."""
    default = getattr(request.module, "DEFAULT", "")
    with serving(make_service(tmp_path_factory.mktemp("service"), default=default)) as site:
        yield site


@pytest.fixture(scope="module")
def site(idle: Site) -> Iterator[Site]:
    """A service with a worker beside it."""
    with idle.worker():
        yield idle


@pytest.fixture
def mary(site: Site) -> Site:
    """A member of the project "ours"."""
    return site.as_("mary")
