"""The examples of docs/api/locations.md, run as they stand against a service with a worker."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype.db.engine import connect
from tests.locations.site import Site
from tests.remote.data_server import DataServer, giving
from tests.service import Service, environment
from tests.tasks.site import until
from tests.tasks.test_docs import shape

PAGE = Path(__file__).parents[2] / "docs" / "api" / "locations.md"
#: A command, and the answer that the page says it gives, which may have no body.
EXAMPLES = re.findall(
    r"```sh\n(.*?)```\n\n```http\n([^\n]*)\n(?:\n(.*?))?```", PAGE.read_text(), re.S
)


@pytest.fixture(scope="module")
def web() -> Iterator[DataServer]:
    with giving() as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, web: DataServer) -> Iterator[Site]:
    """A service that asks nobody who calls, and shows locations."""
    folder = tmp_path_factory.mktemp("service")
    service = Service(
        folder,
        default="show_multiple_locations = true\nenabled_backends = disk:file, web:http",
        extra=(
            f"default_backend = disk\n[disk]\nfilesystem_store_datadir = {folder}/disk\n"
            "[import_filtering_opts]\n"
            f"allowed_hosts = [127.0.0.1]\nallowed_ports = [80, {web.port}]\n"
        ),
        arguments=("--workers", "1"),
    )
    database = connect(service.database)
    with service:
        yield Site(service, database, web=web)
    database.close()


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("curl") == 5


def test_the_examples_do_what_the_page_says(
    site: Site, missing_server: Callable[[str, str], None]
) -> None:
    if shutil.which("curl") is None:
        missing_server("curl", "curl is not installed: apt-get install curl")
    image_id, other_id = site.new(), site.new()
    words = {"image_id": image_id, "other_id": other_id, "data_url": site.at(b"data")}
    for command, line, body in EXAMPLES:
        got_line, got = run(command, {**words, "image_url": site.service.url, "token": "any"})
        assert got_line == line, got
        assert bool(got) == bool(body)
        if body:
            assert shape(json.loads(got)) == shape(json.loads(body))
        else:
            until(lambda: site.show(image_id)["status"] == "active", "the image")
    assert site.show(image_id)["os_hash_algo"] == "sha256"


def run(command: str, words: dict[str, str]) -> tuple[str, Any]:
    """The status line and the body of a command's answer."""
    done = subprocess.run(
        ["bash", "-euc", command],
        env=environment(words),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    head, _, body = done.stdout.partition("\n\n")
    return head.splitlines()[0], body
