"""The pages of the client's commands, made from the commands themselves."""

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from calotype_client.cli import dispatch
from calotype_client.cli.command import ListVerb, ShowVerb, Verb
from calotype_client.cli.verbs import COMMANDS

#: Where the service has a command of the same name.
BESIDE = """\
Where no service is installed, `calotype {name}` is enough. Where one is, that is about the
cache of this machine: see [beside the service](../README.md#beside-the-service)."""


def commands() -> str:
    """Every command of the client."""
    lines = [
        "# Commands",
        "",
        "Made by `make docs` from the commands themselves; `calotype image create --help` shows",
        "the same. All take the options of the cloud (`--os-cloud`, …), and what shows something",
        "takes those of output: see [all commands](../README.md#all-commands). IMAGE is a name or",
        "an id; where several images have the name, the command says so and does nothing.",
        "",
        "| command | what it does |",
        "|---|---|",
    ]
    for name, command in COMMANDS.items():
        lines.append(f"| [`{typed(name)}`]({_page(name)}) | {_promise(command)[0]} |")
    return "\n".join(lines) + "\n"


def command_page(name: str) -> str:
    """One command of the client, with all it takes."""
    command = COMMANDS[name]
    parser = argparse.ArgumentParser(add_help=False)
    object.__new__(command).add_arguments(parser)
    plain = [it for it in parser._actions if not it.option_strings]
    named = [it for it in parser._actions if it.option_strings]
    lines = [f"# calotype {name}", "", *_promise(command), ""]
    lines += [f"    {' '.join([typed(name), *_usage(parser, plain, named)])}", ""]
    if typed(name) != f"calotype {name}":
        lines += [BESIDE.format(name=name), ""]
    if plain or named:
        lines += ["| argument | meaning |", "|---|---|"]
        lines += [f"| `{_words(it)}` | {it.help or ''} |" for it in (*plain, *named)]
        lines.append("")
    if issubclass(command, ListVerb | ShowVerb):
        lines += ["Takes the [options of output](../README.md#all-commands).", ""]
    if command.example:
        lines += ["For example:", "", f"    {command.example}", ""]
    return "\n".join(lines)


def typed(name: str) -> str:
    """What is typed for a command, on any machine."""
    ours = dispatch.takes(name.split())
    return f"calotype {name}" if ours else f"calotype client {name}"


def _usage(
    parser: argparse.ArgumentParser,
    plain: Sequence[argparse.Action],
    named: Sequence[argparse.Action],
) -> list[str]:
    """What comes after the command; of options, only those of which one must be given by name."""
    groups = [it._group_actions for it in parser._mutually_exclusive_groups if it.required]
    needed = [f"({' | '.join(_words(it) for it in group)})" for group in groups]
    free = [it for it in named if not any(it in group for group in groups)]
    return [*(_words(it) for it in plain), *needed, *(["[OPTIONS]"] if free else [])]


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
