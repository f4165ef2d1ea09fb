"""Changing images over HTTP, in both media types, as tables."""

from typing import Any

import pytest

from calotype.caller import Caller
from tests.api.cases import (
    ADMIN,
    MEMBER,
    NOWHERE,
    OTHER,
    READER,
    ROLELESS,
    STRANGER,
    V20,
    V21,
    Client,
    Site,
    on_each_engine,
)
from tests.api.conftest import MakeSite

EMOJI = "\N{GRINNING FACE}"

#: What the images of the tables are made with.
MADE: dict[str, Any] = {
    **{"name": "old", "os": "debian", "a/b": "slash", "c~d": "tilde", "": "empty", "tags": ["t"]},
    **{"~1": "both", "size_of": "s"},
}


def add(path: str, value: Any = "new") -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: Any = "new") -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


def remove(path: str) -> dict[str, Any]:
    return {"op": "remove", "path": path}


GONE = object()

#: A patch, and what the image then has.
CHANGES: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([], {}),
    ([replace("/name")], {"name": "new"}),
    ([add("/name")], {"name": "new"}),
    ([replace("/name", None)], {"name": None}),
    ([replace("/name", "x" * 255)], {"name": "x" * 255}),
    ([replace("/min_ram", 5)], {"min_ram": 5}),
    ([replace("/min_ram", 5.0)], {"min_ram": 5}),
    ([add("/min_disk", 2**31 - 1)], {"min_disk": 2**31 - 1}),
    ([replace("/protected", True)], {"protected": True}),
    ([replace("/os_hidden", True)], {"os_hidden": True}),
    ([replace("/visibility", "private")], {"visibility": "private"}),
    ([replace("/visibility", "community")], {"visibility": "community"}),
    ([replace("/disk_format", "raw")], {"disk_format": "raw"}),
    ([add("/container_format", "bare")], {"container_format": "bare"}),
    ([replace("/disk_format", None)], {"disk_format": None}),
    ([replace("/tags", ["a", "b", "a"])], {"tags": ["a", "b"]}),
    ([add("/tags", [])], {"tags": []}),
    ([replace("/tags", ["t"])], {"tags": ["t"]}),
    ([replace("/owner", "ours")], {"owner": "ours"}),
    ([add("/owner", "ours")], {"owner": "ours"}),
    # properties
    ([add("/new")], {"new": "new"}),
    ([add("/new", "")], {"new": ""}),
    ([add("/os")], {"os": "new"}),
    ([replace("/os")], {"os": "new"}),
    ([replace("/os", "debian")], {"os": "debian"}),
    ([remove("/os")], {"os": GONE}),
    ([remove("/os"), add("/os", "again")], {"os": "again"}),
    ([add("/x", "1"), replace("/x", "2"), remove("/x"), add("/x", "3")], {"x": "3"}),
    ([add("/x"), remove("/x")], {"x": GONE}),
    ([remove("/os"), remove("/size_of"), add("/k", "v")], {"os": GONE, "size_of": GONE, "k": "v"}),
    ([replace("/name", "1"), replace("/name", "2")], {"name": "2"}),
    ([add(f"/{'k' * 255}")], {"k" * 255: "new"}),
    ([add("/long", "v" * 65535)], {"long": "v" * 65535}),
    ([add("/äö 漢", "ü\n\"'\\")], {"äö 漢": "ü\n\"'\\"}),
    # pointers
    ([replace("/a~1b")], {"a/b": "new"}),
    ([replace("/c~0d")], {"c~d": "new"}),
    ([replace("/~01")], {"~1": "new"}),
    ([remove("/a~1b")], {"a/b": GONE}),
    ([replace("/")], {"": "new"}),
    ([add("/~1~1")], {"//": "new"}),
    ([add("/%2F")], {"%2F": "new"}),
    ([add("/ x ")], {" x ": "new"}),
    # what Glance keeps for itself and we do not
    *(
        ([add(f"/{name}")], {name: "new"})
        for name in (
            *("member", "context", "repo", "delete", "get_data"),
            *("base", "extra_properties", "image_id"),
        )
    ),
]


def _v20(patch: Any) -> Any:
    """The same patch in the other media type."""
    return [
        {change["op"]: change["path"], **({"value": change["value"]} if "value" in change else {})}
        for change in patch
    ]


