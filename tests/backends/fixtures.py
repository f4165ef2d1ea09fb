"""The servers of the stores' backends as fixtures; each is started when it is first asked for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.backends.ceph import Ceph, Radosgw
from tests.backends.cinder import Cinder
from tests.backends.swift import STORE, Swift
from tests.keystone import Keystone
from tests.servers import Missing


@pytest.fixture(scope="session")
def ceph(missing_server: Callable[[str, str], None]) -> Iterator[Ceph]:
    """A private Ceph with the pools images, more and volumes."""
    cluster = Ceph()
    try:
        try:
            yield cluster.start()
        except Missing as reason:
            missing_server("Ceph", str(reason))
    finally:
        cluster.remove()


@pytest.fixture(scope="session")
def radosgw(ceph: Ceph, missing_server: Callable[[str, str], None]) -> Radosgw:
    """The object gateway of that Ceph."""
    try:
        return ceph.start_radosgw()
    except Missing as reason:
        missing_server("radosgw", str(reason))
        raise


# -- Swift ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def swift(
    missing_server: Callable[[str, str], None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Swift]:
    """A private Swift, whose users may come with tokens of Keystone, too."""
    with ExitStack() as ends:
        try:
            keystone = Keystone(tmp_path_factory.mktemp("keystone-of-swift")).start()
            ends.callback(keystone.stop)
            server = Swift(keystone)
            ends.callback(server.remove)
            keystone.add({STORE: "admin"})
            keystone.serve("object-store", "swift", f"{server.url}/v1/AUTH_$(project_id)s")
            server.start()
        except Missing as reason:
            missing_server("Swift", str(reason))
        yield server


# -- Cinder ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cinder(ceph: Ceph, missing_server: Callable[[str, str], None]) -> Iterator[Cinder]:
    """A private Cinder whose volumes lie in that Ceph."""
    server = None
    try:
        try:
            server = Cinder(ceph)
            yield server.start()
        except Missing as reason:
            missing_server("Cinder", str(reason))
    finally:
        if server is not None:
            server.remove()
