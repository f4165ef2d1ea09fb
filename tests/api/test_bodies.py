"""Request bodies: what is taken, and how what is not is explained."""

from typing import Any

import pytest

from calotype import errors
from calotype.api import schemas
from calotype.api.bodies import Bodies
from calotype.api.validator import UUID as UUID_PATTERN
from calotype.model.changes import Change, Op

UUID = "ABCDEF01-1111-2222-3333-444444444444"

DECLARED = schemas.declared(
    {
        "properties": {
            "kernel_id": {"type": ["null", "string"], "pattern": UUID_PATTERN},
            "cores": {"type": "integer"},
            "brace{d}.x'\"\\": {"type": "string", "maxLength": 3},
        }
    },
    "file",
)


def make(declared: schemas.Declared = DECLARED) -> Bodies:
    return Bodies(schemas.documents(["raw", "qcow2"], ["bare"], declared)["image"])


@pytest.fixture(scope="module")
def bodies() -> Bodies:
    return make()


def refusal(check: Any, body: object) -> str:
    with pytest.raises(errors.Invalid) as caught:
        check(body)
    caught.value.message.encode()  # it must be possible to send it
    return caught.value.message


# -- images ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": "x" * 255, "owner": None, "id": UUID},
        {"name": None, "disk_format": None, "container_format": None},
        {"name": "", "": "the empty name is a name", "tags": [""]},
        {"disk_format": "qcow2", "container_format": "bare", "visibility": "community"},
        {"protected": True, "os_hidden": False, "min_disk": 0, "min_ram": 2**31 - 1},
        {"tags": ["a", "a", "\u20ac" * 255], "x" * 255: "y" * 65535, "\uffff": "\u0001"},
        {"kernel_id": None},
        {"kernel_id": UUID},
        {"brace{d}.x'\"\\": "abc", "{other}": "{}"},
    ],
)
def test_a_well_formed_image_comes_back_as_it_was_sent(
    bodies: Bodies, body: dict[str, Any]
) -> None:
    assert bodies.check_image(body) == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "The request body must be a JSON object, got a list"),
        ("x", "The request body must be a JSON object, got a string"),
        (5, "The request body must be a JSON object, got a number"),
        (None, "The request body must be a JSON object, got null"),
        (True, "The request body must be a JSON object, got true"),
        ({"name": 5}, "name: must be a string of at most 255 characters or null, got a number"),
        (
            {"name": "x" * 256},
            "name: must be a string of at most 255 characters or null, "
            "got a string of 256 characters",
        ),
        ({"owner": []}, "owner: must be a string of at most 255 characters or null, got a list"),
        ({"disk_format": "foo"}, "disk_format: must be one of raw, qcow2 or null, got 'foo'"),
        ({"container_format": ""}, "container_format: must be bare or null, got ''"),
        (
            {"visibility": None},
            "visibility: must be one of public, private, shared, community, got null",
        ),
        ({"protected": "true"}, "protected: must be true or false, got a string"),
        ({"os_hidden": 1}, "os_hidden: must be true or false, got a number"),
        ({"min_ram": -1}, "min_ram: must be a whole number from 0 to 2147483647, got -1"),
        (
            {"min_disk": 2**31},
            "min_disk: must be a whole number from 0 to 2147483647, got 2147483648",
        ),
        ({"min_ram": 1e300}, "min_ram: must be a whole number from 0 to 2147483647, got a number"),
        ({"min_ram": 1.5}, "min_ram: must be a whole number from 0 to 2147483647, got 1.5"),
        ({"min_ram": True}, "min_ram: must be a whole number from 0 to 2147483647, got true"),
        ({"min_ram": None}, "min_ram: must be a whole number from 0 to 2147483647, got null"),
        (
            {"min_ram": 10**5000},
            "min_ram: must be a whole number from 0 to 2147483647, got a number",
        ),
        ({"tags": "a"}, "tags: must be a list of strings, got a string"),
        ({"tags": {"a": "b"}}, "tags: must be a list of strings, got an object"),
        (
            {"tags": ["a", 5]},
            "tags[1]: must be a string of at most 255 characters, got a number",
        ),
        ({"id": "x"}, "id: must be a UUID, got 'x'"),
        ({"id": UUID + "\n"}, f"id: must be a UUID, got '{UUID}\\n'"),
        ({"id": None}, "id: must be a UUID, got null"),
        ({"colour": 5}, "colour: must be a string, got a number"),
        ({"colour": None}, "colour: must be a string, got null"),
        ({"a b": {}}, "a b: must be a string, got an object"),
        ({"": 5}, "'': must be a string, got a number"),
        ({"a\n": 5}, "'a\\n': must be a string, got a number"),
        ({"colour": "x" * 65536}, "colour: must have at most 65535 bytes in UTF-8, got 65536"),
        ({"colour": "\u20ac" * 21846}, "colour: must have at most 65535 bytes in UTF-8, got 65538"),
        (
            {"x" * 256: "a"},
            f"{'x' * 60}…: the name of a property must have at most 255 characters, got 256",
        ),
        ({"kernel_id": "vmlinuz"}, "kernel_id: must be a UUID or null, got 'vmlinuz'"),
        ({"cores": "4"}, "cores: must be a whole number, got a string"),
        (
            {"brace{d}.x'\"\\": "abcd"},
            "brace{d}.x'\"\\: must be a string of at most 3 characters, "
            "got a string of 4 characters",
        ),
    ],
)
def test_a_malformed_image_is_refused_by_field(bodies: Bodies, body: object, message: str) -> None:
    assert refusal(bodies.check_image, body) == message


