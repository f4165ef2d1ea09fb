"""Tests that share what is dear stay together, and the long ones begin first."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import groups

ROOT = Path(__file__).parent.parent

SERVERS = """\
import pytest
@pytest.fixture(scope="session")
def ceph(): ...
@pytest.fixture
def cinder(ceph): ...
@pytest.fixture
def swift(): ...
"""
QUICK = """\
import pytest
def test_plain(): ...
@pytest.mark.xdist_group("swift")
def test_that_says_so(): ...
class TestMore:
    @pytest.mark.parametrize("number", [1, 2])
    def test_in_a_class(self, number): ...
"""
DEAR = """\
def test_swift(swift): ...
def test_cinder(cinder): ...
def test_ceph(ceph): ...
def test_both(swift, ceph): ...
def test_plain_too(): ...
"""
#: The groups of these, the one that begins first first.
TOGETHER = (
    ("test_ceph", "test_cinder", "test_both"),
    ("test_swift", "test_that_says_so"),
    ("test_plain", "test_in_a_class"),
    ("test_plain_too",),
)


def run(folder: Path, *arguments: str) -> str:
    """What pytest says about a folder of tests that is handled as ours is."""
    (folder / "conftest.py").write_text(f"from tests.conftest import *\n{SERVERS}")
    (folder / "test_a_quick.py").write_text(QUICK)
    (folder / "test_b_dear.py").write_text(DEAR)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-c", "/dev/null", "--rootdir", folder, "-v", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_tests_go_to_workers_by_group(tmp_path: Path) -> None:
    output = run(tmp_path, "-n", "2", "--dist", "loadgroup", "--no-loadscope-reorder")
    found = re.findall(r"^\[(gw\d)\].* PASSED .*::(\w+)", output, re.MULTILINE)
    workers: dict[str, set[str]] = {}
    for worker, test in found:
        workers.setdefault(test, set()).add(worker)
    for group in TOGETHER:
        used = [workers[test] for test in group]
        assert len(used[0]) == 1 and used == [used[0]] * len(used), (group, found)
    # The order of beginning: each worker goes through its groups in it.
    place = {test: rank for rank, group in enumerate(TOGETHER) for test in group}
    for worker in ("gw0", "gw1"):
        ranks = [place[test] for by, test in found if by == worker]
        assert ranks and ranks == sorted(ranks), found


def test_by_hand_nothing_changes(tmp_path: Path) -> None:
    order = re.findall(r"::(test_\w+)", run(tmp_path))
    assert order[:4] == ["test_plain", "test_that_says_so", "test_in_a_class", "test_in_a_class"]
    assert order[-1] == "test_plain_too"


def test_the_first_are_there() -> None:
    """What is renamed must not fall silently to the end."""
    servers = set(groups.OF_FIXTURE.values())
    for name in groups.FIRST:
        assert name in servers or (ROOT / name).exists(), name


@pytest.mark.parametrize("fixture", sorted(groups.OF_FIXTURE))
def test_each_server_has_a_place(fixture: str) -> None:
    assert groups.OF_FIXTURE[fixture] in groups.FIRST
