"""The examples of docs/api/tasks.md, run as they stand against a service with a worker."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype.db.engine import connect
from tests.service import Service, environment
from tests.tasks.site import GIB, Site, until

PAGE = Path(__file__).parents[2] / "docs" / "api" / "tasks.md"
#: A command, and the answer that the page says it gives.
EXAMPLES = re.findall(r"```sh\n(.*?)```\n\n```http\n(.*?)\n\n(.*?)```", PAGE.read_text(), re.S)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that asks nobody who calls, as one has it for a first look."""
    service = Service(tmp_path_factory.mktemp("service"), arguments=("--workers", "1"))
    database = connect(service.database)
    with service:
        yield Site(service, database)
    database.close()


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 4
    assert PAGE.read_text().count("curl") == len(EXAMPLES)


def test_the_examples_do_what_the_page_says(
    site: Site, missing_server: Callable[[str, str], None]
) -> None:
    if shutil.which("curl") is None:
        missing_server("curl", "curl is not installed: apt-get install curl")
    image_id = site.new()
    headers = {"Content-Type": "application/octet-stream"}
    site.ask("PUT", f"/v2/images/{image_id}/file", data=b"\0", headers=headers).gave(204)
    file = site.service.images / image_id
    with file.open("ab") as grown:
        grown.truncate(512 * GIB)
    site.record(image_id, size=512 * GIB, checksum=None, os_hash_algo=None, os_hash_value=None)
    for command, line, body in EXAMPLES:
        if "/tasks" in command:
            until(lambda: site.tasks(image_id)[0]["message"], "progress")
        got_line, got = run(command, site, image_id)
        assert got_line == line
        assert shape(got) == shape(json.loads(body))
    assert got["tasks"][0]["status"] == "processing"
    assert re.fullmatch(r"Hashed \d+ MiB", got["tasks"][0]["message"])
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)


def run(command: str, site: Site, image_id: str) -> tuple[str, Any]:
    """The status line and the JSON of a command's answer."""
    words = {"image_url": site.service.url, "token": "any", "image_id": image_id}
    done = subprocess.run(
        ["bash", "-euc", command],
        env=environment(words),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    head, _, body = done.stdout.partition("\n\n")
    return head.splitlines()[0], json.loads(body)


def shape(value: Any) -> Any:
    """The names in a JSON value and the kinds of what they stand for."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return "text or null" if value is None or isinstance(value, str) else type(value)