def _expected(image: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = {**image, **changes, "updated_at": None}
    return {name: value for name, value in merged.items() if value is not GONE}


def _comparable(image: dict[str, Any]) -> dict[str, Any]:
    return {**image, "updated_at": None, "tags": sorted(image["tags"])}


@on_each_engine
def test_changes(member: Client) -> None:
    for patch, changes in CHANGES:
        image_id = member.create(**MADE)
        before = member.image(image_id)
        answer = member.patch(f"/v2/images/{image_id}", patch).gave(200)
        assert _comparable(answer.json) == _expected(before, changes), patch
        assert _comparable(member.image(image_id)) == _expected(before, changes), patch


@on_each_engine
def test_the_same_in_the_older_media_type(member: Client) -> None:
    for patch, changes in CHANGES:
        image_id = member.create(**MADE)
        before = member.image(image_id)
        answer = member.patch(f"/v2/images/{image_id}", _v20(patch), V20)
        exists = patch and patch[0]["op"] == "add" and patch[0]["path"][1:] in before
        if exists:  # there, adding is for what is new
            answer.gave(409, "already")
            assert member.image(image_id) == before
        else:
            answer.gave(200)
            assert _comparable(member.image(image_id)) == _expected(before, changes), patch


#: A patch, the status, and what the message says.
REFUSED: list[tuple[Any, int, str]] = [
    # bodies
    (b"", 400, "needs a JSON body"),
    (b"[", 400, "not valid JSON"),
    (b"[" * 100_000, 400, "not valid JSON"),
    (b'[{"op": "add", "path": "/x", "value": "\\ud800"}]', 400, ""),
    ({}, 400, "must be a list"),
    ({"op": "add"}, 400, "must be a list"),
    ("add", 400, "must be a list"),
    (5, 400, "must be a list"),
    (True, 400, "must be a list"),
    ([[]], 400, "operation 0: must be an object"),
    ([None], 400, "operation 0"),
    ([add("/x"), 5], 400, "operation 1: must be an object"),
    # operations
    ([{}], 400, "op must be one of add, replace, remove"),
    ([{"path": "/x", "value": "v"}], 400, "operation 0: op"),
    ([{"op": "test", "path": "/name", "value": "old"}], 400, "op must be one of"),
    ([{"op": "move", "from": "/os", "path": "/x"}], 400, "op must be one of"),
    ([{"op": "copy", "from": "/os", "path": "/x"}], 400, "op must be one of"),
    ([{"op": "ADD", "path": "/x", "value": "v"}], 400, "op must be one of"),
    ([{"op": None, "path": "/x", "value": "v"}], 400, "op must be one of"),
    ([{"op": ["add"], "path": "/x", "value": "v"}], 400, "op must be one of"),
    ([{"op": {}, "path": "/x", "value": "v"}], 400, "op must be one of"),
    ([{"op": "add", "value": "v"}], 400, "operation 0: needs a path"),
    ([{"op": "add", "path": "/x"}], 400, "operation 0: add needs a value"),
    ([{"op": "replace", "path": "/name"}], 400, "replace needs a value"),
    # pointers
    ([add("x")], 400, "path must begin with '/'"),
    ([add("")], 400, "path must begin with '/'"),
    ([add(5)], 400, "path must begin with '/'"),  # type: ignore[arg-type]
    ([add(None)], 400, "path"),  # type: ignore[arg-type]
    ([add(["/x"])], 400, "path"),  # type: ignore[arg-type]
    ([add("/x/y")], 400, "goes too deep"),
    ([add("//x")], 400, "goes too deep"),
    ([add("/x/")], 400, "goes too deep"),
    ([add("/tags/-")], 400, "goes too deep"),
    ([remove("/tags/0")], 400, "goes too deep"),
    ([add("/x~y")], 400, "'~' must be written ~0"),
    ([add("/x~")], 400, "'~' must be written ~0"),
    ([add("/~2")], 400, "'~' must be written ~0"),
    # values
    ([replace("/name", 5)], 400, "name: must be a string of at most 255"),
    ([replace("/name", "x" * 256)], 400, "name"),
    ([replace("/name", EMOJI)], 400, "name: the character U+1F600"),
    ([replace("/name", "a\0")], 400, "name: the character U+0000"),
    ([replace("/visibility", "secret")], 400, "visibility: must be one of"),
    ([replace("/visibility", None)], 400, "visibility"),
    ([replace("/protected", "yes")], 400, "protected"),
    ([replace("/min_ram", -1)], 400, "min_ram"),
    ([replace("/min_ram", 2**31)], 400, "min_ram"),
    ([replace("/min_ram", 1e300)], 400, "min_ram"),
    ([replace("/min_ram", None)], 400, "min_ram"),
    ([replace("/min_ram", True)], 400, "min_ram"),
    ([replace("/tags", "x")], 400, "tags"),
    ([replace("/tags", ["x" * 256])], 400, "tags[0]"),
    ([replace("/tags", [None])], 400, "tags[0]"),
    ([replace("/disk_format", "floppy")], 400, "disk_format: must be one of"),
    ([replace("/owner", 5)], 400, "owner"),
    ([add("/x", 5)], 400, "x: must be a string"),
    ([add("/x", None)], 400, "x: must be a string"),
    ([add("/x", ["y"])], 400, "x: must be a string"),
    ([add("/x", EMOJI)], 400, "x: the character"),
    ([add(f"/{EMOJI}")], 400, "The name of a property"),
    ([add(f"/{'k' * 256}")], 400, "at most 255 characters"),
    ([add("/x", "v" * 65536)], 400, "at most 65535 bytes"),
    # what may not be written
    *(
        ([change(f"/{name}")], 403, f"'{name}' is read-only")
        for name in (
            *("id", "status", "size", "virtual_size", "checksum", "os_hash_algo"),
            *("os_hash_value", "created_at", "updated_at", "direct_url", "self", "file"),
            *("schema", "stores"),
        )
        for change in (add, replace, remove)
    ),
    *(
        ([change(f"/{name}")], 403, f"'{name}' is reserved")
        for name in ("location", "locations", "deleted", "deleted_at", "os_glance_any")
        for change in (add, replace, remove)
    ),
    ([replace("/id", {"not": "even"})], 403, "'id' is read-only"),
    *(
        ([remove(f"/{name}")], 403, f"{name}: cannot be removed")
        for name in (
            *("name", "visibility", "protected", "tags", "min_disk", "min_ram", "os_hidden"),
            *("container_format", "disk_format", "owner"),
        )
    ),
    ([replace("/owner", "theirs")], 403, "owner: only an admin"),
    ([add("/owner", "theirs")], 403, "owner: only an admin"),
    ([replace("/owner", None)], 403, "owner"),
    ([replace("/visibility", "public")], 403, "publicize_image"),
    # conflicts
    ([replace("/nothing")], 409, "nothing: the image has no such property"),
    ([remove("/nothing")], 409, "nothing: the image has no such property"),
    ([remove("/os"), remove("/os")], 409, "os: the image has no such property"),
    ([remove("/os"), replace("/os")], 409, "os: the image has no such property"),
    ([remove(f"/{EMOJI}")], 409, "the image has no such property"),
    ([replace("/member")], 409, "member: the image has no such property"),
    # quotas
    ([add(f"/p{n}") for n in range(123)], 413, "properties: at most 128"),
    ([replace("/tags", [str(n) for n in range(129)])], 413, "tags: at most 128"),
    # all or nothing, whatever came before
    ([replace("/name"), add("/x"), replace("/tags", []), remove("/os"), add("/y", 5)], 400, "y"),
    ([replace("/name"), add("/x"), remove("/nothing")], 409, "nothing"),
    ([replace("/name"), replace("/visibility", "public")], 403, "publicize_image"),
]


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 50 else f"{text[:40]}…{len(text)}"


@pytest.mark.parametrize(("patch", "status", "says"), REFUSED, ids=_brief)
def test_refusals(member: Client, patch: Any, status: int, says: str) -> None:
    image_id = member.create(**MADE)
    before = member.image(image_id)
    member.patch(f"/v2/images/{image_id}", patch).gave(status, says)
    assert member.image(image_id) == before


#: Patches that only the older media type has.
REFUSED_V20: list[tuple[Any, int, str]] = [
    ([{}], 400, "needs exactly one of add, replace, remove"),
    ([{"add": "/x", "remove": "/os", "value": "v"}], 400, "needs exactly one of"),
    ([{"op": "add", "path": "/x", "value": "v"}], 400, "needs exactly one of"),
    ([{"add": "/x"}], 400, "add needs a value"),
    ([{"replace": "/name"}], 400, "replace needs a value"),
    ([{"add": "x", "value": "v"}], 400, "path must begin with '/'"),
    ([{"add": None, "value": "v"}], 400, "path must begin with '/'"),
    ([{"add": ["/x"], "value": "v"}], 400, "path"),
    ([{"remove": "/x/y"}], 400, "goes too deep"),
    ([{"add": "/os", "value": "v"}], 409, "os: the image has this property already"),
    ([{"add": "/name", "value": "v"}], 409, "name: is there already"),
    ([{"add": "/tags", "value": []}], 409, "tags: is there already"),
    ([{"add": "/min_ram", "value": 5}], 409, "min_ram: is there already"),
    ([{"replace": "/nothing", "value": "v"}], 409, "the image has no such property"),
    ([{"remove": "/name"}], 403, "cannot be removed"),
    ([{"add": "/size", "value": 5}], 403, "read-only"),
    (
        [{"add": "/x", "value": "v"}, {"add": "/x", "value": "w"}],
        409,
        "x: the image has this property already",
    ),
]


@pytest.mark.parametrize(("patch", "status", "says"), REFUSED_V20, ids=_brief)
def test_refusals_in_the_older_media_type(
    member: Client, patch: Any, status: int, says: str
) -> None:
    image_id = member.create(**MADE)
    before = member.image(image_id)
    member.patch(f"/v2/images/{image_id}", patch, V20).gave(status, says)
    assert member.image(image_id) == before


#: Media types and whether they are those of a patch.
MEDIA = [
    (V21, True),
    (V20, True),
    (V21.upper(), True),
    (f"{V21}; charset=utf-8", True),
    (f" {V20} ;x", True),
    ("application/json", False),
    ("application/json-patch+json", False),
    ("application/openstack-images-v2.2-json-patch", False),
    ("application/openstack-images-v2.1-json-patch+json", False),
    ("text/plain", False),
    ("", False),
    (";", False),
    ("Ã¤/\xff", False),
]


@pytest.mark.parametrize(("media", "is_patch"), MEDIA)
def test_media_types(member: Client, media: str, is_patch: bool) -> None:
    image_id = member.create()
    answer = member.patch(f"/v2/images/{image_id}", [], media)
    if is_patch:
        answer.gave(200)
    else:
        answer.gave(415, V21)
        assert answer.headers["accept-patch"] == f"{V21}, {V20}"


def test_no_media_type_at_all(member: Client) -> None:
    answer = member.ask("PATCH", f"/v2/images/{member.create()}", [])
    assert answer.gave(415).headers["accept-patch"] == f"{V21}, {V20}"


#: Who may change an image of "ours" that is shared with "theirs".
WHO: list[tuple[Caller | None, list[dict[str, Any]], int]] = [
    (MEMBER, [replace("/name")], 200),
    (ADMIN, [replace("/name")], 200),
    (ADMIN, [replace("/visibility", "public")], 200),
    (ADMIN, [replace("/owner", "theirs")], 200),
    (ADMIN, [replace("/owner", None)], 200),
    (READER, [replace("/name")], 403),
    (READER, [], 403),
    (ROLELESS, [replace("/name")], 404),
    (OTHER, [replace("/name")], 403),
    (OTHER, [], 403),
    (STRANGER, [replace("/name")], 404),
    (None, [replace("/name")], 401),
]


@pytest.mark.parametrize(("caller", "patch", "status"), WHO, ids=_brief)
def test_who_may(
    site: Site, caller: Caller | None, patch: list[dict[str, Any]], status: int
) -> None:
    owner = site.of(MEMBER)
    image_id = owner.create(name="old")
    owner.share(image_id, "theirs")
    before = site.of(ADMIN).image(image_id)
    site.of(caller).patch(f"/v2/images/{image_id}", patch).gave(status)
    after = site.of(ADMIN).image(image_id)
    if status == 200:
        (change,) = patch
        assert after[change["path"][1:]] == change["value"]
    else:
        assert after == before


def test_an_image_that_is_not_there(member: Client) -> None:
    member.patch(f"/v2/images/{NOWHERE}", [replace("/name")]).gave(404)
    member.patch(f"/v2/images/{NOWHERE}", {}).gave(400)


def test_a_public_image_can_be_changed_by_its_owner(admin: Client, member: Client) -> None:
    image_id = admin.create(owner="ours", visibility="public")
    member.patch(f"/v2/images/{image_id}", [replace("/name")]).gave(200)
    member.patch(f"/v2/images/{image_id}", [replace("/visibility", "public")]).gave(200)
    member.patch(f"/v2/images/{image_id}", [replace("/visibility", "private")]).gave(200)
    member.patch(f"/v2/images/{image_id}", [replace("/visibility", "public")]).gave(403)


@pytest.mark.parametrize("field", ["disk_format", "container_format"])
def test_formats_stay_once_there_is_data(member: Client, field: str) -> None:
    image_id = member.create_active()
    for value in ("ami", "aki", None, member.image(image_id)[field]):
        refused = member.patch(f"/v2/images/{image_id}", [replace(f"/{field}", value)])
        refused.gave(403, f"{field}: cannot change once an image has data")
    member.patch(f"/v2/images/{image_id}", [replace("/name"), add("/x")]).gave(200)


def test_a_protected_image_can_be_changed(member: Client) -> None:
    image_id = member.create(protected=True)
    member.patch(f"/v2/images/{image_id}", [replace("/name")]).gave(200)


def test_quotas_count_what_a_patch_adds(make_site: MakeSite) -> None:
    """An image that has too much since the limits were lowered can still be changed."""
    rich = make_site().of(MEMBER)
    image_id = rich.create(p1="1", p2="2", p3="3", tags=["a", "b", "c"])
    quotas = {("DEFAULT", "image_property_quota"): 2, ("DEFAULT", "image_tag_quota"): 2}
    poor = make_site(quotas).of(MEMBER)
    image = f"/v2/images/{image_id}"
    poor.patch(image, [replace("/name"), replace("/p1", "x")]).gave(200)
    poor.patch(image, [replace("/tags", ["a", "b", "c"])]).gave(200)
    poor.patch(image, [add("/p4")]).gave(413, "properties: at most 2 are allowed")
    poor.patch(image, [replace("/tags", ["a", "b", "d"])]).gave(413, "tags: at most 2")
    poor.put(f"{image}/tags/d").gave(413, "tags: at most 2")
    poor.patch(image, [remove("/p1"), replace("/tags", ["a", "b"])]).gave(200)
    poor.patch(image, [remove("/p2"), add("/p4"), replace("/tags", ["a", "d"])]).gave(200)
    poor.post("/v2/images", {"p1": "1", "p2": "2", "p3": "3"}).gave(413)


@on_each_engine
def test_a_property_comes_and_goes_many_times(member: Client) -> None:
    image_id = member.create()
    image = f"/v2/images/{image_id}"
    for round_ in ("1", "2", "3"):
        member.patch(image, [add("/x", round_), add("/y", round_)]).gave(200)
        assert member.image(image_id)["x"] == round_
        member.patch(image, [remove("/x")]).gave(200)
        member.patch(image, [remove("/y")]).gave(200)
        assert not {"x", "y"} & member.image(image_id).keys()


@on_each_engine
def test_a_property_in_another_case(member: Client) -> None:
    """Where the database takes them for the same name, one takes the other's place."""
    image_id = member.create(Name_of="1")
    image = f"/v2/images/{image_id}"
    added = member.patch(image, [add("/name_OF", "2")])
    same = added.status == 409
    assert same == (member.site.parts.database.dialect == "mysql")
    if same:
        added.gave(409, "A property of that name exists already")
        assert member.image(image_id)["Name_of"] == "1"
    member.patch(image, [remove("/Name_of"), add("/NAME_of", "3")]).gave(200)
    member.patch(image, [remove("/NAME_of")]).gave(200)
    member.patch(image, [add("/name_of", "4")]).gave(200)
    shown = member.image(image_id)
    assert shown["name_of"] == "4"
    assert not {"Name_of", "NAME_of"} & shown.keys()


def test_a_patch_that_changes_nothing_changes_nothing(member: Client) -> None:
    image_id = member.create(x="1", tags=["a", "b"], name="n")
    before = member.image(image_id)
    patch = [replace("/x", "1"), replace("/name", "n"), add("/x", "1"), replace("/min_ram", 0)]
    assert member.patch(f"/v2/images/{image_id}", patch).gave(200).json == before
    assert member.image(image_id) == before


def test_as_many_operations_as_fit(member: Client) -> None:
    image_id = member.create()
    patch = [replace("/name", str(n)) for n in range(20_000)]
    assert member.patch(f"/v2/images/{image_id}", patch).gave(200).json["name"] == "19999"
    # Of so many properties each is looked at once: this takes a moment, not a minute.
    patch = [add(f"/p{n}", "") for n in range(50_000)]
    member.patch(f"/v2/images/{image_id}", patch).gave(413, "properties: at most 128")
