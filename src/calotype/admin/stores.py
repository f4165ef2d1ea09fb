"""`calotype stores`: which stores there are, and whether they work."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from calotype.admin import logs
from calotype.admin.trial import STEPS, Outcome, Trial
from calotype.parts import make_stores
from calotype.settings.store_options import STORE_OPTIONS
from calotype.settings.tree import Settings
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.store import powers

#: The exit codes of `check`.
WELL, FAILED, UNKNOWN = 0, 1, 2
#: A shorter value is no secret, and would be found in many a word.
_SHORTEST_SECRET = 4

#: The heads of the tables.
LISTED = ("STORE", "TYPE", "DEFAULT", "WEIGHT", "POWERS")
CHECKED = ("STORE", "TYPE", *(f"{step.upper()} ms" for step in STEPS), "RESULT")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `stores` to the command line."""
    command = commands.add_parser(
        "stores",
        help="list the stores and try them out",
        description="List the configured stores and try them out. Needs no database.",
        epilog="example: calotype stores list",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = verbs.add_parser(
        "list",
        help="print the stores and what they can do",
        description="Print the configured stores and what they can do. Asks no backend.",
        epilog="example: calotype stores list --format json",
    )
    listing.set_defaults(run=run_list)
    check = verbs.add_parser(
        "check",
        help="write, read and delete a small object in each store",
        description=(
            "Write 1 MiB to each store, read it, read a part of it and delete it; print how long "
            "each step took. A store for reading only is just asked whether it is usable. Ends "
            "with status 1 if any of it fails, 2 if there is no store of a name."
        ),
        epilog="example: calotype stores check && calotype stores check --format json",
    )
    check.add_argument("stores", nargs="*", metavar="STORE", help="the ids of stores; else all")
    check.set_defaults(run=run_check)
    for verb in (listing, check):
        verb.add_argument(
            "--format", choices=("table", "json"), default="table", help="default: %(default)s"
        )


def run_list(args: argparse.Namespace) -> int:
    """Print the stores."""
    catalog = _catalog(args.settings)
    shown = [
        {
            "store": entry.id,
            "type": entry.store.traits.type,
            "default": entry.id == catalog.default,
            "weight": entry.weight,
            "read_only": not entry.store.traits.writable,
            "powers": powers(entry.store),
        }
        for entry in catalog.entries()
    ]
    _print(args.format, shown, LISTED, _listed)
    return 0


def run_check(args: argparse.Namespace) -> int:
    """Try stores, one after the other; one that fails does not keep the others from their turn."""
    catalog, settings = _catalog(args.settings), args.settings
    unknown = [name for name in args.stores if name not in catalog.names()]
    if unknown:
        known = ", ".join(catalog.names())
        print(f"ERROR: no store {', '.join(unknown)}; the stores are {known}", file=sys.stderr)
        return UNKNOWN
    wanted = dict.fromkeys(args.stores or catalog.names())
    shown = [_tried(catalog.entry(store_id), settings) for store_id in wanted]
    _print(args.format, shown, CHECKED, _checked)
    return WELL if all(one["result"] == "ok" for one in shown) else FAILED


def _catalog(settings: Settings) -> Catalog:
    logs.setup(settings)
    return make_stores(settings)


def _tried(entry: Entry, settings: Settings) -> dict[str, Any]:
    outcome: Outcome = Trial(entry.store).run()
    trouble = outcome.trouble
    return {
        "store": entry.id,
        "type": entry.store.traits.type,
        "milliseconds": {step: round(1000 * took, 1) for step, took in outcome.seconds.items()},
        "result": "ok" if trouble is None else "failed",
        "reason": None if trouble is None else without_secrets(trouble, entry.id, settings),
    }


def without_secrets(text: str, store_id: str, settings: Settings) -> str:
    """A text of a driver, in which no value of a secret option may be seen."""
    for backend in settings.stores.backends:
        if backend.id != store_id:
            continue
        for option in STORE_OPTIONS[backend.type]:
            value = backend.options.get(option.dest)
            if option.secret and isinstance(value, str) and len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, "***")
    return text


# -- how it is printed ---------------------------------------------------------------------------


def _print(
    how: str,
    shown: Sequence[Mapping[str, Any]],
    head: Sequence[str],
    row: Callable[[Mapping[str, Any]], Sequence[str]],
) -> None:
    print(json.dumps(shown, indent=2) if how == "json" else table(head, map(row, shown)))


def _listed(one: Mapping[str, Any]) -> Sequence[str]:
    default = "yes" if one["default"] else "-"
    can = [*(["read only"] if one["read_only"] else []), *one["powers"]]
    return one["store"], one["type"], default, str(one["weight"]), ", ".join(can) or "-"


def _checked(one: Mapping[str, Any]) -> Sequence[str]:
    took = one["milliseconds"]
    times = [f"{took[step]:.1f}" if step in took else "-" for step in STEPS]
    return one["store"], one["type"], *times, one["reason"] or one["result"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under their heads, in columns."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = (map(str.ljust, line, widths) for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
