"""calotype policy: print the rules with their defaults, check a file of an operator."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from calotype import errors

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: "Commands") -> None:
    """Add `policy` with its verbs; each sets `run`, which returns the exit status."""
    parser = commands.add_parser("policy", help="who may do what: print or check policy rules")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)

    sample = verbs.add_parser("sample", help="print a policy file with all rules, commented out")
    sample.add_argument("--output", type=Path, metavar="FILE", help="write to FILE instead")
    sample.set_defaults(run=run_sample)

    check = verbs.add_parser("check", help="say what is wrong in a policy file")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=run_check)


def run_sample(args: argparse.Namespace) -> int:
    """Print the sample file, or write it where --output says. Exit status 1 when it cannot."""
    from calotype.policy.sample import sample

    if args.output is None:
        print(sample(), end="")
        return 0
    try:
        args.output.write_text(sample(), encoding="utf-8")
    except OSError as error:
        print(f"{args.output}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Print every problem of a policy file. Exit status 1 when there is one."""
    from calotype.policy import files, review

    try:
        rules = files.read(args.file)
    except errors.BadSettings as error:
        print(error.message, file=sys.stderr)
        return 1
    problems = review.problems(rules)
    for problem in problems:
        print(f"{args.file}: {problem}", file=sys.stderr)
    if not problems:
        print(f"{args.file}: {len(rules)} rules, no problems")
    return 1 if problems else 0
