"""The ways to say where the cloud is, of the page for those who begin, with a real Keystone."""

import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from terminal import SOURCE
from terminal import Terminal as Client

from tests.keystone import MEMBER, OTHER, PASSWORD, REGION, Keystone, Person
from tests.service import Service
from tools.terminal import Terminal

PAGE = (Path(__file__).parents[2] / "docs" / "client" / "five-minutes.md").read_text()

#: The worker that has a Keystone and the service behind it already.
pytestmark = pytest.mark.xdist_group("client/tests/test_client_people.py")


def block(language: str, words: str) -> str:
    """The block of the page that has these words."""
    found = re.findall(rf"^( *)```{language}\n(.*?)```", PAGE, re.M | re.S)
    [text] = [text for _, text in found if words in text]
    return str(text)


def shows(folder: Path, *lines: str) -> str:
    """What the last of these lines shows, typed by somebody who has this folder only.

    `clouds.yaml` is looked for when the client is loaded, so it is loaded here.
    """
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shown = ""
    with Terminal(folder, {"PATH": programs, "PYTHONPATH": str(SOURCE)}) as terminal:
        for line in lines:
            status, shown = terminal.type(line)
            assert status == 0, f"{line} ended with {status}:\n{shown}"
    return shown


@pytest.mark.parametrize("place", [".", ".config/openstack"])
def test_clouds_yaml(cloud: Service, keystone: Keystone, place: str, tmp_path: Path) -> None:
    clouds = yaml.safe_load(block("yaml", "clouds:"))
    mine = clouds["clouds"]["mycloud"]
    assert (mine["auth"]["username"], mine["auth"]["project_name"]) == (MEMBER.name, MEMBER.project)
    mine["auth"] |= {"auth_url": keystone.url, "password": PASSWORD}
    mine["region_name"] = REGION
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / "clouds.yaml").write_text(yaml.safe_dump(clouds))
    named = block("sh", "OS_CLOUD").strip()
    assert "queued" in shows(tmp_path, named, "calotype image create of-clouds-yaml")


def test_openrc(cloud: Service, keystone: Keystone, tmp_path: Path) -> None:
    lines = [
        f"export {name}={shlex.quote(value)}"
        for name, value in keystone.environment(MEMBER).items()
    ]
    (tmp_path / "mycloud-openrc.sh").write_text("\n".join(lines))
    sourced = block("sh", "openrc").strip()
    assert "queued" in shows(tmp_path, sourced, "calotype image create of-openrc")


def test_no_cloud_is_named(anybody: Client) -> None:
    said = replace(anybody, identity={}).complaint("image", "list", status=2)
    [words] = re.findall(r"When a command says \*(.+?)\*", PAGE.replace("\n", " "))
    assert said.startswith(words)
    assert "OS_CLOUD or --os-cloud" in said


def test_what_waits_for_an_answer(people: dict[Person, Client], keystone: Keystone) -> None:
    """As the page says of sharing."""
    [command] = re.findall(r"`calotype (image list --member-status pending)`", PAGE)
    mary, otto = people[MEMBER], people[OTHER]
    id_ = mary.json("image", "create", "offered")["id"]
    mary.type("image", "member", "add", "offered", keystone.projects[OTHER.project])
    assert id_ in [it["ID"] for it in otto.json(*command.split())]
