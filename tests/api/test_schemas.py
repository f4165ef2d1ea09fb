"""The documents at /v2/schemas, and what operators may declare."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype import errors
from calotype.api import schemas

DISK = ["ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"]
CONTAINER = ["ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"]

#: What Glance 33 answers with its default settings, without the descriptions.
GLANCE = json.loads((Path(__file__).parent / "data" / "glance-33-schemas.json").read_text())


@pytest.fixture(scope="module")
def documents() -> dict[str, schemas.Document]:
    return schemas.documents(DISK, CONTAINER)


def bare(part: Any) -> Any:
    """A document without the texts for people, and without the order of choices."""
    if isinstance(part, dict):
        kept = {k: v for k, v in part.items() if k != "description" or not isinstance(v, str)}
        return {
            key: set(value) if key == "enum" and isinstance(value, list) else bare(value)
            for key, value in kept.items()
        }
    return [bare(value) for value in part] if isinstance(part, list) else part


def texts(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("description"), str):
            yield part["description"]
        for value in part.values():
            yield from texts(value)
    elif isinstance(part, list):
        for value in part:
            yield from texts(value)


@pytest.mark.parametrize("name", sorted(GLANCE))
def test_what_machines_read_is_as_in_glance(
    documents: dict[str, schemas.Document], name: str
) -> None:
    ours, theirs = bare(documents[name]), bare(GLANCE[name])
    if name in ("task", "tasks"):  # python-glanceclient refuses tasks of types it is not told of
        task = theirs if name == "task" else theirs["properties"]["tasks"]["items"]
        task["properties"]["type"]["enum"].add("calculate_hash")
    assert ours == theirs


def test_there_are_no_other_documents(documents: dict[str, schemas.Document]) -> None:
    assert set(documents) == set(GLANCE)


@pytest.mark.parametrize("name", ["image", "task"])
def test_every_field_that_is_not_a_link_is_described(
    documents: dict[str, schemas.Document], name: str
) -> None:
    silent = {k for k, v in documents[name]["properties"].items() if "description" not in v}

    assert silent <= {"self", "schema"}
    assert all(text.strip() for text in texts(documents[name]))


def test_the_formats_are_those_of_the_site() -> None:
    image = schemas.documents(["raw", "iso"], ["bare"])["image"]

    assert image["properties"]["disk_format"]["enum"] == [None, "raw", "iso"]
    assert image["properties"]["container_format"]["enum"] == [None, "bare"]


# -- declared properties --------------------------------------------------------------------------

FLAT = {"os_distro": {"type": "string", "description": "Which system"}, "n": {"type": "integer"}}


def test_declared_properties_stand_in_the_image_document_marked_as_not_ours() -> None:
    declared = schemas.declared(FLAT, "file")

    found = schemas.documents(DISK, CONTAINER, declared)

    for image in (found["image"], found["images"]["properties"]["images"]["items"]):
        assert image["properties"]["os_distro"] == {
            "type": "string",
            "description": "Which system",
            "is_base": False,
        }
        assert list(image["properties"])[-2:] == ["os_distro", "n"]
        assert "required" not in image


def test_the_other_layout_also_says_what_is_required() -> None:
    declared = schemas.declared({"properties": FLAT, "required": ["os_distro"]}, "file")

    image = schemas.documents(DISK, CONTAINER, declared)["image"]

    assert image["required"] == ["os_distro"]
    assert image["properties"]["n"] == {"type": "integer", "is_base": False}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "maps property names to schemas"),
        ({"properties": [1]}, "maps property names to schemas"),
        ({"properties": {"type": "string"}}, "'type' must be described by an object"),
        ({"properties": {}, "required": "a"}, "'required' must be a list of property names"),
        ({"properties": {}, "required": [1]}, "'required' must be a list of property names"),
        ({"name": {"type": "string"}}, "'name' is a field that every image has"),
        ({"a": "string"}, "'a' must be described by an object"),
        ({"a": {"type": "text"}}, "'a' has a schema that cannot be used"),
        ({"a": {"pattern": "("}}, "'a' has a schema that cannot be used"),
        ({"a": {"$ref": "http://127.0.0.1:9/x"}}, "a schema must be complete in itself"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name(content: object, message: str) -> None:
    with pytest.raises(errors.BadSettings) as caught:
        schemas.declared(content, "etc/schema-image.json")

    assert caught.value.message.startswith("etc/schema-image.json: ")
    assert message in caught.value.message


def test_the_first_file_in_the_directories_counts(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        declaration = {f"from_{number}": {"type": "string"}}
        (folder / "schema-image.json").write_text(json.dumps(declaration))

    found = schemas.custom_properties([tmp_path / "absent", tmp_path / "1", tmp_path / "2"])

    assert set(found.properties) == {"from_1"}


def test_without_a_file_nothing_is_declared(tmp_path: Path) -> None:
    assert schemas.custom_properties([tmp_path]) == schemas.NOTHING_DECLARED
    assert schemas.custom_properties([]) == schemas.NOTHING_DECLARED


@pytest.mark.parametrize("content", [b"{bad", b"\xff\xfe"])
def test_a_file_that_is_no_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "schema-image.json"
    path.write_bytes(content)

    with pytest.raises(errors.BadSettings, match="cannot be read as JSON") as caught:
        schemas.custom_properties([tmp_path])

    assert str(path) in caught.value.message