@pytest.mark.parametrize(
    ("text", "point"),
    [("a\0", "0000"), ("\U0001f600", "1F600"), ("\ud83d", "D83D"), ("\udfff", "DFFF")],
)
@pytest.mark.parametrize("field", ["name", "owner", "colour", "tags", "kernel_id"])
def test_text_no_database_can_keep_is_refused(
    bodies: Bodies, field: str, text: str, point: str
) -> None:
    body = {field: [text] if field == "tags" else text}

    assert refusal(bodies.check_image, body) == (
        f"{field}: the character U+{point} is not supported; use those from U+0001 to U+FFFF"
    )


@pytest.mark.parametrize("name", ["a\0", "\U0001f600", "\ud83d"])
def test_nor_may_it_stand_in_a_name(bodies: Bodies, name: str) -> None:
    assert "The name of a property: the character" in refusal(bodies.check_image, {name: "x"})


def test_endless_nesting_is_no_trouble(bodies: Bodies) -> None:
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]

    assert refusal(bodies.check_image, {"colour": deep}) == ("colour: must be a string, got a list")


@pytest.mark.parametrize("name", ["status", "size", "locations", "os_glance_x", "stores"])
def test_fields_that_nobody_may_set_are_left_for_the_service_to_refuse(
    bodies: Bodies, name: str
) -> None:
    assert bodies.check_image({name: 5}) == {name: 5}


def test_a_whole_number_may_be_written_as_a_fraction(bodies: Bodies) -> None:
    checked = bodies.check_image({"min_ram": 512.0, "cores": 4.0})

    assert checked == {"min_ram": 512, "cores": "4"}
    assert isinstance(checked["min_ram"], int)


def test_declared_properties_that_are_no_text_are_stored_as_json(bodies: Bodies) -> None:
    assert bodies.check_image({"cores": 4}) == {"cores": "4"}


def test_a_required_property_must_be_given() -> None:
    declared = schemas.declared({"properties": {"os": {"type": "string"}}, "required": ["os"]}, "f")
    bodies = make(declared)

    assert refusal(bodies.check_image, {}) == "os: is required"
    assert bodies.check_image({"os": "hurd"}) == {"os": "hurd"}


# -- changes of an image --------------------------------------------------------------------------


