"""The examples of the commands and of the pages, typed as they stand at a real service.

What pages show of commands is held against them in tests/tools/test_generate_docs.py.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import OPEN, start
from prepared import Prepared
from shell import Shell
from terminal import SOURCE
from test_client_things import soon

from calotype_client import Client, connect
from calotype_client.cli import dispatch
from calotype_client.cli.verbs import COMMANDS
from tests.conftest import MISSING, REQUIRE
from tests.formats.samples import qcow2_header
from tests.imports.web import Web, page
from tests.service import Service

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client" / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "client" / "README.md", *ROOT.glob("docs/client/*.md")]

DISK = qcow2_header()
PROJECT = "64f0efc9955145aeb06f297a8a6fe402"
#: The size that examples give for what comes out of a pipe.
TWO_GIB = str(2 << 30)

#: What is seen after the example of a command: words that it shows, or what is so then.
SEEN: dict[str, str | Callable[["World"], Any]] = {
    "image list": '"Name": "debian-13"',
    "image show": "active",
    "image create": "os_distro=debian",
    "image upload": lambda world: world.image("debian").size == len(DISK),
    "image stage": lambda world: soon(lambda: world.image("debian").status == "active"),
    "image import": "success",
    "image import methods": "web-download",
    "image save": lambda world: (world.shell.folder / "debian-13.qcow2").read_bytes() == DISK,
    "image verify": "right",
    "image set": "stable",
    "image unset": lambda world: world.image("debian-13").tags == (),
    "image delete": lambda world: not list(world.client.images.list(name="old-1")),
    "image tasks": "calculate_hash",
    "image hash": "os_hash_value",
    "image member list": PROJECT,
    "image member show": "pending",
    "image member add": "pending",
    "image member set": "accepted",
    "image member remove": lambda world: not world.members(),
    "image location list": "file://",
    "image location add": lambda world: soon(lambda: world.image("debian").status == "active"),
    "store list": "Solid-state disks",
    "cache list": "cached",
    "cache queue": lambda world: soon(world.cached),
    "cache nodes": "http://",
    "cache delete": lambda world: not world.cached(),
    "cache clear": lambda world: world.cached(),
    "task list": "failure",
    "task show": "failure",
}


@dataclass
class World:
    """A service, someone at a shell in front of it, and the images that examples name."""

    client: Client
    shell: Shell
    instead: dict[str, str]
    variables: dict[str, str] = field(default_factory=dict)

    def type(self, line: str) -> str:
        """Have what a line names, and run it; what it shows."""
        self._have_images(line)
        for name in ("debian-13.qcow2", "copy.qcow2", "debian.raw"):
            (self.shell.folder / name).write_bytes(DISK)
        for written, here in (*self.instead.items(), *self.variables.items()):
            line = line.replace(written, here)
        return self.shell.type(line)

    def image(self, name: str) -> Any:
        """An image as it is now."""
        return self.client.images.find(name)

    def members(self) -> list[Any]:
        """Those with whom the first image is shared."""
        return list(self.client.members.list(self.image("debian-13")))

    def cached(self) -> bool:
        """Whether the first image is in the cache."""
        found = self.client.cache.entries()
        return (self.image("debian-13").id, "cached") in [(it.image_id, it.state) for it in found]

    def _have_images(self, line: str) -> None:
        made = re.findall(r"image create (\S+)", line)
        named = set(re.findall(r"[\w-]+", line)) & {"debian", "old-1", "old-2", "snapshot-7"}
        for name in {*made, *named, "debian-13"}:
            for image in self.client.images.list(name=name):
                self.client.images.delete(image.id)
        for name in {*named, "debian-13"} - set(made):
            self._make(name, empty=name == "debian")
        if "debian-13" not in made:
            self._prepare(line)

    def _make(self, name: str, *, empty: bool) -> None:
        new = {"disk_format": "qcow2", "container_format": "bare", "tags": ["stable"]}
        image = self.client.images.create(name=name, os_distro="debian", **new)
        if not empty:
            path = self.shell.folder / "debian-13.qcow2"
            path.write_bytes(DISK)
            with path.open("rb") as file:
                self.client.data.upload(image, file)

    def _prepare(self, line: str) -> None:
        """What commands find that show, or take away."""
        image = self.image("debian-13")
        self.variables["$image_id"] = image.id
        if "member" in line and "member add" not in line:
            self.client.members.add(image, PROJECT)
        if "tasks" in line:
            self.client.tasks.wait(self.client.tasks.hash(image), timeout=60)
        if "cache" in line and "queue debian" not in line:
            self.client.cache.queue(image)
            assert soon(self.cached)


@pytest.fixture(scope="module")
def service(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One of its own, as all of its cache is cleared; images may lie on the web."""
    made = start(tmp_path_factory.mktemp("documented") / "service", web, OPEN)
    text = made.config.read_text().replace("far:file", "far:file, web:http")
    made.config.write_text(text)
    for name in ("disk.raw", "debian.raw", "debian.qcow2"):
        web.pages[f"/{name}"] = page(DISK)
    with made:
        yield made


