"""What an operation of the API is, as data: what it takes and what it may answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JSON = "application/json"
TEXT = "text/plain"
OCTETS = "application/octet-stream"
PATCH_V21 = "application/openstack-images-v2.1-json-patch"
PATCH_V20 = "application/openstack-images-v2.0-json-patch"

TEXT_VALUE: Mapping[str, Any] = {"type": "string"}
SIZE: Mapping[str, Any] = {"type": "integer", "minimum": 0}
INT: Mapping[str, Any] = {"type": "integer"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter outside the body. `free`: its keys are parameters with any name."""

    name: str
    where: Literal["path", "query", "header"]
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: TEXT_VALUE)
    free: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer: its bodies by media type, and the headers it may have."""

    description: str
    bodies: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `refusals`: its statuses of failure beside those all calls share.

    `needs_body`: false where a body may be left out.
    """

    id: str
    summary: str
    tag: str
    answers: Mapping[int, Answer]
    refusals: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    bodies: Mapping[str, str] = field(default_factory=dict)
    needs_body: bool = True
    open: bool = False


def query(name: str, description: str, schema: Mapping[str, Any] = TEXT_VALUE) -> Parameter:
    """A parameter of the query."""
    return Parameter(name, "query", description, schema)


def header(name: str, description: str, schema: Mapping[str, Any] = TEXT_VALUE) -> Parameter:
    """A header that the request may have."""
    return Parameter(name, "header", description, schema)


def json(description: str, body: str, **headers: str) -> Answer:
    """An answer in JSON; `_` in the name of a header stands for `-`."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(description, {JSON: body}, named)


def repeated(description: str, name: str, schema: Mapping[str, Any]) -> Parameter:
    """A parameter of the query that may be given several times."""
    return query(name, description, {"type": "array", "items": schema})


#: What most changes answer.
DONE = {204: Answer("Done")}
