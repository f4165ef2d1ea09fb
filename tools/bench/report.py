"""What came out, as a table for a terminal, as one for the documentation, and as JSON."""

import os
import re
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tools.bench.measurements import Sample
from tools.bench.plan import FIGURES, Figure, Goal, Plan
from tools.bench.run import Result

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
HEADINGS = ("measurement", "unit", "Calotype", "beside", "its", "ratio", "target", "")
#: How the servers are called in the table; ours by what is special about them.
VARIANTS = {
    "calotype": "",
    "calotype-no-md5": ", md5 off",
    "calotype-sha256": ", sha256, md5 off",
    "calotype-cache": "",
    "calotype-client": "",
    **{f"calotype-{kind}": "" for kind in ("rbd", "s3", "swift", "cinder")},
}


@dataclass(frozen=True)
class Line:
    """One line of the table: one figure of ours beside one peer. `met` None: no target."""

    database: str
    title: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None

    def cells(self) -> tuple[str, ...]:
        """The texts of the line."""
        return (
            self.title,
            self.unit,
            number(self.ours),
            self.peer,
            "" if self.theirs is None else number(self.theirs),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self.target,
            "" if self.met is None else "met" if self.met else "MISSED",
        )


def lines(results: Iterable[Result], plan: Plan) -> list[Line]:
    """All lines, in the order of the results."""
    found = []
    for result in results:
        for figure in FIGURES[result.measurement.name]:
            for ours in result.measurement.ours:
                found += _lines(result, figure, ours, plan)
    return found


def _lines(result: Result, figure: Figure, ours: str, plan: Plan) -> list[Line]:
    value = median(result.samples.get(ours, ()), figure.key)
    if value is None:
        return []
    title = ", ".join(filter(None, [_title(result, plan) + VARIANTS[ours], figure.title]))
    start = Line(result.database, title, figure.unit, value)
    if figure.limit is not None:
        start = Line(
            result.database,
            title,
            figure.unit,
            value,
            target=f"≤ {figure.limit:g} {figure.unit}",
            met=value <= figure.limit,
        )
    beside = [
        line
        for goal in figure.goals
        if (
            line := _beside(
                start,
                result,
                figure,
                goal if ours == result.measurement.ours[0] else Goal(goal.peer),
            )
        )
    ]
    return beside or [start]


def _beside(start: Line, result: Result, figure: Figure, goal: Goal) -> Line | None:
    theirs = median(result.samples.get(goal.peer, ()), figure.key)
    if theirs is None:
        return None
    mine = start.ours
    times_better = figure.more_is_better == (goal.at_most is None)
    ratio = _divide(mine, theirs) if times_better or goal.at_most else _divide(theirs, mine)
    target, met = start.target, start.met
    if goal.at_least is not None:
        target, met = f"≥ {goal.at_least:g} ×", ratio >= goal.at_least
    elif goal.at_most is not None:
        target, met = f"≤ {goal.at_most:g} ×", ratio <= goal.at_most
    return Line(
        start.database, start.title, start.unit, mine, goal.peer, theirs, ratio, target, met
    )


def _divide(one: float, other: float) -> float:
    return one / other if other else float("inf")


def _title(result: Result, plan: Plan) -> str:
    texts = {
        "size": _size(plan.size),
        "volume_size": _size(plan.volume_size),
        "small_size": _size(plan.small_size),
        "page": f"{plan.page:,}",
        "small_page": str(plan.small_page),
        "images": f"{plan.images:,}",
    }
    return result.measurement.title.format_map(texts)


def _size(size: int) -> str:
    return f"{size >> 20} MiB" if size % (1 << 30) else f"{size >> 30} GiB"


def median(samples: Sequence[Sample], key: str) -> float | None:
    """The median of a figure; None without samples."""
    values = [sample[key] for sample in samples if key in sample]
    return statistics.median(values) if values else None


def number(value: float) -> str:
    """A number with about three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def terminal(found: Sequence[Line]) -> str:
    """The table for people, a block for each database."""
    rows = [HEADINGS, *(line.cells() for line in found)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    blocks = []
    for database in dict.fromkeys(line.database for line in found):
        chosen = [HEADINGS, *(line.cells() for line in found if line.database == database)]
        texts = ["  ".join(_pad(row, widths)).rstrip() for row in chosen]
        blocks.append("\n".join([f"with {database}", *texts]))
    return "\n\n".join(blocks)


def _pad(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    numeric = {2, 4, 5}
    return [
        cell.rjust(width) if place in numeric else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def clients(results: Iterable[Result]) -> list[tuple[str, str, str, float]]:
    """How much of one core the client used: (database, measurement, server, share)."""
    return [
        (result.database, result.measurement.name, peer, share)
        for result in results
        for peer, samples in result.samples.items()
        if (share := median(samples, "client")) is not None
    ]


def failures(results: Iterable[Result]) -> list[str]:
    """What failed, one line for each server and measurement."""
    return [
        f"{result.database}, {result.measurement.name}, {peer}: failed {len(texts)} times, "
        f"first with: {texts[0].strip().splitlines()[-1][-200:]}"
        for result in results
        for peer, texts in result.failures.items()
    ]


def machine() -> dict[str, str]:
    """What the run is done on; to be asked before it, for the load of others."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.+)$", cpuinfo, re.MULTILINE)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    return {
        "cores": str(os.cpu_count()),
        "CPU": model[1] if model else os.uname().machine,
        "memory": f"{memory} GiB",
        "kernel": f"{os.uname().sysname} {os.uname().release}",
        "load before the run": f"{os.getloadavg()[0]:.1f}",
        "date": time.strftime("%Y-%m-%d"),
    }


def as_json(results: Sequence[Result], plan: Plan, about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything, every sample included."""
    return {
        **about,
        "plan": asdict(plan),
        "lines": [asdict(line) for line in lines(results, plan)],
        "samples": [
            {"database": it.database, "measurement": it.measurement.name, "samples": it.samples}
            for it in results
        ],
        "failures": failures(results),
    }
