"""A program that uses the released openstacksdk gets what it asks for."""

import hashlib
from pathlib import Path

from tests.clients.conftest import Cloud

SCRIPT = Path(__file__).with_name("sdk_script.py")


def test_the_work_of_a_program(cloud: Cloud, disk: Path, tmp_path: Path) -> None:
    data = disk.read_bytes()
    md5, sha512 = hashlib.md5(data).hexdigest(), hashlib.sha512(data).hexdigest()
    project = cloud.projects["red"]
    # Only a member answers for itself, or who may do everything.
    everything = ["--all"] if cloud.identity == "none" else []
    seen = cloud.member.script(SCRIPT, disk, tmp_path, project, *everything)

    assert seen["created"] == ["sdk", "active", len(data), md5, sha512, ["sdk"]]
    assert seen["uploaded"] == ["active", 4]
    assert seen["waiting"] == "queued"

    assert seen["found by name"] is True
    assert seen["found by id"] == "sdk"
    assert seen["not found"] is None
    assert seen["got"] == "red"
    assert seen["listed"] == ["sdk-3", "sdk-2", "sdk"]
    assert seen["filtered"] == ["sdk-3"]
    assert seen["small"] == ["sdk-2"]

    name, min_ram, properties = seen["updated"]
    assert (name, min_ram) == ("sdk new", 64)
    assert {"colour": "blue", "shape": "round"}.items() <= properties.items()
    assert seen["tags"] == ["more"]

    assert seen["streamed"] == sha512
    assert (tmp_path / "copy").read_bytes() == data
    assert seen["downloaded"] == "data"

    answer = "accepted" if everything else "pending"
    assert seen["answered"] == ("accepted" if everything else None)
    assert seen["members"] == [[project, answer]]
    assert seen["member"] is True
    assert seen["members left"] == 0

    assert seen["deactivated"] == "deactivated"
    assert seen["reactivated"] == "active"
    assert seen["schemas"] == ["integer", "images", "member", "members"]
    assert seen["imports"] == "array"
    assert seen["simple"] == ["active", len(data), ["sdk simple"], True, None]
    assert seen["protected"].endswith("is protected: set protected to false first")
    assert seen["gone"].startswith("There is no image with the id")
