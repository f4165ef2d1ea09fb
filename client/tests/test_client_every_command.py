"""Every command of the client behind a real Keystone: a process whose output is read."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from calotype_client.cli.command import ListVerb, ShowVerb
from calotype_client.cli.verbs import COMMANDS
from tests.imports.web import Web, page
from tests.keystone import ADMIN, MEMBER, OTHER, READER, Keystone, Person
from tests.service import Service

#: The worker that has a Keystone and the service behind it already.
pytestmark = pytest.mark.xdist_group("client/tests/test_client_people.py")


@dataclass
class Tour:
    """People at terminals. `seen`: the commands that have ended well, and showed what they should.

    Nothing else adds to `seen`, so a command that nobody tries is missed at the end.
    """

    people: dict[Person, Terminal]
    keystone: Keystone
    seen: set[str] = field(default_factory=set)

    def reads(self, who: Person, *words: str | Path) -> Any:
        """What a command shows; that of one which shows nothing is not JSON."""
        found = self.people[who].json(*words)
        self.seen.add(self._name(words, shows=True))
        return found

    def does(self, who: Person, *words: str | Path) -> None:
        """Run a command that is silent when all is well."""
        shown = self.people[who].type(*words)
        assert (shown.text, shown.complaint) == ("", "")
        self.seen.add(self._name(words, shows=False))

    def soon(self, look: Callable[[], Any]) -> Any:
        """What `look` gives as soon as it gives something."""
        deadline = time.monotonic() + 30
        while not (found := look()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        return found

    def _name(self, words: tuple[str | Path, ...], *, shows: bool) -> str:
        typed = [" ".join(map(str, words[:count])) for count in (3, 2)]
        name = next(it for it in typed if it in COMMANDS)
        assert issubclass(COMMANDS[name], ListVerb | ShowVerb) == shows
        return name


def test_every_command(
    people: dict[Person, Terminal], keystone: Keystone, cloud: Service, web: Web, disk: Path
) -> None:
    tour = Tour(people, keystone)
    data_up_and_down(tour, disk)
    fields_and_tags(tour)
    imports_and_tasks(tour, disk)
    locations(tour, web, disk)
    members(tour)
    the_cache(tour, cloud, disk)
    assert tour.seen == set(COMMANDS)


def data_up_and_down(tour: Tour, disk: Path) -> None:
    made = tour.reads(MEMBER, "image", "create", "tour", "--file", disk)
    assert (made["status"], made["owner"]) == ("active", tour.keystone.projects["blue"])
    tour.reads(MEMBER, "image", "create", "late")
    tour.does(MEMBER, "image", "upload", "late", "--file", disk)
    assert tour.reads(READER, "image", "show", "late")["size"] == disk.stat().st_size
    tour.does(MEMBER, "image", "save", "tour", "--file", "copy")
    assert (tour.people[MEMBER].folder / "copy").read_bytes() == disk.read_bytes()
    assert tour.reads(MEMBER, "image", "verify", "tour", "--file", "copy")["result"] == "right"
    tour.does(MEMBER, "image", "delete", "late")
    assert tour.reads(READER, "image", "list", "--name", "late") == []


def fields_and_tags(tour: Tour) -> None:
    shown = tour.reads(MEMBER, "image", "set", "tour", "--tag", "new", "--property", "os_distro=x")
    assert (shown["tags"], shown["properties"]) == (["new"], {"os_distro": "x"})
    shown = tour.reads(MEMBER, "image", "unset", "tour", "--tag", "new", "--property", "os_distro")
    assert (shown["tags"], shown["properties"]) == ([], {})


def imports_and_tasks(tour: Tour, disk: Path) -> None:
    stores = tour.reads(MEMBER, "store", "list")
    assert [it["ID"] for it in stores if it["Default"]] == ["fast"]
    assert {"Method": "glance-direct"} in tour.reads(MEMBER, "image", "import", "methods")
    tour.reads(MEMBER, "image", "create", "imported")
    tour.does(MEMBER, "image", "stage", "imported", "--file", disk)
    made = tour.reads(MEMBER, "image", "import", "imported", "--store", "far", "--wait")
    assert (made["status"], made["owner"]) == ("active", tour.keystone.projects["blue"])
    hashed = tour.reads(ADMIN, "image", "hash", "imported", "--algorithm", "sha256", "--wait")
    assert (hashed["os_hash_algo"], hashed["stores"]) == ("sha256", ["far"])
    tasks = {it["Type"]: it["ID"] for it in tour.reads(READER, "image", "tasks", "imported")}
    assert tasks.keys() == {"api_image_import", "calculate_hash"}
    task = tasks["api_image_import"]
    listed = tour.reads(ADMIN, "task", "list", "--status", "success")
    assert task in [it["ID"] for it in listed]
    assert tour.reads(ADMIN, "task", "show", task)["type"] == "api_image_import"


def locations(tour: Tour, web: Web, disk: Path) -> None:
    web.pages["/tour"] = page(disk.read_bytes())
    tour.reads(MEMBER, "image", "create", "located")
    there = (f"{web.url}/tour", "--disk-format", "raw")
    tour.does(MEMBER, "image", "location", "add", "located", *there)
    tour.soon(lambda: tour.reads(MEMBER, "image", "show", "located")["status"] == "active")
    [found] = tour.reads(ADMIN, "image", "location", "list", "located")
    assert found == {"URL": f"{web.url}/tour", "Metadata": {"store": "web"}}


def members(tour: Tour) -> None:
    red, id_ = tour.keystone.projects["red"], tour.reads(MEMBER, "image", "show", "tour")["id"]
    pending = {"Image ID": id_, "Member ID": red, "Status": "pending"}
    assert tour.reads(MEMBER, "image", "member", "add", "tour", red) == pending
    accepted = tour.reads(OTHER, "image", "member", "set", id_, red, "--accept")
    assert accepted == {**pending, "Status": "accepted"}
    assert tour.reads(OTHER, "image", "member", "show", id_, red) == accepted
    assert tour.reads(MEMBER, "image", "member", "list", "tour") == [accepted]
    tour.does(MEMBER, "image", "member", "remove", "tour", red)
    assert tour.reads(MEMBER, "image", "member", "list", "tour") == []


def the_cache(tour: Tour, cloud: Service, disk: Path) -> None:
    id_ = tour.reads(MEMBER, "image", "create", "to-be-cached", "--file", disk)["id"]

    def cached() -> bool:
        listed = tour.reads(ADMIN, "cache", "list")
        return (id_, "cached") in [(it["ID"], it["State"]) for it in listed]

    for end in (("delete", id_), ("clear",)):
        tour.does(ADMIN, "cache", "queue", id_)
        tour.soon(cached)
        assert tour.reads(ADMIN, "cache", "nodes", id_) == [{"Node": cloud.url}]
        tour.does(ADMIN, "cache", *end)
        assert tour.reads(ADMIN, "cache", "nodes", id_) == []
