"""`make docs`: the pages of docs/ that are made from the code. A test holds them against it."""

import argparse
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from calotype.admin import config
from calotype.api.operation import Operation
from calotype.api.operations import OPERATIONS
from calotype.model.image import MAY_FOLLOW, Status
from calotype_client.cli.command import ListVerb, ShowVerb, Verb
from calotype_client.cli.verbs import COMMANDS

DOCS = Path(__file__).parents[1] / "docs"


def statuses() -> str:
    """The statuses of an image and which may follow which."""
    lines = [
        "# The statuses of an image",
        "",
        "Made by `make docs` from `model/image.py`. `x`: the status on top may follow the one on",
        "the left.",
        "",
        "| from \\ to | " + " | ".join(Status) + " |",
        "|---|" + "---|" * len(Status),
    ]
    for status in Status:
        marks = ("x" if other in MAY_FOLLOW[status] else "" for other in Status)
        lines.append(f"| **{status}** | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """Every call of the API, with what it takes and answers."""
    lines = [
        "# Every call",
        "",
        "Made by `make docs` from `api/operations.py`; the service publishes the same, with the",
        "schemas of all bodies, at `/v2/openapi.json`. Errors are JSON: message, code, title.",
        "",
    ]
    for (method, path), operation in OPERATIONS.items():
        lines += _call(method, path, operation)
    return "\n".join(lines)


def _call(method: str, path: str, operation: Operation) -> list[str]:
    lines = [f"## {method} {path}", "", operation.summary, ""]
    named = [one for one in operation.parameters if one.where != "path"]
    if named:
        lines += ["| parameter | in | meaning |", "|---|---|---|"]
        lines += [f"| `{one.name}` | {one.where} | {one.description} |" for one in named]
        lines.append("")
    lines += [f"- {status}: {one.description}" for status, one in operation.answers.items()]
    if operation.refusals:
        lines.append(f"- refused with {', '.join(str(status) for status in operation.refusals)}")
    return [*lines, ""]


def commands() -> str:
    """Every command of the client."""
    lines = [
        "# Commands",
        "",
        "Made by `make docs` from the commands themselves. Options of the cloud (`--os-cloud`, …)",
        "stand anywhere; what shows something takes the options of output, too: see",
        "[all commands](../README.md#all-commands).",
        "",
        "| command | what it does |",
        "|---|---|",
    ]
    for name, command in COMMANDS.items():
        lines.append(f"| [`calotype {name}`]({_page(name)}) | {_promise(command)[0]} |")
    return "\n".join(lines) + "\n"


def command_page(name: str) -> str:
    """One command of the client, with all it takes."""
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(add_help=False)
    object.__new__(command).add_arguments(parser)
    plain = [it for it in parser._actions if not it.option_strings]
    named = [it for it in parser._actions if it.option_strings]
    words = [f"calotype {name}", *(_words(it) for it in plain), *(["[OPTIONS]"] if named else [])]
    lines = [f"# calotype {name}", "", *_promise(command), "", f"    {' '.join(words)}", ""]
    if plain or named:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{_words(it)}` | {it.help or ''} |" for it in (*plain, *named)]
        lines.append("")
    if issubclass(command, ListVerb | ShowVerb):
        lines += ["Takes the [options of output](../README.md#all-commands).", ""]
    if command.example:
        lines += ["For example:", "", f"    {command.example}", ""]
    return "\n".join(lines)


def _promise(command: type[Verb]) -> list[str]:
    """What a command does: a line, and what there is to know."""
    return (inspect.getdoc(command) or "").splitlines()


def _words(action: argparse.Action) -> str:
    """An argument as it is typed."""
    if not action.option_strings:
        return f"{action.metavar}…" if action.nargs == "+" else str(action.metavar)
    if action.nargs == 0:
        return action.option_strings[0]
    value = action.metavar or "\\|".join(action.choices or [action.dest.upper()])
    return f"{action.option_strings[0]} {value}"


def _page(name: str) -> str:
    return name.replace(" ", "-") + ".md"


#: Page -> what makes it.
PAGES: Mapping[str, Callable[[], str]] = {
    "operate/settings.md": config.reference,
    "api/reference.md": reference,
    "api/statuses.md": statuses,
    "client/commands/README.md": commands,
    **{f"client/commands/{_page(name)}": partial(command_page, name) for name in COMMANDS},
}


def main() -> int:
    """Write all pages."""
    for name, make in PAGES.items():
        (DOCS / name).parent.mkdir(parents=True, exist_ok=True)
        (DOCS / name).write_text(make())
        print(f"docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
