"""The examples of the page about the cache are run as they stand, and answer as it says."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cache.site import Node
from tests.data.site import Site, soon
from tests.service import environment

PAGE = Path(__file__).parents[2] / "docs" / "api" / "cache.md"
#: A command, and the answer that the page says it gives.
EXAMPLES = re.findall(r"```sh\n(.*?)```\n\n```http\n(.*?)```", PAGE.read_text(), re.S)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("node"), "--workers", "1", "--no-worker") as running:
        yield running


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 8
    assert PAGE.read_text().count("curl -g") == len(EXAMPLES)


def test_the_examples_do_what_the_page_says(
    node: Node, missing_server: Callable[[str, str], None]
) -> None:
    if shutil.which("curl") is None:
        missing_server("curl", "curl is not installed: apt-get install curl")
    image_id = Site(node).stored(b"data")
    for command, answer in EXAMPLES:
        line, _, body = answer.partition("\n\n")
        got_line, got = run(command, node, image_id)
        assert got_line == line.strip()
        assert shape(got) == shape(json.loads(body) if body else None), command
        if "PUT" in command:
            assert soon(lambda: node.cached() == [image_id] and has_note(node))
    assert node.cached() == []


def has_note(node: Node) -> bool:
    return bool(Site(node).ask("GET", "/v2/cache").json["cached_images"])


def run(command: str, node: Node, image_id: str) -> tuple[str, Any]:
    """The status line of a command's answer, and its JSON if it has any."""
    words = {"image_url": node.url, "token": "any", "image_id": image_id}
    done = subprocess.run(
        ["bash", "-euc", command],
        env=environment(words),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    head, _, body = done.stdout.partition("\n\n")
    return head.splitlines()[0], json.loads(body) if body else None


def shape(value: Any) -> Any:
    """The names in a JSON value and the kinds of what they stand for."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value)
