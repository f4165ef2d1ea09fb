"""`calotype`: whose command is it, the client's or the service's?

Both distributions install a script of that name, and whichever was installed last is the one there
is. So both do the same: what the client knows goes to the client, all else to the service.
`calotype-client` is the client's alone, and always the client.
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

#: Options that come before commands and take a value, beside all that begin with `--os-`. A test
#: holds this against the parsers, which take too long to load for a command of the service.
WITH_VALUES = frozenset(
    {
        *("--config-file", "--config-dir", "--log-file", "--timeout", "--http-timeout"),
        *("--tls-ciphers", "--tls-min-version", "--image-api-version", "--endpoint-type"),
    }
)


def takes(words: Sequence[str]) -> bool:
    """Whether a command line is for the client, where the service is there as well."""
    plain = [words[place] for place in _places(words)]
    if plain[:1] == ["help"]:
        plain = plain[1:]
    if plain[:1] == ["cache"]:
        return plain[1:2] != [] and plain[1] in CACHE_VERBS
    return plain[:1] != [] and plain[0] in NOUNS


def _places(words: Sequence[str]) -> list[int]:
    """Where the words are that are neither options nor values of them."""
    return [
        place
        for place, (before, word) in enumerate(zip(["", *words], words, strict=False))
        if not word.startswith("-") and not is_value(before)
    ]


def is_value(option: str) -> bool:
    """Whether the word after an option belongs to it."""
    name = option.replace("_", "-")  # openstacksdk takes both
    return (name.startswith("--os-") and "=" not in name) or name in WITH_VALUES


def run(words: Sequence[str]) -> int:
    """Run a command of the client; the exit code."""
    rest = list(words)
    places = _places(rest)
    # `calotype help client image list` means the client's, too.
    first = places[1:2] if [rest[place] for place in places[:1]] == ["help"] else places[:1]
    for place in first:
        if rest[place] == "client":
            del rest[place]
    return orderly(lambda: _load()(rest))


def _load() -> Callable[[Sequence[str]], int]:
    """It takes half a second, in which one can be interrupted already."""
    gc.disable()  # what is loaded stays: looking for waste in it is a tenth of the time
    from calotype_client.cli.app import main

    gc.freeze()
    gc.enable()
    return main


def client() -> int:
    """The script `calotype-client`."""
    return run(sys.argv[1:])


def main() -> int:
    """The script `calotype` that the client installs."""
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
