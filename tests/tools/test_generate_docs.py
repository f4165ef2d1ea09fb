"""The generated pages are as the code would make them now."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from calotype import errors
from calotype.stores import drivers
from calotype.stores.store import POWERS
from tools import recorded_docs, store_docs
from tools.generate_docs import DOCS, PAGES

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


def page(name: str, missing_server: Callable[[str, str], None]) -> str:
    """A page, made now."""
    try:
        return PAGES[name]()
    except errors.BadSettings as error:
        missing_server("the library of a store", error.message)
        raise
    except recorded_docs.Missing as reason:
        missing_server("the program of a page", str(reason))
        raise


@pytest.mark.parametrize("name", PAGES)
def test_page_is_up_to_date(name: str, missing_server: Callable[[str, str], None]) -> None:
    assert (DOCS / name).read_text() == page(name, missing_server), "run: make docs"


def test_every_type_of_store_is_there(missing_server: Callable[[str, str], None]) -> None:
    assert set(store_docs.TYPES) == {*drivers.MAKERS, "http"}
    text = page("operate/stores/README.md", missing_server)
    for kind in filter(store_docs.is_there, store_docs.TYPES):
        assert re.search(rf"^\| (\[{kind}\]\({kind}\.md\)|{kind}) \|", text, re.MULTILINE), kind
    for power in POWERS:
        assert f"\n| {power} | " in text, power


def test_the_extras_are_those_of_the_package() -> None:
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    named = [
        re.findall(r"calotype\[(\w+)\]", install) for _, install, _ in store_docs.TYPES.values()
    ]
    assert sorted(name for names in named for name in names) == sorted(extras)
