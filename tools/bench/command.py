"""The command line of the bench."""

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.bench import page, peers, report
from tools.bench.catalog import MEASUREMENTS
from tools.bench.plan import QUICK, Plan
from tools.bench.run import DATABASES, Result, run

PAGE = peers.ROOT / "docs" / "performance.md"
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; the exit code says whether Calotype did all that was asked."""
    options = _parser().parse_args(arguments)
    # Ending us must end the servers, too, and remove what they wrote.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    plan, about = _plan(options), {"machine": report.machine(), "versions": peers.versions()}
    results: list[Result] = []
    folder = Path(tempfile.mkdtemp(prefix="calotype-bench-"))
    try:
        for result in run(
            plan,
            folder,
            databases=options.database or DATABASES,
            wanted=options.only or (),
            alone=options.alone,
        ):
            results.append(result)
    finally:
        shutil.rmtree(folder)
    _print(results, plan)
    if options.json:
        found = report.as_json(results, plan, about)
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.write_docs:
        page.write(PAGE, results, plan, about)
    failed = any(name in it.failures for it in results for name in it.measurement.ours)
    return 1 if failed or not results else 0


def _print(results: Sequence[Result], plan: Plan) -> None:
    print(report.terminal(report.lines(results, plan)))
    shares = [share for *_, share in report.clients(results)]
    if shares:
        print(f"\nThe client used {max(shares):.0%} of one core at most.")
    for line in report.failures(results):
        print(f"FAILED: {line}")
    if plan.quick:
        print("A quick run: the sizes are too small to judge the targets by.")


def _plan(options: argparse.Namespace) -> Plan:
    plan = QUICK if options.quick else Plan()
    if options.rounds:
        plan = plan.with_rounds(options.rounds)
    if options.size:
        plan = replace(plan, size=options.size)
    if options.images:
        plan = replace(plan, images=options.images, page=min(plan.page, options.images))
    return plan


def _size(text: str) -> int:
    number, unit = (text[:-1], text[-1]) if text[-1:].isalpha() else (text, "")
    try:
        return int(number) * (UNITS[unit.upper()] if unit else 1)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write e.g. 64M or 2G") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.bench",
        description="Measure Calotype beside real Glance, nginx and a bare socket loop.",
        epilog="Large files go to TMPDIR: four images at once, and a copy for each server.",
    )
    names = [it.name for it in MEASUREMENTS]
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: does it run?")
    parser.add_argument("--rounds", type=int, help="rounds of every measurement")
    parser.add_argument("--size", type=_size, help="size of the images, e.g. 2G (the default)")
    parser.add_argument("--images", type=int, help="images in the list (10000)")
    parser.add_argument(
        "--only", action="append", choices=names, metavar="NAME", help=f"one of {', '.join(names)}"
    )
    parser.add_argument("--database", action="append", choices=DATABASES, help="only with this one")
    parser.add_argument("--alone", action="store_true", help="Calotype without anybody beside it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--write-docs", action="store_true", help=f"write them into {PAGE.name}")
    return parser
