"""The plugin for Tempest: `tempest run`, as an operator calls it, with a real Keystone."""

import re
import shlex
import subprocess
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.backends.glance_beside import glance_beside
from tests.cache.people import start
from tests.cache.site import Node
from tests.clients.test_tempest_docs import PAGE, ROOT, of_the_plugin, said_to_fail
from tests.glance.conftest import glance
from tests.keystone import PASSWORD, Keystone
from tests.servers import HOST
from tests.service import Service, environment
from tools.bench.peers import Peer

__all__ = ["glance"]

#: What a service needs for all of the tests.
LATE = "delayed_delete = true\nscrub_time = 86400\nwakeup_time = 0\n"
CACHING = "keystone+cachemanagement"
#: The seconds that a run may take.
PATIENCE = 600


@dataclass(frozen=True)
class Run:
    """What a run of Tempest has said."""

    said: str

    @property
    def counts(self) -> tuple[int, ...]:
        """How many tests passed, were skipped, and failed."""
        found = dict(re.findall(r" - (\w+): (\d+)", self.said))
        return tuple(int(found[name]) for name in ("Passed", "Skipped", "Failed"))

    @property
    def failed(self) -> list[str]:
        """Which tests failed, e.g. test_restore.RestoreTest.test_restore_a_deleted_image."""
        return sorted(re.findall(r"tests\.([\w.]+)\S* \[\S+\] \.\.\. FAILED", self.said))


class Tempest:
    """The command, with our plugin beside it, in an area and a home of its own."""

    def __init__(self, command: Path, keystone: Keystone, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._area = folder / "workspace"
        self._do("init", self._area, cwd=folder).check_returncode()
        self._config = self._area / "etc" / "tempest.conf"
        self._begun = f"{self._config.read_text()}\n{reached(keystone)}"

    def run(self, region: str, calotype: str) -> Run:
        """`tempest run --regex calotype` in a region, with the lines of the section [calotype]."""
        ours = f"[image]\nregion = {region}\n[calotype]\n{calotype}\ntask_interval = 0\n"
        self._config.write_text(self._begun + ours)
        done = self._do("run", "--regex", "calotype", "--concurrency", "1", cwd=self._area)
        return Run(f"{done.stdout}\n{done.stderr}\nexit status {done.returncode}")

    def _do(self, *words: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
        ours = ROOT / "tempest" / "src"
        env = {"HOME": str(self._folder), "PYTHONPATH": str(ours), "PYTHONWARNINGS": "ignore"}
        return subprocess.run(
            [str(word) for word in (self._command, *words)],
            cwd=cwd,
            env=environment(env) | {"PATH": f"{self._command.parent}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@pytest.fixture(scope="module")
def tempest(
    programs: Path,
    keystone: Keystone,
    missing_server: Callable[[str, str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Tempest:
    """Tempest, with the plugin installed beside it."""
    found = subprocess.run(
        [programs / "python", "-c", "import tempest, calotype_tempest_plugin"],
        check=False,
        capture_output=True,
    )
    if found.returncode:
        missing_server("Tempest with our plugin", "make test installs both among the peers")
    return Tempest(programs / "tempest", keystone, tmp_path_factory.mktemp("tempest"))


@pytest.fixture
def node(keystone: Keystone, tmp_path: Path) -> Iterator[Node]:
    """A service that caches, has a worker and deletes late, in a region of its own."""
    behind = keystone.sections().replace("= keystone\n", f"= {CACHING}\n", 1)
    made = Node(tmp_path / "node", "--workers", "1", default=LATE, extra=behind)
    try:
        start([made])
        keystone.serve_images_at(made.url, "Tempest")
        yield made
    finally:
        made.stop()


@pytest.fixture
def real(glance: Path, keystone: Keystone, mariadb: Any, tmp_path: Path) -> Iterator[Peer]:
    """Real Glance, with all that it has of the features, in a region of its own."""
    name = mariadb.create()
    node = Node(
        tmp_path / "glance",
        default=f"{LATE}image_cache_driver = centralized_db\n",
        extra=keystone.sections(),
        database=mariadb.url(name),
    )
    node.make_tables()
    made = glance_beside(node, CACHING)
    made.ready = "/healthcheck"  # whatever else it has asks for a token
    try:
        made.start()
        keystone.serve_images_at(f"http://{HOST}:{made.port}", "RealGlance")
        yield made
    finally:
        made.stop()
        mariadb.drop(name)


@pytest.fixture
def no_staging(keystone: Keystone, tmp_path: Path) -> Iterator[None]:
    """A service, in a region of its own, that imports nothing but what it fetches itself."""
    methods = "enabled_import_methods = [web-download]\n"
    made = Service(tmp_path / "service", default=methods, extra=keystone.sections())
    with made as service:
        keystone.serve_images_at(service.url, "NoStaging")
        yield


def shown(first: str) -> str:
    """The example on our page that begins with this line."""
    found = re.search(rf"^    {re.escape(first)}\n(?:    .+\n|\n(?=    ))+", PAGE, re.MULTILINE)
    assert found, f"the page shows no example that begins with {first}"
    return textwrap.dedent(found[0])


def reached(keystone: Keystone) -> str:
    """How a cloud is reached, as the page shows it, for this one."""
    here = {"https://cloud.example.org/identity/v3": keystone.url, "= secret": f"= {PASSWORD}"}
    text = shown("[auth]")
    for example, ours in here.items():
        assert example in text
        text = text.replace(example, ours)
    return text


def documented(restore_command: str) -> str:
    """All features on, as the page shows it, with this command."""
    _, _, lines = shown("[calotype]").partition("\n")
    return f"{lines}restore_command = {restore_command}"


def test_all_features(tempest: Tempest, node: Node, tmp_path: Path) -> None:
    scrub = node.command("scrub", "--pid-file", str(tmp_path / "scrubber.pid"), "--restore")
    restore = shlex.join(["env", f"PYTHONPATH={environment()['PYTHONPATH']}", *scrub])
    run = tempest.run("Tempest", documented(restore))
    assert run.counts == (len(of_the_plugin()), 0, 0), run.said
    assert run.said.endswith("exit status 0")


def test_what_the_page_says_fails_with_glance(tempest: Tempest, glance: Path, real: Peer) -> None:
    folder = real.folder
    files = (folder / name for name in ("glance-api.conf", "glance-image-import.conf"))
    given = [word for file in files for word in ("--config-file", str(file))]
    restore = shlex.join([str(glance / "glance-scrubber"), *given, "--restore"])
    run = tempest.run("RealGlance", documented(restore))
    listed = said_to_fail()
    assert run.failed == sorted(listed), run.said
    assert run.counts == (len(of_the_plugin()) - len(listed), 0, len(listed)), run.said


def test_what_a_cloud_lacks_is_skipped(tempest: Tempest, no_staging: None) -> None:
    run = tempest.run("NoStaging", "image_tasks = true\ndeclared_size = true")
    # Three classes that nobody has switched on, and three tests that import or stage.
    assert run.counts == (6, 6, 0), run.said
    for reason in ("calculate_hash is not set", "restore_command is not set", "['web-download']"):
        assert reason in run.said


def test_nothing_runs_unasked(tempest: Tempest) -> None:
    assert tempest.run("Nowhere", "").counts == (0, 5, 0)
