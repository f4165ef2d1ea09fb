"""Files and functions stay small enough to be read in one go."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path for folder in ("src", "client/src", "tools") for path in ROOT.glob(f"{folder}/**/*.py")
)

#: What may be larger, and why.
ALLOWED: dict[str, str] = {}

FILE_LINES = 500
FUNCTION_LINES = 60


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_file_is_short(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= FILE_LINES or name(path) in ALLOWED


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_functions_are_short(path: Path) -> None:
    tree = ast.parse(path.read_text())
    functions = [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {
        f"{name(path)}:{node.name}": node.end_lineno - node.lineno + 1
        for node in functions
        if node.end_lineno is not None and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    }
    assert {place: lines for place, lines in long.items() if place not in ALLOWED} == {}


def test_forbidden_module_names() -> None:
    forbidden = {"utils", "util", "common", "helpers", "base", "manager", "proxy", "misc"}
    assert [name(path) for path in SOURCES if path.stem in forbidden] == []


def test_there_is_something_to_measure() -> None:
    assert len(SOURCES) > 30
