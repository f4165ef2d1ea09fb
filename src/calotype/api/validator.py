"""Checking a value against a JSON schema, with messages made for the person who sent it."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from calotype import errors

#: How an id is written; upper case is accepted, and kept.
UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"

#: Longest piece of what was sent that a message repeats, in characters.
_QUOTED = 60

#: What no database of ours can keep in a text: NUL (PostgreSQL), characters of four bytes in UTF-8
#: (the three-byte utf8 of Glance's MariaDB tables), halves of surrogate pairs (none of them).
_UNFIT = re.compile("[\0\ud800-\udfff\U00010000-\U0010ffff]")

#: In draft 4 a whole number is written as one: 1.0 is not an integer.
_DRAFT = {"$schema": "http://json-schema.org/draft-04/schema#"}


class Validator:
    """One JSON schema (draft 4), compiled when it is first needed."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = {**_DRAFT, **schema}
        self._compiled: Callable[[Any], Any] | None = None

    def check(self, value: object, field: str) -> None:
        """Return if the value of `field` is as the schema says, else raise Invalid saying how.

        An empty `field` stands for a whole body: its own fields are then named.
        """
        # Not at the top of the file: starting must not pay for what the first check needs.
        from fastjsonschema import JsonSchemaValueException

        compiled = self._compiled or self.compile()
        try:
            compiled(value)
        except JsonSchemaValueException as error:
            raise errors.Invalid(_message(error, field)) from None

    def compile(self) -> Callable[[Any], Any]:
        """Compile now. Raises ValueError when the schema is none."""
        import fastjsonschema

        refused = dict.fromkeys(("http", "https", "ftp", "file"), _refuse_remote)
        try:
            compiled: Callable[[Any], Any] = fastjsonschema.compile(
                self._schema, handlers=refused, use_default=False
            )
        except (fastjsonschema.JsonSchemaException, re.error, TypeError, AttributeError) as error:
            raise ValueError(str(error)) from error
        self._compiled = compiled
        return compiled


def _refuse_remote(uri: str) -> NoReturn:
    raise ValueError(f"{uri} lies elsewhere; a schema must be complete in itself")


def check_text(value: object, field: str) -> None:
    """Return if every text in a JSON value can be stored, else raise Invalid naming the character.

    Keys of objects count as texts. Works without recursion, so that no nesting is too deep.
    """
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            _check_characters(part, field)
        elif isinstance(part, Mapping):
            waiting.extend(part.keys())
            waiting.extend(part.values())
        elif isinstance(part, Sequence):
            waiting.extend(part)


def _check_characters(text: str, field: str) -> None:
    found = _UNFIT.search(text)
    if found:
        raise errors.Invalid(
            f"{field}: the character U+{ord(found[0]):04X} is not supported; "
            "use those from U+0001 to U+FFFF"
        )


def label(name: str) -> str:
    """A name from a request as a message may repeat it: printable, and not too long."""
    short = name if len(name) <= _QUOTED else f"{name[:_QUOTED]}…"
    return short if short.isprintable() and short.strip() == short and short else ascii(short)


# -- messages -------------------------------------------------------------------------------------


def _message(error: Any, field: str) -> str:
    """What is wrong, from the rule that failed: the field, what it must be, what was sent."""
    where = _path(field, error.path[1:])
    rule, definition, value = error.rule, error.definition, error.value
    if rule == "required":
        missing = next(name for name in definition["required"] if name not in value)
        return f"{_path(where, [missing])}: is required"
    if rule == "additionalProperties":
        unknown = _path(where, [label(_unknown(definition, value))])
        return f"{unknown}: is not known; known are {', '.join(definition.get('properties', ()))}"
    return f"{where}: must be {expected(definition)}, got {_got(rule, value)}"


def _unknown(definition: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    """The first key of an object that its schema does not allow."""
    known, patterns = definition.get("properties", ()), definition.get("patternProperties", ())
    left = (name for name in value if name not in known)
    return next(name for name in left if not any(re.search(p, name) for p in patterns))


def _path(field: str, steps: Sequence[str]) -> str:
    """A place within a field; within the body itself (no field) the first step is the field."""
    for step in steps:
        field += f"[{step}]" if step.isdigit() else f".{step}" if field else step
    return field


def expected(schema: object) -> str:
    """What a schema asks for, in words: `a string of at most 255 characters or null`."""
    if not isinstance(schema, Mapping):  # an operator's schema may say true or false
        return "as its schema says"
    if "enum" in schema:
        choices = [str(choice) for choice in schema["enum"] if choice is not None]
        null = " or null" if None in schema["enum"] else ""
        return f"{'one of ' if len(choices) > 1 else ''}{', '.join(choices)}{null}"
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = [_KINDS[kind](schema) for kind in sorted(kinds, key="null".__eq__)]
    return " or ".join(words) or "as its schema says"


def _string(schema: Mapping[str, Any]) -> str:
    if schema.get("pattern") == UUID:
        return "a UUID"
    low, high = schema.get("minLength", 0), schema.get("maxLength")
    pattern = f" that matches {schema['pattern']}" if "pattern" in schema else ""
    if high is not None:
        span = f"{low} to {high}" if low else f"at most {high}"
        return f"a string of {span} characters{pattern}"
    words = {0: "a string", 1: "a string that is not empty"}
    return words.get(low, f"a string of at least {low} characters") + pattern


def _integer(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None:
        return "a whole number"
    if high is None:
        return f"a whole number of {low} or more"
    return f"a whole number from {low} to {high}"


def _array(schema: Mapping[str, Any]) -> str:
    items = schema.get("items")
    strings = isinstance(items, Mapping) and items.get("type") == "string"
    return "a list of strings" if strings else "a list"


_KINDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "string": _string,
    "integer": _integer,
    "array": _array,
    "number": lambda _: "a number",
    "boolean": lambda _: "true or false",
    "object": lambda _: "an object",
    "null": lambda _: "null",
}


def kind_of(value: object) -> str:
    """What sort of JSON value something is, in words."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "an object"
    return "a list" if isinstance(value, Sequence) else "a number"


def _got(rule: str, value: object) -> str:
    """What was sent, as far as it matters for the rule that failed."""
    if isinstance(value, str) and rule in ("maxLength", "minLength"):
        return f"a string of {len(value)} characters" if value else "an empty string"
    if isinstance(value, str) and rule != "type":
        return ascii(value[:_QUOTED]) + ("…" if len(value) > _QUOTED else "")
    if isinstance(value, float) or (rule in ("minimum", "maximum") and _short(value)):
        return str(value)
    return kind_of(value)


def _short(value: object) -> bool:
    return isinstance(value, int) and value.bit_length() <= 64
