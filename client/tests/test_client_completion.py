"""Completion in a real bash, without and with the package that completes other commands."""

import shutil
import subprocess
from pathlib import Path

import pytest
from prepared import Prepared
from terminal import Terminal

#: How that package calls it, and bash hands the line over.
PACKAGE = """\
_get_comp_words_by_ref() {
    [ "$1 $2" = "-n :" ] || return 1
    words=("${COMP_WORDS[@]}") cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    echo package >&2
}
"""
PRESS_TAB = """\
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
$(complete -p calotype | sed 's/.*-F \\([^ ]*\\).*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `calotype complete` prints, without any cloud."""
    path = tmp_path_factory.mktemp("shell") / "completion"
    path.write_text(Terminal(path.parent, {}, prepared).type("complete").text)
    return path


def proposed(script: Path, line: str, before: str = "") -> tuple[set[str], str]:
    """What bash proposes for a line, and complaints."""
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(
        [bash, "--norc", "-c", before + PRESS_TAB, "bash", script, *line.split(" ")],
        cwd=script.parent, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split()), done.stderr


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("calotype image ha", {"hash"}),
        ("calotype image s", {"save", "set", "show", "stage"}),
        ("calotype ca", {"cache"}),
        ("calotype image member ", {"add", "list", "remove", "set", "show"}),
        ("calotype image create --prot", {"--protected"}),
        ("calotype image upload --file com", {"completion"}),
        ("calotype image nothing", set()),
    ],
)
def test_what_is_proposed(script: Path, line: str, expected: set[str]) -> None:
    assert proposed(script, line) == (expected, "")
    assert proposed(script, line, PACKAGE) == (expected, "package\n")
