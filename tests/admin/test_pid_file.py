"""The pid file: held by the living, whatever the dead have left."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calotype import errors
from calotype.admin import pid_file

BUSY = "another one runs"
#: A pid that no process has: the kernel gives none above 2 ** 22.
NOBODY = 1 << 23


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "glance-scrubber.pid"


def test_it_names_the_process_and_goes_with_it(path: Path) -> None:
    with pid_file.held(path, BUSY):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


def test_one_has_it_at_a_time(path: Path) -> None:
    with pid_file.held(path, BUSY):
        with pytest.raises(errors.Conflict, match=BUSY), pid_file.held(path, BUSY):
            pass
        assert path.read_text() == f"{os.getpid()}\n", "who was refused leaves it alone"
    with pid_file.held(path, BUSY):
        pass


@pytest.mark.parametrize("text", ["", f"{NOBODY}\n", "no number", "1" * 40, "-1", "0", "1\n", "²"])
def test_a_stale_one_does_not_block(path: Path, text: str) -> None:
    """1 is alive, but no scrubber: numbers are used again."""
    path.write_text(text)
    with pid_file.held(path, BUSY):
        assert path.read_text() == f"{os.getpid()}\n"


def test_it_goes_when_the_block_fails(path: Path) -> None:
    with pytest.raises(RuntimeError), pid_file.held(path, BUSY):
        raise RuntimeError()
    assert not path.exists()


def test_a_living_scrubber_that_locks_nothing_counts(path: Path) -> None:
    """So are those that Glance's own tools start."""
    command = [sys.executable, "-c", "print('here', flush=True); input()", "glance-scrubber"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        # The kernel shows the words of a command only a moment after it began.
        assert other.stdout.readline() == b"here\n"
        path.write_text(f"{other.pid}\n")
        with pytest.raises(errors.Conflict, match=BUSY), pid_file.held(path, BUSY):
            pass
        assert path.read_text() == f"{other.pid}\n"
        other.communicate(b"\n")
    with pid_file.held(path, BUSY):
        pass


def test_without_a_place_for_it_there_is_none(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "nowhere" / "glance-scrubber.pid"
    with caplog.at_level(logging.WARNING), pid_file.held(path, BUSY):
        pass
    assert caplog.messages == [f"No pid file can be kept at {path}: No such file or directory"]


def test_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("kept")
    path.symlink_to(target)
    with pid_file.held(path, BUSY):
        pass
    assert target.read_text() == "kept"


def test_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    glance, runtime = tmp_path / "glance", tmp_path / "runtime"
    assert Path("/var/run/glance") == pid_file.FOLDER
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    mine = tmp_path / f"glance-scrubber-{os.getuid()}.pid"
    assert pid_file.standard_path("glance-scrubber", glance) == mine
    runtime.mkdir()
    assert pid_file.standard_path("glance-scrubber", glance) == runtime / "glance-scrubber.pid"
    glance.mkdir()
    assert pid_file.standard_path("glance-scrubber", glance) == glance / "glance-scrubber.pid"