@pytest.fixture(scope="module")
def zstd(request: pytest.FixtureRequest) -> str:
    """The program that examples pipe data through."""
    found = shutil.which("zstd")
    if found is None:
        reason = "it is not installed: apt-get install zstd"
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"zstd: {reason} ({REQUIRE}=1)", pytrace=False)
        request.config.stash.get(MISSING, {})["zstd"] = reason
        pytest.skip(f"zstd: {reason}")
    return found


@pytest.fixture(scope="module")
def world(
    service: Service,
    web: Web,
    prepared: Prepared,
    zstd: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("home")
    client = connect(auth_type="none", auth={"endpoint": service.url})
    for name in ("debian.raw", "disk.raw"):
        (folder / name).write_bytes(DISK)
        subprocess.run([zstd, "-q", name], cwd=folder, check=True)
    (folder / "my-disk.qcow2").write_bytes(DISK)
    open_ = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": service.url, "PYTHONPATH": str(SOURCE)}
    instead = {
        "http://node-1:9292": service.url,
        "https://example.org": web.url,
        "https://images.example.org": web.url,
        TWO_GIB: str(len(DISK)),
        "$project_id": PROJECT,
    }
    with Shell(folder, open_, prepared) as shell:
        yield World(client, shell, instead, {"$task_id": failed_task(client, web)})


def failed_task(client: Client, web: Web) -> str:
    """The id of a task that has failed."""
    image = client.images.create(name="gone", disk_format="raw", container_format="bare")
    task = client.imports.begin(image, "web-download", uri=f"{web.url}/gone")
    assert task is not None
    assert soon(lambda: client.tasks.get(task.id).status == "failure")
    return task.id


def test_the_example_of_each_command_is_its_own() -> None:
    assert SEEN.keys() == COMMANDS.keys()
    for name, command in COMMANDS.items():
        assert re.search(rf"calotype (client )?(--\S+ \S+ )?{name} ?", command.example), name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command(world: World, name: str) -> None:
    shown, seen = world.type(COMMANDS[name].example), SEEN[name]
    assert seen in shown if isinstance(seen, str) else seen(world), shown


def table() -> dict[str, str]:
    """What one wants -> what to type."""
    text = PAGE.split("## What else it does")[1].split("\n## ")[0]
    found = re.findall(r"^\| (.+?) \| `(calotype.+|zstd.+)` \|$", text, re.M)
    return {what: line.replace("\\|", "|") for what, line in found}


def test_what_else_it_does(world: World, zstd: str) -> None:
    shown = {what: world.type(line) for what, line in table().items()}
    assert len(shown) >= 8
    assert world.image("disk").size == world.image("web").size == len(DISK)
    folder = world.shell.folder
    packed = [zstd, "-dcq", folder / "debian-13.zst"]
    done = subprocess.run(packed, capture_output=True, check=True)
    assert done.stdout == DISK
    assert "success" in shown["see why something failed"]
    assert "os_hash_value" in shown["have the digests calculated"]
    assert "right" in shown["compare a file with an image"]
    assert world.shell.type("echo $OS_ENDPOINT") in shown["see which nodes have it cached"]
    assert re.fullmatch(r"[0-9a-f-]{36}", shown["use what is shown in a script"])


def lines() -> list[str]:
    """Commands of the client that stand in pages by themselves, with what is a remark left out."""
    found = [
        line.partition("  #")[0].strip()
        for path in PAGES
        for line in re.findall(r"^ {4,}(.+)$", path.read_text(), re.M)
    ]
    return [
        line
        for line in dict.fromkeys(found)
        if re.search(r"\b(calotype (image|complete)|mkdir)", line)
    ]


def test_lines_of_pages(world: World) -> None:
    assert len(lines()) >= 3
    for line in lines():
        world.type(line)
    completion = world.shell.folder / ".local/share/bash-completion/completions/calotype"
    assert "image" in completion.read_text()


def test_lines_of_pages_are_for_the_client_beside_the_service_too() -> None:
    examples = [command.example for command in COMMANDS.values()]
    for line in (*examples, *table().values()):
        for words in re.findall(r"calotype ([^|&>]+)", line):
            assert dispatch.takes(words.split()), line


PROGRAMS = {
    f"{path.relative_to(ROOT)}:{number}": program
    for path in PAGES
    for number, program in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.S))
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(world: World, name: str) -> None:
    for image in world.client.images.list(name="disk"):
        world.client.images.delete(image.id)
    folder = world.shell.folder
    (folder / "program.py").write_text(PROGRAMS[name])
    world.shell.type(f"{sys.executable} program.py")
