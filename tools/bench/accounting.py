"""What a server and all its children cost: CPU seconds and memory, read from /proc."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

TICK = os.sysconf("SC_CLK_TCK")
MIB = 1 << 20


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields:
                children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for process in found:
        found.extend(children.get(process, []))
    return found


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a tree of processes has used, those of ended children included."""
    ticks = 0
    for process in tree(pid):
        fields = _stat(process)
        if fields:
            ticks += sum(int(value) for value in fields[11:15])
    return ticks / TICK


def memory(pid: int) -> float:
    """MiB of a tree of processes; what several share is counted once (PSS)."""
    total = 0
    for process in tree(pid):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total * 1024 / MIB


class PeakMemory:
    """Looks at the memory of a tree of processes ten times a second while it is entered."""

    def __init__(self, pid: int, interval: float = 0.1) -> None:
        self.peak = 0.0
        self._pid = pid
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, memory(self._pid))
            if self._stop.wait(self._interval):
                return


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none when the process has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    # The name before it, in parentheses, may hold anything.
    return text.rpartition(")")[2].split()
