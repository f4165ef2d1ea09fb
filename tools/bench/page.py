"""The generated part of docs/performance.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.bench import report
from tools.bench.plan import Plan
from tools.bench.report import BEGIN, END, HEADINGS, Line
from tools.bench.run import Result

#: The machine and the versions: names and values.
About = Mapping[str, Mapping[str, str]]


def write(path: Path, results: Sequence[Result], plan: Plan, about: About) -> None:
    """Put the results between the marks of the page; the rest of it stays as it is."""
    text = path.read_text()
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise SystemExit(f"{path} has no place for the results: {BEGIN} … {END}")
    path.write_text(f"{before}{BEGIN}\n{generated(results, plan, about)}\n{END}{after}")


def generated(results: Sequence[Result], plan: Plan, about: About) -> str:
    """The results as Markdown."""
    lines = report.lines(results, plan)
    listed = [(what.capitalize(), named) for what, named in about.items()]
    parts = [
        *(f"{what}: {', '.join(f'{k} {v}' for k, v in named.items())}." for what, named in listed),
        f"Medians of {plan.rounds} rounds, of {plan.transfer_rounds} where images move or servers "
        "start; the servers take turns.",
    ]
    if plan.quick:
        parts.append("**A quick run: the sizes are too small to judge the targets by.**")
    for database in dict.fromkeys(line.database for line in lines):
        chosen = [line for line in lines if line.database == database]
        parts += [f"### With {database}", _table(HEADINGS, [_marked(line) for line in chosen])]
    parts += ["### What the client used", _clients(results)]
    failed = report.failures(results)
    if failed:
        parts += ["### What failed", "\n".join(f"- {line}" for line in failed)]
    return "\n\n".join(parts)


def _marked(line: Line) -> tuple[str, ...]:
    *cells, verdict = line.cells()
    return (*cells, f"**{verdict}**" if line.met is False else verdict)


def _clients(results: Sequence[Result]) -> str:
    rows = [
        (database, measurement, peer, f"{share:.0%}")
        for database, measurement, peer, share in report.clients(results)
    ]
    return "Of one core, in the time of the measurement.\n\n" + _table(
        ("database", "measurement", "server", "client"), rows
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    texts = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in texts)
