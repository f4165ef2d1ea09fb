"""The published description of the API: valid, complete, and true to the routes and answers."""

import re
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from calotype.api import failures, openapi, render, routes, schemas
from calotype.api.operations import OPERATIONS, PATH_PARAMETERS
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location
from calotype.model.member import Acceptance, Member
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore

MOMENT = datetime(2026, 11, 21, 2, 11)
DOCUMENTS = schemas.documents(
    ["raw"], ["bare"], schemas.declared({"os_distro": {"type": "string"}}, "file")
)


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    return openapi.build(DOCUMENTS)


def calls(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in description["paths"].items():
        for method, call in item.items():
            if method != "parameters":
                yield path, method, call


def refs(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from refs(value)
    elif isinstance(part, list):
        for value in part:
            yield from refs(value)


def check(description: dict[str, Any], component: str, value: object) -> None:
    schema = {
        "$ref": f"#/components/schemas/{component}",
        "components": description["components"],
    }
    jsonschema.Draft202012Validator(schema).validate(value)


def test_it_is_valid_openapi(description: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(description).validate()


def test_it_describes_the_routes_and_nothing_else() -> None:
    class AnyHandler:
        def __getattr__(self, _name: str) -> object:
            return self

    handlers = SimpleNamespace(**dict.fromkeys(routes.Handlers.__dataclass_fields__, AnyHandler()))
    table = routes.table(cast(routes.Handlers, handlers))

    routed = {(method, path) for path, methods in table.items() for method in methods}
    assert set(OPERATIONS) == routed


def test_what_operators_declare_may_use_all_of_json_schema() -> None:
    odd = {"type": "array", "items": [{"type": "string"}], "additionalProperties": False}
    declared = schemas.declared({"odd": odd}, "file")

    described = openapi.build(schemas.documents(["raw"], ["bare"], declared))

    assert described["components"]["schemas"]["NewImage"]["properties"]["odd"]["items"] == [
        {"type": "string"}
    ]


def test_every_call_has_an_id_of_its_own_and_a_summary(description: dict[str, Any]) -> None:
    ids = [call["operationId"] for _, _, call in calls(description)]

    assert len(ids) == len(set(ids)) == len(OPERATIONS)
    assert all(call["summary"] for _, _, call in calls(description))


def test_every_name_in_a_path_is_a_parameter(description: dict[str, Any]) -> None:
    used = set()
    for path, item in description["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        assert [parameter["name"] for parameter in item.get("parameters", [])] == names
        used |= set(names)

    assert used == set(PATH_PARAMETERS)


def test_no_component_is_idle(description: dict[str, Any]) -> None:
    components = description["components"]

    known = {
        f"#/components/{kind}/{name}"
        for kind in ("schemas", "responses")
        for name in components[kind]
    }
    assert set(refs(description)) == known


def test_every_refusal_is_one_that_an_error_of_ours_or_the_guard_leads_to() -> None:
    assert set(openapi.REFUSALS) == {*failures.STATUS.values(), 431} - {500}


@pytest.mark.parametrize("path", ["/", "/versions", "/healthcheck", "/v2/openapi.json"])
def test_looking_around_needs_no_identity(description: dict[str, Any], path: str) -> None:
    call = description["paths"][path]["get"]

    assert call["security"] == []
    assert "401" not in call["responses"]


def test_everything_else_does(description: dict[str, Any]) -> None:
    open_calls = {path for path, _, call in calls(description) if call["security"] == []}

    assert open_calls == {"/", "/versions", "/healthcheck", "/v2/openapi.json"}
    assert all(
        {"400", "401", "403", "503"} <= set(call["responses"])
        for path, _, call in calls(description)
        if path not in open_calls
    )


@pytest.mark.parametrize(
    ("strategy", "schemes"),
    [
        ("keystone", ["token"]),
        ("http_basic", ["password"]),
        ("none", []),
        (None, ["token", "password"]),
    ],
)
def test_how_to_say_who_one_is_depends_on_the_site(
    strategy: str | None, schemes: list[str]
) -> None:
    description = openapi.build(DOCUMENTS, strategy)

    assert list(description["components"]["securitySchemes"]) == schemes
    security = description["paths"]["/v2/images"]["get"]["security"]
    assert security == [{scheme: []} for scheme in schemes]
    OpenAPIV31SpecValidator(description).validate()


def test_the_documents_that_can_be_asked_for_are_named(description: dict[str, Any]) -> None:
    [own] = description["paths"]["/v2/schemas/{name}"]["parameters"]
    [metadefs] = description["paths"]["/v2/schemas/metadefs/{name}"]["parameters"]

    assert own["schema"] == {"enum": ["image", "images", "member", "members", "task", "tasks"]}
    assert len(metadefs["schema"]["enum"]) == len(DOCUMENTS) - 6
    assert "namespace" in metadefs["schema"]["enum"]


def test_bodies_are_said_for_calls_that_take_one(description: dict[str, Any]) -> None:
    takers = {
        (method, path): set(call["requestBody"]["content"])
        for path, method, call in calls(description)
        if "requestBody" in call
    }

    assert takers == {
        ("post", "/v2/images"): {"application/json"},
        ("post", "/v2/images/{image_id}/hash"): {"application/json"},
        ("post", "/v2/images/{image_id}/locations"): {"application/json"},
        ("patch", "/v2/images/{image_id}"): {
            "application/openstack-images-v2.1-json-patch",
            "application/openstack-images-v2.0-json-patch",
        },
        ("put", "/v2/images/{image_id}/file"): {"application/octet-stream"},
        ("put", "/v2/images/{image_id}/stage"): {"application/octet-stream"},
        ("post", "/v2/images/{image_id}/import"): {"application/json"},
        ("post", "/v2/tasks"): {"application/json"},
        ("post", "/v2/images/{image_id}/members"): {"application/json"},
        ("put", "/v2/images/{image_id}/members/{member_id}"): {"application/json"},
    }


def test_answers_to_head_have_no_body(description: dict[str, Any]) -> None:
    heads = [call for _, method, call in calls(description) if method == "head"]

    assert len(heads) == 3
    own = [
        answer for call in heads for answer in call["responses"].values() if "$ref" not in answer
    ]
    assert own
    assert all("content" not in answer for answer in own)


def test_the_list_says_all_its_filters(description: dict[str, Any]) -> None:
    parameters = description["paths"]["/v2/images"]["get"]["parameters"]

    names = {parameter["name"] for parameter in parameters}
    assert {"limit", "marker", "sort", "sort_key", "sort_dir", "visibility", "tag"} <= names
    assert {"size_min", "size_max", "min_ram", "created_at", "os_hidden", "protected"} <= names
    free = next(parameter for parameter in parameters if parameter["name"] == "properties")
    assert (free["style"], free["explode"]) == ("form", True)


@pytest.mark.parametrize("full", [True, False])
def test_an_image_as_we_show_it_is_as_described(description: dict[str, Any], full: bool) -> None:
    stores = Catalog({"s1": Entry("s1", MemoryStore())}, "s1", multi=True) if full else None
    shown = render.Shown(stores, direct_url=full, locations=full)
    image = Image(
        "abcdef01-1111-2222-3333-444444444444",
        Status.ACTIVE,
        Visibility.SHARED,
        MOMENT,
        MOMENT,
        properties={"os_distro": "hurd", "colour": "red"},
        tags=("a",),
        locations=(Location("file:///x", {"store": "s1"}),),
    )
    page = render.images([image], shown, {"first": "/v2/images", "next": "/v2/images?marker=x"})

    check(description, "Image", as_json(render.image(image, shown)))
    check(description, "Images", as_json(page))


def test_a_member_as_we_show_it_is_as_described(description: dict[str, Any]) -> None:
    member = Member(
        "abcdef01-1111-2222-3333-444444444444", "p1", Acceptance.PENDING, MOMENT, MOMENT
    )

    check(description, "Member", render.member(member))


def as_json(value: object) -> Any:
    """What a client reads of it."""
    import orjson

    return orjson.loads(orjson.dumps(value))


@pytest.mark.parametrize(
    ("component", "value"),
    [
        ("NewImage", {"status": 5}),
        ("NewImage", {"min_ram": -1}),
        ("NewImage", {"colour": None}),
        ("NewImage", {"colour": "\U0001f600"}),
        ("NewImage", {"\0": "x"}),
        ("NewImage", {"x" * 256: "x"}),
        ("NewImage", {"name": "a\0"}),
        ("NewImage", {"tags": ["\U0001f600"]}),
        ("Patch", [{"op": "test", "path": "/x"}]),
        ("Patch", [{"op": "add", "path": "x", "value": 1}]),
        ("Patch", [{"op": "add", "path": "/x/y", "value": 1}]),
        ("Patch", [{"op": "add", "path": "/x~2", "value": 1}]),
        ("Patch", [{"op": "add", "path": "/x"}]),
        ("OldPatch", [{"replace": "/x"}]),
        ("OldPatch", [{"add": "/x", "remove": "/x"}]),
        ("OldPatch", [{"value": 1}]),
        ("NewMember", {"member": ""}),
        ("NewMember", {"member": "\0"}),
        ("MemberStatus", {"status": "yes"}),
    ],
)
def test_what_is_refused_is_not_as_described(
    description: dict[str, Any], component: str, value: object
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(description, component, value)


@pytest.mark.parametrize(
    ("component", "value"),
    [
        ("NewImage", {"name": None, "colour": "red", "os_distro": "hurd", "min_ram": 5}),
        ("Patch", [{"op": "remove", "path": "/x"}, {"op": "add", "path": "/y~1~0", "value": None}]),
        ("OldPatch", [{"remove": "/x"}, {"add": "/y", "value": "1"}]),
        ("NewMember", {"member": 5}),
        ("Error", {"message": "m", "code": "404 Not Found", "title": "Not Found"}),
    ],
)
def test_what_is_taken_is_as_described(
    description: dict[str, Any], component: str, value: object
) -> None:
    check(description, component, value)
