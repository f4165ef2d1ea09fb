"""A service, someone at a shell in front of it, and the images that examples of the client name."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shell import Shell

from calotype_client import Client
from tests.formats.samples import qcow2_header
from tests.imports.web import Web
from tests.service import Service, file_stores
from tests.tasks.site import until

#: A qcow2 of two MiB.
DISK = qcow2_header()
PROJECT = "64f0efc9955145aeb06f297a8a6fe402"

EXTRA = """\
[paste_deploy]
flavor = caching
"""


def serving(folder: Path, web: Web) -> Service:
    """A service for all examples, not yet serving: stores, a cache, and data on the web."""
    folders = {"fast": folder / "fast", "far": folder / "far"}
    default, extra = file_stores(folders, folder / "staging", fetch_from=web.port)
    default = default.replace("far:file", "far:file, web:http")
    service = Service(
        folder,
        default=f"{default}image_cache_dir = {folder}/cache\n",
        extra=extra.replace("[fast]", "[fast]\nstore_description = Solid-state disks") + EXTRA,
        arguments=("--workers", "1"),
    )
    node = f"[DEFAULT]\nworker_self_reference_url = {service.url}\n"
    service.config.write_text(service.config.read_text().replace("[DEFAULT]\n", node))
    return service


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
            (self.shell.folder / name).write_bytes(b"old" if "image save" in line else DISK)
        for written, here in (*self.instead.items(), *self.variables.items()):
            line = line.replace(written, here)
        return self.shell.type(line)

    def saved(self, name: str) -> bool:
        """Whether the file there is the disk."""
        return (self.shell.folder / name).read_bytes() == DISK

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
            until(self.cached, "the image in the cache")


def failed_task(client: Client, web: Web) -> str:
    """The id of a task that has failed."""
    image = client.images.create(name="gone", disk_format="raw", container_format="bare")
    task = client.imports.begin(image, "web-download", uri=f"{web.url}/gone")
    assert task is not None
    until(lambda: client.tasks.get(task.id).status == "failure", "the failure")
    return task.id
