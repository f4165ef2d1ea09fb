"""The pages of the client's commands, made from the commands themselves."""

import argparse
import inspect
from collections.abc import Callable, Mapping
from functools import partial

from calotype_client.cli.command import ListVerb, ShowVerb, Verb
from calotype_client.cli.verbs import COMMANDS


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
    "client/commands/README.md": commands,
    **{f"client/commands/{_page(name)}": partial(command_page, name) for name in COMMANDS},
}
