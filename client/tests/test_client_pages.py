"""What the pages about the client say of options, of the library and of one another."""

import re
from pathlib import Path

import pytest
from terminal import Terminal

from calotype_client import Client

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "client"
PAGE = (FOLDER / "README.md").read_text()
PAGES = sorted(FOLDER.rglob("*.md"))


def rows(head: str) -> list[list[str]]:
    """The table below this head, by cells."""
    text = PAGE.split(head)[1].lstrip().split("\n\n")[0]
    return [re.split(r"(?<!\\)\|", line.strip("| "))[:2] for line in text.splitlines()[1:] if line]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_options_of_output(anybody: Terminal) -> None:
    options = [it for cell, _ in rows("What shows something takes these:") for it in codes(cell)]
    assert len(options) == 6
    formats = options[0].removeprefix("-f ").split("\\|")
    id_ = anybody.json("image", "create", "of-the-page")["id"]
    one, many = ("image", "show", "of-the-page"), ("image", "list", "--name", "of-the-page")
    for name in formats:
        assert (id_ in anybody.type(*one, "-f", name, status=2 * (name == "csv")).text) == (
            name != "csv"
        )
        assert (id_ in anybody.type(*many, "-f", name, status=2 * (name == "shell")).text) == (
            name != "shell"
        )
    given = {"COLUMN": "ID", "N": "60"}
    for option in options[1:]:
        words = [given.get(word, word) for word in option.split()]
        assert id_[:8] in anybody.type(*many, *words).text, option


def test_options_beside_the_commands(anybody: Terminal) -> None:
    options = [it for cell, _ in rows("Beside the commands:") for it in codes(cell)]
    assert len(options) == 5
    for option in options:
        words = [{"FILE": "a.log", "SECONDS": "9"}.get(word, word) for word in option.split()]
        shown = anybody.type(*words, "image", "list", "--limit", "1")
        said = shown.complaint + _log(anybody.folder / "a.log")
        assert ("GET" in said) == (option in ("-vv", "--debug", "--log-file FILE")), (option, said)


def _log(file: Path) -> str:
    found = file.read_text() if file.exists() else ""
    file.unlink(missing_ok=True)
    return found


def test_options_of_the_cloud_stand_anywhere(anybody: Terminal) -> None:
    nowhere = anybody.having(OS_AUTH_TYPE="", OS_ENDPOINT="")
    where = ("--os-auth-type", "none", "--os-endpoint", anybody.identity["OS_ENDPOINT"])
    for words in ((*where, "image", "list"), ("image", "list", *where)):
        nowhere.type(*words)


def test_the_library_has_what_the_page_says(client: Client) -> None:
    named = {codes(what)[0]: codes(has) for what, has in re.findall(
        r"^\| (`cloud\.\w+`) \| (.+) \|$", PAGE, re.M
    )}  # fmt: skip
    assert len(named) == 8
    for what, has in named.items():
        part = getattr(client, what.removeprefix("cloud."))
        assert [name for name in has if not callable(getattr(part, name, None))] == [], what
        public = {name for name in vars(type(part)) if not name.startswith("_")}
        assert public - {"calls"} == set(has), what


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(FOLDER)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        name, _, part = link.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), link
        heads = re.findall(r"^#+ (.+)$", there.read_text(), re.M)
        assert not part or part in [_anchor(head) for head in heads], link


def _anchor(head: str) -> str:
    return re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-")
