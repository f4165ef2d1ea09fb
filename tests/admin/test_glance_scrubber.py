"""Scrubbers of Glance are seen among the processes of a machine, as /proc shows them."""

import os
from pathlib import Path

import pytest

from calotype.admin import glance_scrubber

GLANCES = "#!/usr/bin/python3\nfrom glance.cmd.scrubber import main\n"
OURS = "#!/usr/bin/python3\nfrom calotype.admin.main import glance_scrubber\n"


def process(folder: Path, pid: int, *command: str, script: str | None = None) -> None:
    """A process with the files that its root and its working directory hold."""
    here = folder / str(pid)
    here.mkdir()
    (here / "cmdline").write_bytes("".join(f"{word}\0" for word in command).encode())
    for seen_from in ("root/usr/bin", "cwd"):
        (here / seen_from).mkdir(parents=True)
        if script is not None:
            (here / seen_from / "glance-scrubber").write_text(script)


@pytest.mark.parametrize(
    ("command", "script", "is_one"),
    [
        (("/usr/bin/python3", "/usr/bin/glance-scrubber", "-D"), GLANCES, True),
        (("python3", "glance-scrubber"), GLANCES, True),
        (("/usr/bin/glance-scrubber",), None, True),
        (("python3", "-m", "glance.cmd.scrubber"), None, True),
        (("/usr/bin/python3", "/usr/bin/glance-scrubber", "-D"), OURS, False),
        (("python3", "glance-scrubber"), OURS, False),
        (("vim", "/etc/glance/glance-scrubber.conf"), None, False),
        (("python3", "/usr/bin/calotype", "scrub"), None, False),
        ((), None, False),
    ],
    ids=str,
)
def test_who_is_one(
    tmp_path: Path, command: tuple[str, ...], script: str | None, is_one: bool
) -> None:
    process(tmp_path, 7, "/sbin/init")
    process(tmp_path, 4711, *command, script=script)
    (tmp_path / "8").mkdir()  # has just ended
    (tmp_path / "self").mkdir()
    assert list(glance_scrubber.running(tmp_path)) == ([4711] if is_one else [])


def test_we_are_none(tmp_path: Path) -> None:
    process(tmp_path, os.getpid(), "python3", "glance-scrubber", script=GLANCES)
    assert list(glance_scrubber.running(tmp_path)) == []


def test_the_processes_of_this_machine_can_be_read() -> None:
    assert all(pid != os.getpid() for pid in glance_scrubber.running())
