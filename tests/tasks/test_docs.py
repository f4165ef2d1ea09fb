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
from tests.formats.samples import qcow2_header
from tests.imports.web import Web, page, serving
from tests.service import Service, environment
from tests.tasks.site import GIB, Site, until

PAGE = Path(__file__).parents[2] / "docs" / "api" / "tasks.md"
#: A command, and the answer that the page says it gives.
_EXAMPLE = re.compile(r"```sh\n(.*?)```\n\n```http\n(.*?)\n\n(.*?)```", re.S)
_OF_IMAGES, _, _OF_ALL = PAGE.read_text().partition("\n## The tasks API\n")
EXAMPLES, TASKS_API = _EXAMPLE.findall(_OF_IMAGES), _EXAMPLE.findall(_OF_ALL)

IMPORTS = """\
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
"""


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def site(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that asks nobody who calls, as one has it for a first look."""
    service = Service(
        tmp_path_factory.mktemp("service"),
        extra=IMPORTS.format(port=web.port),
        arguments=("--workers", "1"),
    )
    database = connect(service.database)
    with service:
        yield Site(service, database)
    database.close()


def test_the_page_has_examples() -> None:
    assert (len(EXAMPLES), len(TASKS_API)) == (4, 3)
    assert PAGE.read_text().count("curl") == len(EXAMPLES) + len(TASKS_API)


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
        got_line, got = run(command, site, image_id=image_id)
        assert got_line == line
        assert shape(got) == shape(json.loads(body))
    assert got["tasks"][0]["status"] == "processing"
    assert re.fullmatch(r"Hashed \d+ MiB", got["tasks"][0]["message"])
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)


def test_the_tasks_api_does_what_the_page_says(
    site: Site, web: Web, missing_server: Callable[[str, str], None]
) -> None:
    if shutil.which("curl") is None:
        missing_server("curl", "curl is not installed: apt-get install curl")
    web.pages["/debian.qcow2"] = page(qcow2_header())
    made: dict[str, Any] = {}
    for command, line, body in TASKS_API:
        words = {"disk_url": f"{web.url}/debian.qcow2", "task_id": str(made.get("id"))}
        if made:
            site.ended(made["image_id"], made["id"])
        got_line, got = run(command, site, **words)
        made = made or got
        assert got_line == line
        assert shape(got) == shape(json.loads(body))
    (task,) = got["tasks"]
    assert (task["id"], task["status"]) == (made["id"], "success")
    image = site.show(made["image_id"])
    assert (image["status"], image["name"], image["disk_format"]) == ("active", "Debian", "qcow2")


def run(command: str, site: Site, **more: str) -> tuple[str, Any]:
    """The status line and the JSON of a command's answer."""
    words = {"image_url": site.service.url, "token": "any", **more}
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
