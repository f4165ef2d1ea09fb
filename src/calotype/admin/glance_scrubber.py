"""Whether a scrubber of Glance runs on this machine: it knows neither our leases nor pid files."""

import os
from collections.abc import Iterator
from pathlib import Path

NAMES = ("glance-scrubber", "glance.cmd.scrubber")
PROCESSES = Path("/proc")


def running(processes: Path = PROCESSES) -> Iterator[int]:
    """The pids of Glance's scrubbers; one that cannot be told from ours counts as Glance's."""
    for process in processes.glob("[0-9]*"):
        if int(process.name) != os.getpid() and _is_glances(process):
            yield int(process.name)


def _is_glances(process: Path) -> bool:
    try:
        command = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has ended
        return False
    # The name is that of the program, or of the script or module that an interpreter runs.
    for argument in command[:3]:
        if os.path.basename(argument) in NAMES:
            return not _is_ours(process, argument)
    return False


def _is_ours(process: Path, script: str) -> bool:
    """Whether the script, as that process sees the files, is the one that we install."""
    seen_from = process / ("root" if script.startswith("/") else "cwd")
    try:
        return b"calotype" in (seen_from / script.lstrip("/")).read_bytes()
    except OSError:
        return False
