"""The page about Tempest names tests that the plugin has, and counts them right."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operate" / "tempest.md").read_text()
TESTS = ROOT / "tempest" / "src" / "calotype_tempest_plugin" / "tests"


def of_the_plugin() -> set[str]:
    """Its tests, e.g. `test_restore.RestoreTest.test_restore_a_deleted_image`."""
    return {
        f"{path.stem}.{one.name}.{test.name}"
        for path in TESTS.glob("test_*.py")
        for one in ast.parse(path.read_text()).body
        if isinstance(one, ast.ClassDef)
        for test in one.body
        if isinstance(test, ast.FunctionDef) and test.name.startswith("test_")
    }


def said_to_fail() -> list[str]:
    """The tests that real Glance does not pass."""
    return re.findall(r"^\| `(test_\w+\.\w+\.test_\w+)` \|", PAGE, re.MULTILINE)


def test_what_is_said_to_fail_is_there() -> None:
    fails, there = said_to_fail(), of_the_plugin()
    assert set(fails) <= there
    assert len(fails) == len(set(fails)) > 0


def test_the_numbers() -> None:
    fails, there = said_to_fail(), of_the_plugin()
    text = " ".join(PAGE.split())
    assert f" {len(there) - len(fails)} pass and {len(fails)} fail:" in text
    assert f" - Passed: {len(there)} - Skipped: 0 - Failed: 0" in text


def test_the_modules() -> None:
    assert set(re.findall(r"^\| `(test_\w+)`", PAGE, re.MULTILINE)) == {
        path.stem for path in TESTS.glob("test_*.py")
    }
