"""The examples of the commands and of the pages, typed as they stand at a real service.

What pages show of commands is held against them in tests/tools/test_generate_docs.py.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from documented import DISK, PROJECT, World, failed_task, serving
from prepared import Prepared
from shell import Shell
from terminal import SOURCE

from calotype_client import connect
from calotype_client.cli import dispatch
from calotype_client.cli.verbs import COMMANDS
from tests.imports.web import Web, page
from tests.servers import Missing, program
from tests.service import Service
from tests.tasks.site import until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "client" / "README.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "client" / "README.md", *ROOT.glob("docs/client/*.md")]

#: The size that examples give for what comes out of a pipe.
TWO_GIB = str(2 << 30)


def is_active(world: World, name: str) -> bool:
    """Whether an image becomes active."""
    return until(lambda: world.image(name).status == "active", f"{name}, active")


#: What is seen after the example of a command: words that it shows, or what is so then.
SEEN: dict[str, str | Callable[[World], Any]] = {
    "image list": '"Name": "debian-13"',
    "image show": "active",
    "image create": "os_distro=debian",
    "image upload": lambda world: world.image("debian").size == len(DISK),
    "image stage": lambda world: is_active(world, "debian"),
    "image import": "success",
    "image import methods": "web-download",
    "image save": lambda world: world.saved("debian-13.qcow2"),
    "image verify": "right",
    "image set": "public",
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
    "image location add": lambda world: is_active(world, "debian"),
    "store list": "Solid-state disks",
    "cache list": "cached",
    "cache queue": lambda world: until(world.cached, "the image in the cache"),
    "cache nodes": "http://",
    "cache delete": lambda world: not world.cached(),
    "cache clear": lambda world: world.cached(),
    "task list": "failure",
    "task show": "failure",
}


@pytest.fixture(scope="module")
def service(web: Web, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One of its own, as all of its cache is cleared; images may lie on the web."""
    for name in ("disk.raw", "debian.raw", "debian.qcow2"):
        web.pages[f"/{name}"] = page(DISK)
    with serving(tmp_path_factory.mktemp("documented") / "service", web) as made:
        yield made


@pytest.fixture(scope="module")
def zstd(missing_server: Callable[[str, str], None]) -> str:
    """The program that examples pipe data through."""
    try:
        return program("zstd", brought_by="zstd")
    except Missing as reason:
        missing_server("zstd", str(reason))
        raise


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
        assert "image save" not in line or world.saved("copy.qcow2")
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
