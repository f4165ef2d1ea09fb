"""The plugin for Tempest: `tempest run`, as an operator calls it, with a real Keystone."""

import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cache.people import start
from tests.cache.site import Node
from tests.keystone import ADMIN, PASSWORD, REGION, Keystone
from tests.service import environment

CONFIG = """\
[DEFAULT]
log_file = {folder}/tempest.log
[oslo_concurrency]
lock_path = {folder}/locks
[auth]
use_dynamic_credentials = true
admin_username = {admin.name}
admin_password = {password}
admin_project_name = {admin.project}
admin_domain_name = Default
create_isolated_networks = false
[identity]
uri_v3 = {keystone.url}
region = {region}
[service_available]
glance = true
nova = false
cinder = false
neutron = false
swift = false
[image]
region = {region}
image_caching_enabled = true
[calotype]
{features}
"""
#: The seconds that a run may take.
PATIENCE = 600


@pytest.fixture(scope="module")
def tempest(programs: Path, missing_server: Callable[[str, str], None]) -> Path:
    """The command, with the plugin installed beside it."""
    found = subprocess.run(
        [programs / "python", "-c", "import tempest, calotype_tempest_plugin"],
        check=False,
        capture_output=True,
    )
    if found.returncode:
        missing_server("Tempest with our plugin", "make test installs both among the peers")
    return programs / "tempest"


@pytest.fixture(scope="module")
def node(keystone: Keystone, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A service that caches, has a worker and deletes late, in a region of its own."""
    folder = tmp_path_factory.mktemp("behind-tempest")
    behind = keystone.sections().replace("= keystone\n", "= keystone+cachemanagement\n", 1)
    late = "delayed_delete = true\nscrub_time = 86400\nwakeup_time = 0\n"
    made = Node(folder / "node", "--workers", "1", default=late, extra=behind)
    try:
        start([made])
        yield made
    finally:
        made.stop()


def run(tempest: Path, keystone: Keystone, folder: Path, region: str, features: str) -> str:
    """What `tempest run --regex calotype` says about the image service of a region."""
    config = folder / "tempest.conf"
    values = {"folder": folder, "keystone": keystone, "admin": ADMIN, "password": PASSWORD}
    config.write_text(CONFIG.format(region=region, features=features, **values))
    # An area to work in, and a home, of its own: Tempest remembers these of its user.
    done = subprocess.run(
        [tempest, "run", "--regex", "calotype", "--concurrency", "1", "--config-file", config],
        cwd=_workspace(tempest, folder),
        env=environment({"HOME": str(folder), "PYTHONPATH": "", "PYTHONWARNINGS": "ignore"})
        | {"PATH": f"{tempest.parent}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return f"{done.stdout}\n{done.stderr}\nexit status {done.returncode}"


def _workspace(tempest: Path, folder: Path) -> Path:
    made = folder / "workspace"
    subprocess.run(
        [tempest, "init", made],
        env=environment({"HOME": str(folder), "PYTHONPATH": "", "PYTHONWARNINGS": "ignore"}),
        capture_output=True,
        timeout=PATIENCE,
        check=True,
    )
    return made


def counts(said: str) -> dict[str, int]:
    """The totals that a run ends with, e.g. {"Passed": 20, "Skipped": 0, "Failed": 0}."""
    return {name: int(number) for name, number in re.findall(r" - (\w+): (\d+)", said)}


def test_all_features(tempest: Path, keystone: Keystone, node: Node, tmp_path: Path) -> None:
    keystone.serve_images_at(node.url, "Tempest")
    scrub = node.command("scrub", "--pid-file", str(tmp_path / "scrubber.pid"), "--restore")
    restore = shlex.join(["env", f"PYTHONPATH={environment()['PYTHONPATH']}", *scrub])
    features = f"cache_nodes = true\ntask_interval = 0\nrestore_command = {restore}"
    said = run(tempest, keystone, tmp_path, "Tempest", features)
    found = counts(said)
    assert (found["Failed"], found["Skipped"]) == (0, 0), said
    assert found["Passed"] == 19, said
    assert said.endswith("exit status 0")


def test_what_is_switched_off_is_skipped(tempest: Path, keystone: Keystone, tmp_path: Path) -> None:
    names = ("calculate_hash", "image_tasks", "declared_size")
    features = "\n".join(f"{name} = false" for name in names)
    found = counts(run(tempest, keystone, tmp_path, REGION, features))
    assert (found["Passed"], found["Failed"], found["Skipped"]) == (0, 0, 5)