def test_the_values_of_changes_are_checked_like_those_of_a_new_image(bodies: Bodies) -> None:
    fine = Change(Op.ADD, "name", "x", strict=True)

    assert bodies.check_changes([fine]) == [fine]
    assert refusal(bodies.check_changes, [fine, Change(Op.REPLACE, "min_ram", "1")]) == (
        "min_ram: must be a whole number from 0 to 2147483647, got a string"
    )
    assert refusal(bodies.check_changes, [Change(Op.ADD, "x" * 256, "1")]).endswith("got 256")


def test_what_is_removed_has_no_value_to_check(bodies: Bodies) -> None:
    removal = Change(Op.REMOVE, "name")

    assert bodies.check_changes([removal]) == [removal]


def test_a_required_property_need_not_be_in_every_change() -> None:
    declared = schemas.declared({"properties": {"os": {"type": "string"}}, "required": ["os"]}, "f")
    rename = Change(Op.REPLACE, "name", "x")

    assert make(declared).check_changes([rename]) == [rename]


def test_changed_properties_come_back_as_the_text_to_store(bodies: Bodies) -> None:
    assert bodies.check_changes([Change(Op.ADD, "cores", 4)]) == [Change(Op.ADD, "cores", "4")]


# -- tags and members -----------------------------------------------------------------------------


def test_a_tag_has_at_most_255_characters_that_can_be_kept(bodies: Bodies) -> None:
    bodies.check_tag("\u20ac" * 255)

    assert refusal(bodies.check_tag, "x" * 256) == (
        "tag: must be a string of at most 255 characters, got a string of 256 characters"
    )
    assert refusal(bodies.check_tag, "\U0001f600").startswith("tag: the character U+1F600")


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"member": "p1", "other": {}, "\0": "\U0001f600"}, "p1"),
        ({"member": 5}, "5"),
        ({"member": 5.0}, "5"),
        ({"member": "x" * 255}, "x" * 255),
    ],
)
def test_a_member_is_a_project_by_its_id(bodies: Bodies, body: object, member: str) -> None:
    assert bodies.check_member(body) == member


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "The request body must be a JSON object, got a list"),
        ({}, "member: is required"),
        ({"member": ""}, "got an empty string"),
        ({"member": None}, "got null"),
        ({"member": True}, "got true"),
        ({"member": 0}, "got 0"),
        ({"member": 1.5}, "got 1.5"),
        ({"member": ["p1"]}, "got a list"),
        ({"member": "x" * 256}, "got a string of 256 characters"),
        ({"member": "\U0001f600"}, "member: the character U+1F600 is not supported"),
    ],
)
def test_anything_else_is_no_member(bodies: Bodies, body: object, message: str) -> None:
    assert message in refusal(bodies.check_member, body)


@pytest.mark.parametrize("status", ["pending", "accepted", "rejected"])
def test_a_member_answers_with_a_status(bodies: Bodies, status: str) -> None:
    assert bodies.check_member_status({"status": status, "member_id": 5}) == status


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "status: is required"),
        ({"status": "yes"}, "status: must be one of pending, accepted, rejected, got 'yes'"),
        ({"status": 5}, "status: must be one of pending, accepted, rejected, got a number"),
        ([], "The request body must be a JSON object, got a list"),
    ],
)
def test_and_with_nothing_else(bodies: Bodies, body: object, message: str) -> None:
    assert refusal(bodies.check_member_status, body) == message


