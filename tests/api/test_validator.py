"""Schemas as operators write them: whatever fails, the message must come."""

import os
import subprocess
import sys
from typing import Any

import pytest

from calotype import errors
from calotype.api.validator import Validator


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        ({"type": "number", "minimum": 1.5}, 1, "f: must be a number, got 1"),
        ({"type": "integer", "minimum": 3}, 2, "f: must be a whole number of 3 or more, got 2"),
        ({"type": "string", "minLength": 3}, "ab", "at least 3 characters, got a string of 2"),
        ({"type": "string", "pattern": "^a"}, "b", "f: must be a string that matches ^a, got 'b'"),
        ({"oneOf": [{"type": "string"}]}, 5, "f: must be as its schema says, got a number"),
        ({"not": {"type": "string"}}, "a", "f: must be as its schema says, got 'a'"),
        ({"enum": ["a"]}, "x" * 100, f"f: must be a, got '{'x' * 60}'…"),
        ({"enum": ["a"]}, "\u202e", "f: must be a, got '\\u202e'"),
        ({"type": ["array", "null"], "maxItems": 1}, [1, 2], "must be a list or null, got a list"),
        (
            {"type": "array", "items": {"type": "array", "items": {"type": "null"}}},
            [[1]],
            "f[0][0]",
        ),
        (
            {"type": "object", "patternProperties": {"^a": {}}, "additionalProperties": False},
            {"a": 1, "b": 2},
            "f.b: is not known",
        ),
        ({"type": "object", "required": ["a"]}, {}, "f.a: is required"),
    ],
)
def test_the_message_says_what_was_expected(
    schema: dict[str, Any], value: object, message: str
) -> None:
    with pytest.raises(errors.Invalid) as caught:
        Validator(schema).check(value, "f")

    assert message in caught.value.message


@pytest.mark.parametrize("schema", [{"type": "text"}, {"pattern": "("}, {"$ref": "file:///x"}])
def test_a_schema_that_is_none_can_be_found_out_at_start(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Validator(schema).compile()


def test_defaults_in_a_schema_do_not_change_what_was_sent() -> None:
    value: dict[str, Any] = {}

    Validator({"type": "object", "properties": {"a": {"default": 1}}}).check(value, "f")

    assert value == {}


def test_starting_does_not_load_the_schema_compiler() -> None:
    code = (
        "import sys; from calotype.api import schemas, bodies, versions, openapi; "
        "documents = schemas.documents(['raw'], ['bare']); bodies.Bodies(documents['image']); "
        "openapi.build(documents); sys.exit('fastjsonschema' in sys.modules)"
    )

    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert run.returncode == 0
