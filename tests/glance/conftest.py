"""Real Glance, from the environment in which `make bench` measures it."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service import environment
from tools.bench import peers

Manage = Callable[..., subprocess.CompletedProcess[str]]

#: Glance's environment has no driver for PostgreSQL.
ENGINES = ("sqlite", "mariadb")


@pytest.fixture(params=ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    """Each engine that Glance works with, in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def glance(missing_server: Callable[[str, str], None]) -> Path:
    """The folder of its commands."""
    folder = peers.GLANCE / "bin"
    if not (folder / "glance-manage").exists():
        missing_server("Glance", "it is not installed: make .bench/.ready installs it")
    return folder


@pytest.fixture
def manage(glance: Path, fresh_url: str, tmp_path: Path) -> Manage:
    """`manage("sync")`: run `glance-manage db sync` on the fresh database."""
    config = tmp_path / "glance-manage.conf"
    config.write_text(f"[database]\nconnection = {fresh_url}\n")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(glance / "glance-manage"), "--config-file", str(config), "db", *words]
        return subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=120, check=False
        )

    return run