# -- imports, tasks, locations --------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        {"method": {"name": "glance-direct"}},
        {"method": {"name": "some-other", "with": 1}, "more": 1},
        {"method": {"name": "web-download", "uri": "http://h/x"}, "stores": ["a", "b"]},
        {"method": {"name": "glance-direct"}, "stores": None, "all_stores": True},
        {"method": {"name": "copy-image"}, "all_stores": False, "stores": ["a"]},
        {"method": {"name": "copy-image"}, "all_stores": True, "all_stores_must_succeed": False},
        {"method": {"name": "glance-download", "glance_image_id": UUID, "glance_region": "r"}},
    ],
)
def test_a_complete_order_for_an_import_is_taken(bodies: Bodies, body: dict[str, Any]) -> None:
    assert bodies.check_import(body) == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "method: is required"),
        ({"method": "web-download"}, "method: must be an object, got a string"),
        ({"method": {}}, "method.name: is required"),
        ({"method": {"name": 5}}, "method.name: must be a string, got a number"),
        ({"method": {"name": "web-download"}}, "method.uri: is required for web-download"),
        (
            {"method": {"name": "web-download", "uri": ""}},
            "method.uri: must be a string that is not empty, got an empty string",
        ),
        (
            {"method": {"name": "glance-download", "glance_image_id": UUID}},
            "method.glance_region: is required for glance-download",
        ),
        (
            {"method": {"name": "glance-download", "glance_image_id": "x"}},
            "method.glance_image_id: must be a UUID, got 'x'",
        ),
        (
            {"method": {"name": "x"}, "stores": "file1"},
            "stores: must be a list of strings or null, got a string",
        ),
        (
            {"method": {"name": "x"}, "stores": [5]},
            "stores[0]: must be a string that is not empty, got a number",
        ),
        (
            {"method": {"name": "x"}, "all_stores": "true"},
            "all_stores: must be true or false, got a string",
        ),
        (
            {"method": {"name": "x"}, "all_stores_must_succeed": 0},
            "all_stores_must_succeed: must be true or false, got a number",
        ),
        (
            {"method": {"name": "x"}, "all_stores": True, "stores": ["a"]},
            "stores: cannot be combined with all_stores",
        ),
    ],
)
def test_an_incomplete_order_is_refused(bodies: Bodies, body: object, message: str) -> None:
    assert refusal(bodies.check_import, body) == message


def test_a_task_of_type_import_is_taken(bodies: Bodies) -> None:
    given = {"import_from": "http://h/x", "import_from_format": "raw", "image_properties": {}}

    assert bodies.check_task({"type": "import", "input": given})["input"] == given


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"type": "import"}, "input: is required"),
        ({"type": "export", "input": {}}, "type: must be import, got 'export'"),
        ({"type": "import", "input": None}, "input: must be an object, got null"),
        ({"type": "import", "input": {}}, "input.import_from: is required"),
        (
            {
                "type": "import",
                "owner": "me",
                "input": {
                    "import_from": "http://h/x",
                    "import_from_format": "raw",
                    "image_properties": {},
                },
            },
            "owner: cannot be set for a new task",
        ),
    ],
)
def test_any_other_task_is_refused(bodies: Bodies, body: object, message: str) -> None:
    assert refusal(bodies.check_task, body) == message


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://h/x", "anything": 1},
        {"url": "u", "validation_data": {}},
        {"url": "x" * 5000, "validation_data": {"os_hash_algo": "md5", "os_hash_value": "00"}},
    ],
)
def test_a_location_is_taken(bodies: Bodies, body: dict[str, Any]) -> None:
    assert bodies.check_location(body) == body


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "url: is required"),
        ({"url": 5}, "url: must be a string that is not empty, got a number"),
        (
            {"url": "u", "validation_data": {"os_hash_value": "00"}},
            "validation_data.os_hash_algo: is required",
        ),
        (
            {"url": "u", "validation_data": {"os_hash_algo": "md5"}},
            "validation_data.os_hash_value: is required",
        ),
        ({"url": "u", "validation_data": None}, "validation_data: must be an object, got null"),
        (
            {"url": "u", "validation_data": {"os_hash_algo": "crc", "os_hash_value": "0"}},
            "validation_data.os_hash_algo: must be one of sha1, sha256, sha512, md5, got 'crc'",
        ),
        (
            {
                "url": "u",
                "validation_data": {"os_hash_algo": "md5", "os_hash_value": "0", "\u00e9": 1},
            },
            "validation_data.\u00e9: is not known; known are os_hash_algo, os_hash_value",
        ),
    ],
)
def test_any_other_location_is_refused(bodies: Bodies, body: object, message: str) -> None:
    assert refusal(bodies.check_location, body) == message
