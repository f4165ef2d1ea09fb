"""Writing configuration files, in an environment that holds nothing of the machine's own."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[..., str]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No option comes from outside, and the standard directory is an empty one."""
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    (tmp_path / "standard").mkdir()
    monkeypatch.setenv("OS_GLANCE_CONFIG_DIR", str(tmp_path / "standard"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(text, name)`: the path of a new configuration file."""

    def make(text: str, name: str = "glance-api.conf") -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return str(path)

    return make
