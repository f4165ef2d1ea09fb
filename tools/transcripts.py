"""What the commands of a page show, put into the page: `filled`.

The page itself holds the commands, in blocks of the language `console`:

- a line that begins with `$ ` is typed, with the lines after it that begin with `> `; the lines up
  to the next `$ ` are what was shown, and are made anew;
- the last command of a block must succeed unless `<!-- fails -->` stands in the line before the
  block; it is repeated until it shows TEXT where `<!-- until: TEXT -->` stands there;
- the same shell runs all of them, at a real terminal.

Made again, a page is the same to the letter, as what differs from run to run is written as if it
did not: see `Rules`. So a test makes it again and compares.
"""

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import takewhile

from tools.terminal import PATIENCE, Terminal

BLOCK = re.compile(r"(?:<!-- (?P<how>.*?) -->\n)?(?P<fence> *)```console\n(?P<text>.*?)```", re.S)

ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\d{4}-\d\d-\d\d([T ])\d\d:\d\d:\d\d(\.\d+)?")
#: The end of a bar: rate and time left, which may both be unknown.
RATE = re.compile(r"(/[\d.,]+ \w+) +(?:\?|[\d.,]+ \w+/s) +(?:-:--:--|[\d:]+)$", re.M)
#: A task on its way, as it is seen now and then, or never when it is quick.
ON_ITS_WAY = re.compile(r"^(?:pending|processing)(?:: .*)?\n", re.M)
PAUSE = 0.1


@dataclass
class Rules:
    """Makes what is shown the same each time.

    Ids that the service makes become others, each its own; all times are one; rates are left out;
    a task is seen at its end only; and the service is where readers of the page have theirs.
    """

    real_url: str
    page_url: str
    _ids: dict[str, str] = field(default_factory=dict)

    def typed(self, command: str) -> str:
        """A command of the page, for the real service."""
        return command.replace(self.page_url, self.real_url)

    def shown(self, text: str) -> str:
        """What was really shown, for the page."""
        text = text.replace(self.real_url, self.page_url)
        text = ON_ITS_WAY.sub("", text + "\n").removesuffix("\n")
        text = RATE.sub(r"\1 … MB/s 0:00:00", text)
        text = TIME.sub(lambda it: f"2026-11-28{it[1]}09:30:00{_zeros(it[2])}", text)
        return ID.sub(lambda it: self._id(it[0]), text)

    def _id(self, real: str) -> str:
        number = len(self._ids)
        made = uuid.uuid5(uuid.NAMESPACE_URL, str(number)).bytes
        return self._ids.setdefault(real, str(uuid.UUID(bytes=made, version=4)))


def filled(page: str, terminal: Terminal, rules: Rules) -> str:
    """The page with what its commands show now. Raises WentWrong."""

    def fill(block: re.Match[str]) -> str:
        fence, how = block["fence"], block["how"] or ""
        commands = list(_commands(block["text"].replace(f"\n{fence}", "\n").removeprefix(fence)))
        lines: list[str] = []
        for number, command in enumerate(commands, 1):
            text = _run(command, how if number == len(commands) else "", terminal, rules)
            lines += [_as_typed(command), *text.splitlines()]
        inside = "".join(f"{fence}{line}".rstrip() + "\n" for line in lines)
        before = f"<!-- {how} -->\n" if how else ""
        return f"{before}{fence}```console\n{inside}{fence}```"

    return BLOCK.sub(fill, page)


class WentWrong(Exception):
    """A command of a page did not end as the page says."""


def _run(command: str, how: str, terminal: Terminal, rules: Rules) -> str:
    wanted = how.removeprefix("until: ") if how.startswith("until: ") else ""
    deadline = time.monotonic() + PATIENCE
    while True:
        status, text = terminal.type(rules.typed(command))
        if (status != 0) != (how == "fails"):
            raise WentWrong(f"{command} ended with {status}:\n{text}")
        if wanted in rules.shown(text):
            return rules.shown(text)
        if time.monotonic() > deadline:
            raise WentWrong(f"{command} does not show {wanted!r}:\n{text}")
        time.sleep(PAUSE)


def _commands(block: str) -> Iterator[str]:
    for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
        first, *others = part.splitlines()
        more = takewhile(lambda line: line.startswith("> "), others)
        yield "\n".join([first, *(line[2:] for line in more)])


def _as_typed(command: str) -> str:
    return "$ " + command.replace("\n", "\n> ")


def _zeros(fraction: str | None) -> str:
    return re.sub(r"\d", "0", fraction or "")
