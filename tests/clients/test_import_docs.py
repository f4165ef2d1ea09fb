"""The examples of docs/api/imports.md, run as they stand, behind a real Keystone."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.clients.people import User, user_of
from tests.clients.test_regions import METHODS, ended
from tests.imports.web import Web, page, serving
from tests.keystone import ADMIN, MEMBER, Keystone
from tests.service import Service, environment, file_stores
from tests.tasks.test_docs import shape

PAGE = Path(__file__).parents[2] / "docs" / "api" / "imports.md"
#: A command, the line that its answer begins with, and the body if the page shows one.
EXAMPLES = re.findall(r"```sh\n(.*?)```\n\n```http\n(.*?)\n(?:\n(.*?))?```", PAGE.read_text(), re.S)
DATA = os.urandom(1 << 16)


@dataclass(frozen=True)
class Reader:
    """Somebody who follows the page: a member, the words of the examples, and the images."""

    user: User
    words: dict[str, str]
    folder: Path

    def run(self, command: str) -> tuple[str, str]:
        """The first line and the body of a command's answer; its imports have ended then."""
        done = subprocess.run(
            ["bash", "-euc", command],
            env=environment(self.words),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        head, _, body = done.stdout.partition("\n\n")
        return head.splitlines()[0], body


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as web:
        web.pages["/disk.raw"] = page(DATA)
        yield web


@pytest.fixture(scope="module")
def reader(
    keystone: Keystone, programs: Path, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("pages")
    sections, few = keystone.sections(), ("--workers", "1")
    folders = {name: folder / name for name in ("fast", "far")}
    default, extra = file_stores(folders, folder / "staging", fetch_from=web.port)
    with (
        Service(folder / "elsewhere", extra=sections, arguments=few) as elsewhere,
        Service(
            folder / "here", default=default + METHODS, extra=extra + sections, arguments=few
        ) as here,
    ):
        keystone.serve_images_at(elsewhere.url, "Elsewhere")
        user = user_of(keystone, MEMBER, programs, folder, here.url)
        (folder / "disk.raw").write_bytes(DATA)
        words = {
            "image_url": here.url,
            "token": user.headers["X-Auth-Token"],
            "admin_token": keystone.token(ADMIN),
            "uri": f"{web.url}/disk.raw",
            "remote_id": user.at(elsewhere.url).put_image("theirs", DATA, visibility="private"),
            **{name: user.put_image("mine") for name in ("image_id", "second_id", "third_id")},
        }
        yield Reader(user, words, folder)


def test_all_commands_are_examples() -> None:
    assert len(EXAMPLES) == PAGE.read_text().count("curl ") == 9


def test_the_examples_do_what_the_page_says(reader: Reader, request: pytest.FixtureRequest) -> None:
    if shutil.which("curl") is None:
        request.getfixturevalue("missing_server")("curl", "apt-get install curl")
    answers: list[Any] = []
    for command, line, body in EXAMPLES:
        got_line, got = reader.run(command)
        assert got_line == line, (command, got)
        answers.append(json.loads(got) if body else got)
        assert shape(answers[-1]) == shape(json.loads(body) if body else ""), command
        for image_id in imported(reader):
            assert ended(reader.user, image_id)[0] == "success"
    methods, *_, unknown_region, wrong_status, tasks = answers
    assert "glance-download" in methods["import-methods"]["value"]
    assert "'Nowhere'; the regions are: " in unknown_region["message"]
    assert "is active: glance-direct needs one that is uploading" in wrong_status["message"]
    assert tasks["tasks"][0]["message"] == f"Imported {len(DATA)} bytes"
    stores = [reader.user.ask("GET", f"/v2/images/{image_id}").json for image_id in ids(reader)]
    assert [image["stores"] for image in stores] == ["fast,far", "fast,far", "fast"]
    assert [image["size"] for image in stores] == [len(DATA)] * 3


def ids(reader: Reader) -> list[str]:
    return [reader.words[name] for name in ("image_id", "second_id", "third_id")]


def imported(reader: Reader) -> list[str]:
    """The images that have tasks."""
    return [
        image_id
        for image_id in ids(reader)
        if reader.user.ask("GET", f"/v2/images/{image_id}/tasks").json["tasks"]
    ]
