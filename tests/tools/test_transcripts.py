"""What is typed on a page, and what is written there of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.terminal import Terminal, seen
from tools.transcripts import Rules, WentWrong, filled

REAL, READERS = "http://127.0.0.1:12345", "http://127.0.0.1:9292"


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path, {"PATH": "/usr/bin:/bin"}) as opened:
        yield opened


def fill(page: str, terminal: Terminal) -> str:
    return filled(page, terminal, Rules(REAL, READERS))


def test_one_shell_runs_all_of_a_page(terminal: Terminal) -> None:
    page = """\
Before.

```console
$ name=world
$ echo hello \\
> $name
what it showed once
$ test -t 0 && test -t 1 && test -t 2 && echo at a terminal
```

- in a list

  ```console
  $ echo "$name again"; echo; echo end
  ```

    $ not a block
"""
    made = fill(page, terminal)
    assert made == page.replace("what it showed once", "hello world").replace(
        "echo at a terminal\n", "echo at a terminal\nat a terminal\n"
    ).replace("echo end\n", "echo end\n  world again\n\n  end\n")
    assert fill(made, terminal) == made


@pytest.mark.parametrize("how", ["", "<!-- fails -->\n"])
def test_how_a_command_ends(terminal: Terminal, how: str) -> None:
    wrong, right = ("exit 3", "true") if not how else ("true", "exit 3")
    block = "```console\n$ true\n$ ({})\n```"
    assert fill(how + block.format(right), terminal) == how + block.format(right)
    with pytest.raises(WentWrong, match="ended with"):
        fill(how + block.format(wrong), terminal)


def test_a_command_is_repeated_until_it_shows_what_it_shall(terminal: Terminal) -> None:
    page = "<!-- until: xxx -->\n```console\n$ printf x >>file; cat file\n```"
    assert fill(page, terminal).endswith("cat file\nxxx\n```")


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        (f"at {REAL}/v2", f"at {READERS}/v2"),
        ("2027-01-02T03:04:05Z", "2026-11-28T09:30:00Z"),
        ("2027-01-02T03:04:05.678901", "2026-11-28T09:30:00.000000"),
        ("x ━━ 64.0/64.0 MiB ? -:--:--", "x ━━ 64.0/64.0 MiB … MB/s 0:00:00"),
        ("x ━━ 0.5/64.0 MiB 1.5 GB/s 0:00:12", "x ━━ 0.5/64.0 MiB … MB/s 0:00:00"),
        ("pending\nprocessing: 5 %\nsuccess: all", "success: all"),
    ],
)
def test_what_differs_is_written_the_same(shown: str, written: str) -> None:
    assert Rules(REAL, READERS).shown(shown) == written


def test_ids_stay_apart() -> None:
    one, two = "6c2f1a0e-9d0b-4d3c-8b75-3a1a3cbb1c0d", "00000000-9d0b-4d3c-8b75-3a1a3cbb1c0d"
    first, rules = Rules(REAL, READERS).shown(one), Rules(REAL, READERS)
    assert rules.shown(two) == first, "the first of a page is the same always"
    assert rules.shown(f"{one} {two}") == f"{rules.shown(one)} {first}"
    assert rules.shown(one) not in (first, one)


def test_what_a_screen_shows() -> None:
    bar = "\x1b[?25la 10%\r\x1b[2K\x1b[1;32ma\x1b[0m 100%\r\n\x1b[?25h"
    assert seen(bar) == "a 100%"
    assert seen("one\r\ntwo\r\n\x1b[2A\x1b[2KONE\r\n") == "ONE\ntwo"
    assert seen("abcdef\rxy\x1b[K  ") == "xy"
