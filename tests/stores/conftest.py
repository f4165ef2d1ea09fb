"""Fixtures for the stores."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.backends.ceph import Ceph
from tests.stores import suite
from tests.stores.rbd_cluster import store_in

if TYPE_CHECKING:
    from calotype.stores.rbd import RbdStore


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite.chosen(metafunc)


@pytest.fixture
def small_folder(tmp_path: Path, missing_server: Callable[[str, str], None]) -> Iterator[Path]:
    """A folder on a file system of its own with 8 MiB, which can really become full."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "calotype-test", str(folder)]
    if os.geteuid() != 0:
        missing_server("full file systems", "only root may mount a small one")
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        missing_server("full file systems", f"mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def rbd_cluster(ceph: Ceph, missing_server: Callable[[str, str], None]) -> Ceph:
    """Ceph, with the library that this Python can load."""
    try:
        import calotype.stores.rbd  # noqa: F401
    except ModuleNotFoundError as error:
        missing_server("Ceph", f"{error}: apt-get install python3-rbd")
    return ceph


@pytest.fixture(scope="session")
def rbd_store(rbd_cluster: Ceph) -> "RbdStore":
    """A store in its pool images."""
    return store_in(rbd_cluster)
