"""`calotype`: whose command is it, the client's or the service's?

Both distributions install a script of that name, and whichever was installed last is the one there
is. So both do the same: what the client knows goes to the client, all else to the service.
"""

import gc
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

from calotype_client.cli.ending import orderly

#: What the client's commands begin with. Where a service is installed, `cache` is that of its node,
#: but for the verbs that it does not have; `calotype client cache` is always over the API.
NOUNS = ("client", "complete", "image", "store", "task")
CACHE_VERBS = ("nodes", "delete")

#: Options that come before commands and take a value, beside all that begin with `--os-`.
WITH_VALUES = ("--config-file", "--config-dir", "--log-file", "--timeout")


def takes(words: Sequence[str]) -> bool:
    """Whether a command line is for the client, where the service is there as well."""
    plain = _plain(words)
    if plain[:1] == ["cache"]:
        return plain[1:2] != [] and plain[1] in CACHE_VERBS
    return plain[:1] != [] and plain[0] in NOUNS


def _plain(words: Sequence[str]) -> list[str]:
    """The words that are no options."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if not word.startswith("-") and not _is_value(before)
    ]


def _is_value(option: str) -> bool:
    """Whether the word after an option belongs to it."""
    named = option.startswith("--os-") and "=" not in option
    return named or option in WITH_VALUES


def run(words: Sequence[str]) -> int:
    """Run a command of the client; the exit code."""
    rest = list(words)
    if _plain(rest)[:1] == ["client"]:
        rest.remove("client")
    return orderly(lambda: _load()(rest))


def _load() -> Callable[[Sequence[str]], int]:
    """It takes half a second, in which one can be interrupted already."""
    gc.disable()  # what is loaded stays: looking for waste in it is a tenth of the time
    from calotype_client.cli.app import main

    gc.freeze()
    gc.enable()
    return main


def main() -> int:
    """The script that the client installs."""
    words = sys.argv[1:]
    service = _service()
    if service is None or takes(words):
        return run(words)
    return service()


def _service() -> Callable[[], int] | None:
    """The command of the service, if it is installed."""
    if find_spec("calotype") is None:
        return None
    service: Callable[[], int] = import_module("calotype.__main__").main
    return service
