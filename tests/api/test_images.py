"""Creating, showing and deleting images, as HTTP."""

import io
import re
from typing import Any

import pytest

from calotype.caller import Caller
from tests.api.cases import (
    ADMIN,
    HOMELESS,
    MEMBER,
    NOWHERE,
    OTHER,
    OTHER_READER,
    READER,
    ROLELESS,
    STRANGER,
    Client,
    Site,
    on_each_engine,
)
from tests.api.conftest import MakeSite

ID = "5f0d3c2a-0000-4000-8000-00000000abcd"
EMOJI = "\N{GRINNING FACE}"
NASTY = "Grüße 漢字 \" ' \\ \n\t %_ </script> \x7f \uffff"

# -- create ------------------------------------------------------------------------------------

#: What a member sends, and what of it comes back.
CREATED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"name": None, "visibility": "shared", "owner": "ours", "status": "queued"}),
    ({}, {"min_ram": 0, "min_disk": 0, "protected": False, "os_hidden": False, "tags": []}),
    ({}, {"size": None, "virtual_size": None, "checksum": None, "os_hash_value": None}),
    ({}, {"disk_format": None, "container_format": None, "schema": "/v2/schemas/image"}),
    ({"name": ""}, {"name": ""}),
    ({"name": None}, {"name": None}),
    ({"name": "a" * 255}, {"name": "a" * 255}),
    ({"name": NASTY}, {"name": NASTY}),
    ({"id": ID}, {"id": ID, "self": f"/v2/images/{ID}", "file": f"/v2/images/{ID}/file"}),
    ({"id": ID.upper()}, {"id": ID.upper()}),
    ({"visibility": "private"}, {"visibility": "private"}),
    ({"visibility": "community"}, {"visibility": "community"}),
    ({"protected": True}, {"protected": True}),
    ({"os_hidden": True}, {"os_hidden": True}),
    ({"min_ram": 2**31 - 1, "min_disk": 7}, {"min_ram": 2**31 - 1, "min_disk": 7}),
    ({"min_ram": 5.0}, {"min_ram": 5}),
    ({"disk_format": "qcow2"}, {"disk_format": "qcow2", "container_format": None}),
    ({"disk_format": None, "container_format": None}, {"disk_format": None}),
    ({"container_format": "docker"}, {"container_format": "docker"}),
    ({"owner": "ours"}, {"owner": "ours"}),
    ({"tags": ["b", "a", "b", "ö", "漢"]}, {"tags": ["a", "b", "ö", "漢"]}),
    ({"tags": ["x" * 255, ""]}, {"tags": ["", "x" * 255]}),
    ({"os_distro": "debian"}, {"os_distro": "debian"}),
    ({"anything at all": ""}, {"anything at all": ""}),
    ({"": "no name"}, {"": "no name"}),
    ({"k" * 255: "v"}, {"k" * 255: "v"}),
    ({"a/b~c": "v", NASTY: NASTY}, {"a/b~c": "v", NASTY: NASTY}),
    ({"long": "v" * 65535}, {"long": "v" * 65535}),
    ({"long": "漢" * 21845}, {"long": "漢" * 21845}),
    ({"member": "1", "context": "2", "image_id": "3"}, {"member": "1", "image_id": "3"}),
    ({"properties": "1", "base": "2", "deleted_by": "3"}, {"properties": "1", "base": "2"}),
]


@on_each_engine
def test_what_is_created_comes_back(member: Client) -> None:
    for fields, expected in CREATED:
        answer = member.post("/v2/images", fields).gave(201)
        image = answer.json
        for name, value in expected.items():
            assert image[name] == value
        assert answer.headers["location"] == (f"http://images.example:9292/v2/images/{image['id']}")
        assert member.image(image["id"]) == image
        if image["id"] == ID:  # the next in the table has the same in capitals
            member.delete(f"/v2/images/{ID}").gave(204)
            _forget(member.site, ID)


def _forget(site: Site, image_id: str) -> None:
    """Purge an image, so that its id is free again."""
    with site.parts.database.writing() as connection:
        connection.exec_driver_sql(f"DELETE FROM images WHERE id = '{image_id}'")


#: What a member sends, the status, and what the message says.
REFUSED: list[tuple[Any, int, str]] = [
    (b"", 400, "needs a JSON body"),
    (b"{", 400, "not valid JSON"),
    (b'{"name": NaN}', 400, "not valid JSON"),
    (b'{"min_ram": Infinity}', 400, "not valid JSON"),
    (b'{"name": "\xff"}', 400, "not valid JSON"),
    (b'\xef\xbb\xbf{"name": "x"}', 400, "not valid JSON"),
    (b'{"name": "\\ud800"}', 400, ""),
    (b'{"\\udfff": "x"}', 400, ""),
    (b'{"tags": ["\\ud83d"]}', 400, ""),
    (b"[" * 200_000, 400, "not valid JSON"),
    (b'{"x":' * 100_000, 400, "not valid JSON"),
    (b'{"tags": ' + b"[" * 900 + b"]" * 900 + b"}", 400, "tags"),
    (b'{"min_ram": 1e400}', 400, ""),
    (b'{"min_ram": 1' + b"0" * 5000 + b"}", 400, ""),
    (b'{"min_ram": -0.0000001}', 400, "min_ram"),
    (b'{"name": "' + b"x" * (4 << 20) + b'"}', 413, "larger than"),
    ([], 400, "must be a JSON object, got a list"),
    ("name", 400, "must be a JSON object, got a string"),
    (5, 400, "must be a JSON object, got a number"),
    (True, 400, "must be a JSON object, got true"),
    ([{"name": "x"}], 400, "must be a JSON object"),
    ({"name": 5}, 400, "name: must be a string of at most 255 characters or null"),
    ({"name": "a" * 256}, 400, "name: must be"),
    ({"name": EMOJI}, 400, "name: the character U+1F600"),
    ({"name": "a\0b"}, 400, "name: the character U+0000"),
    ({"name": ["x"]}, 400, "name"),
    ({"id": "5"}, 400, "id: must be a UUID"),
    ({"id": 5}, 400, "id: must be a UUID"),
    ({"id": None}, 400, "id"),
    ({"id": ID + "\n"}, 400, "id"),
    ({"id": f"../{ID}"}, 400, "id"),
    ({"visibility": "secret"}, 400, "visibility: must be one of"),
    ({"visibility": None}, 400, "visibility"),
    ({"protected": "true"}, 400, "protected: must be true or false"),
    ({"protected": None}, 400, "protected"),
    ({"os_hidden": 1}, 400, "os_hidden"),
    ({"min_ram": -1}, 400, "min_ram: must be a whole number from 0 to"),
    ({"min_ram": 2**31}, 400, "min_ram"),
    ({"min_disk": "5"}, 400, "min_disk"),
    ({"min_disk": 1.5}, 400, "min_disk"),
    ({"min_disk": True}, 400, "min_disk"),
    ({"min_disk": None}, 400, "min_disk"),
    ({"disk_format": "floppy"}, 400, "disk_format: must be one of"),
    ({"disk_format": ""}, 400, "disk_format"),
    ({"container_format": "box"}, 400, "container_format: must be one of"),
    ({"tags": "x"}, 400, "tags: must be a list"),
    ({"tags": None}, 400, "tags"),
    ({"tags": [5]}, 400, "tags[0]"),
    ({"tags": ["x" * 256]}, 400, "tags[0]"),
    ({"tags": [EMOJI]}, 400, "tags"),
    ({"owner": 5}, 400, "owner"),
    ({"owner": "o" * 256}, 400, "owner"),
    ({"x": 5}, 400, "x: must be a string, got a number"),
    ({"x": None}, 400, "x: must be a string, got null"),
    ({"x": {"y": "z"}}, 400, "x: must be a string, got an object"),
    ({"x": EMOJI}, 400, "x: the character"),
    ({EMOJI: "x"}, 400, "The name of a property"),
    ({"k" * 256: "x"}, 400, "at most 255 characters"),
    ({"x": "v" * 65536}, 400, "x: must have at most 65535 bytes"),
    ({"x": "漢" * 21846}, 400, "x: must have at most 65535 bytes"),
    ({"owner": "theirs"}, 403, "owner: only an admin"),
    ({"owner": None}, 403, "owner"),
    ({"visibility": "public"}, 403, "publicize_image"),
    *(
        ({name: "x"}, 403, f"'{name}' is read-only")
        for name in (
            *("status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"),
            *("created_at", "updated_at", "direct_url", "self", "file", "schema", "stores"),
        )
    ),
    *(
        ({name: "x"}, 403, f"'{name}' is reserved")
        for name in (
            *("location", "locations", "deleted", "deleted_at"),
            *("os_glance", "os_glance_import_task", "os_glance_stage_host"),
        )
    ),
    ({"size": {"any": ["thing"]}}, 403, "'size' is read-only"),
    ({f"p{n}": "v" for n in range(129)}, 413, "properties: at most 128"),
    ({"tags": [f"t{n}" for n in range(129)]}, 413, "tags: at most 128"),
]


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) < 50 else f"{text[:40]}…{len(text)}"


@pytest.mark.parametrize(("body", "status", "says"), REFUSED, ids=_brief)
def test_create_refuses(member: Client, body: Any, status: int, says: str) -> None:
    member.post("/v2/images", body).gave(status, says)
    assert member.ids("visibility=all") == []


def test_the_last_of_two_equal_keys_counts(member: Client) -> None:
    image = member.post("/v2/images", b'{"name": "first", "name": "last"}').gave(201).json
    assert image["name"] == "last"


def test_numbers_at_the_edge(member: Client) -> None:
    image = member.post("/v2/images", b'{"min_ram": 1e3, "min_disk": 2147483647.0}').gave(201).json
    assert (image["min_ram"], image["min_disk"]) == (1000, 2147483647)


def test_the_media_type_of_a_create_is_not_checked(member: Client) -> None:
    member.post("/v2/images", b'{"name": "x"}', Content_Type="text/plain").gave(201)


def test_as_many_as_the_quotas_allow(member: Client) -> None:
    fields = {f"p{n}": "v" for n in range(128)} | {"tags": [f"t{n}" for n in range(128)]}
    image = member.post("/v2/images", fields).gave(201).json
    assert {**fields, "tags": sorted(fields["tags"])}.items() <= image.items()


#: Who creates what: the status, and who owns it then.
CREATORS = [
    (ADMIN, {}, 201, "operations"),
    (ADMIN, {"owner": "theirs"}, 201, "theirs"),
    (ADMIN, {"owner": None}, 201, None),
    (ADMIN, {"visibility": "public"}, 201, "operations"),
    (ADMIN, {"visibility": "community", "owner": "theirs"}, 201, "theirs"),
    (MEMBER, {}, 201, "ours"),
    (MEMBER, {"visibility": "community"}, 201, "ours"),
    (MEMBER, {"visibility": "public"}, 403, None),
    (READER, {}, 403, None),
    (ROLELESS, {}, 403, None),
    (HOMELESS, {}, 403, None),
    (HOMELESS, {"owner": "ours"}, 403, None),
    (None, {}, 401, None),
]


@pytest.mark.parametrize(("caller", "fields", "status", "owner"), CREATORS, ids=_brief)
def test_who_may_create(
    site: Site, caller: Caller | None, fields: dict[str, Any], status: int, owner: str | None
) -> None:
    answer = site.of(caller).post("/v2/images", fields).gave(status)
    if status == 201:
        assert answer.json["owner"] == owner
    else:
        assert site.of(ADMIN).ids("visibility=all") == []


@on_each_engine
def test_an_id_is_taken_for_good(member: Client, other: Client) -> None:
    member.create(id=ID)
    other.post("/v2/images", {"id": ID}).gave(409, f"{ID} is already in use")
    member.delete(f"/v2/images/{ID}").gave(204)
    member.post("/v2/images", {"id": ID}).gave(409, f"{ID} is already in use")


@pytest.mark.parametrize("engine_name", ["mariadb"], indirect=True)
def test_property_names_that_only_differ_in_case_where_that_is_no_difference(
    member: Client,
) -> None:
    answer = member.post("/v2/images", {"id": ID, "Name of it": "1", "name of it": "2"})
    answer.gave(409, "A property of that name exists already")
    member.get(f"/v2/images/{ID}").gave(404)


def test_create_names_import_methods_and_stores(make_site: MakeSite) -> None:
    answer = make_site().of(MEMBER).post("/v2/images", {}).gave(201)
    methods = answer.headers["openstack-image-import-methods"].split(",")
    assert {"glance-direct", "web-download"} <= set(methods)
    assert "openstack-image-store-ids" not in answer.headers


def test_location_of_a_created_image_under_a_prefix(member: Client) -> None:
    answer = member.ask("POST", "/v2/images", {}, SCRIPT_NAME="/image")
    image_id = answer.gave(201).json["id"]
    assert answer.headers["location"] == f"http://images.example:9292/image/v2/images/{image_id}"


# -- show --------------------------------------------------------------------------------------


def test_an_image_has_these_fields_in_this_order(member: Client) -> None:
    image_id = member.create(zebra="1", ant="2")
    image = member.image(image_id)
    assert set(list(image)[:2]) == {"zebra", "ant"}
    assert list(image)[2:] == [
        *("name", "disk_format", "container_format", "visibility", "size", "virtual_size"),
        *("status", "checksum", "protected", "min_ram", "min_disk", "owner", "os_hidden"),
        *("os_hash_algo", "os_hash_value", "id", "created_at", "updated_at", "tags"),
        *("self", "file", "schema"),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", image["created_at"])
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", image_id)


#: Who sees an image of "ours" by its id: one letter for each of
#: admin, member, reader, roleless of ours, member, reader of theirs, nobody's, roleless stranger
LOOKERS = (ADMIN, MEMBER, READER, ROLELESS, OTHER, OTHER_READER, STRANGER, HOMELESS)
SEEN = [
    # visibility, status of "theirs" as a member: who sees it
    ("private", None, "yyy-----"),
    ("shared", None, "yyy-----"),
    ("shared", "pending", "yyy-yy--"),
    ("shared", "rejected", "yyy-yy--"),
    ("shared", "accepted", "yyy-yy--"),
    ("community", None, "yyy-yyyy"),
    ("public", None, "yyy-yyyy"),
]


@on_each_engine
@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize(("visibility", "status", "seen"), SEEN)
def test_who_sees_an_image(
    site: Site, visibility: str, status: str | None, seen: str, hidden: bool
) -> None:
    owner = site.of(ADMIN)
    fields = {"visibility": visibility, "owner": "ours", "os_hidden": hidden}
    image_id = owner.create(**fields)
    if status:
        owner.share(image_id, "theirs", status)
    for caller, letter in zip(LOOKERS, seen, strict=True):
        answer = site.of(caller).get(f"/v2/images/{image_id}")
        assert answer.status == (200 if letter == "y" else 404), caller
        # What one may not see is no different from what is not there.
        if letter != "y":
            nothing = site.of(caller).get(f"/v2/images/{NOWHERE}").gave(404).message
            assert answer.message.replace(image_id, NOWHERE) == nothing


def test_an_image_made_private_is_not_seen_by_its_members_any_more(
    member: Client, other: Client
) -> None:
    image_id = member.create()
    member.share(image_id, "theirs", "accepted")
    replaced = [{"op": "replace", "path": "/visibility", "value": "private"}]
    member.patch(f"/v2/images/{image_id}", replaced).gave(200)
    other.get(f"/v2/images/{image_id}").gave(404)
    assert other.ids("visibility=all") == []


#: Ids that no image can have.
STRANGE_IDS = [
    ("x", 404),
    ("a" * 4000, 404),
    ("%20", 404),
    ("%2e%2e", 404),
    ("..", 404),
    ("%27%20OR%20%271%27=%271", 404),
    ("%25", 404),
    ("%22%5C%60", 404),
    ("%0a%0d", 404),
    ("%c3%a9", 404),
    ("%ff", 400),
    ("%c3", 400),
    ("%00", 400),
    ("%f0%9f%98%80", 400),
    ("%ed%a0%80", 400),
    (f"{NOWHERE}%2Ffile%2F", 404),
    (f"{NOWHERE}/", 404),
    (f"/{NOWHERE}", 404),
]


@on_each_engine
def test_strange_ids(admin: Client) -> None:
    for image_id, status in STRANGE_IDS:
        path = f"/v2/images/{image_id}"
        admin.get(path).gave(status)
        admin.delete(path).gave(status)
        admin.patch(path, []).gave(status)
        admin.get(f"{path}/file").gave(status)
        admin.get(f"{path}/members").gave(status)
        admin.put(f"{path}/tags/x").gave(status)
        admin.post(f"{path}/actions/deactivate").gave(status)


# -- bodies where none belongs -----------------------------------------------------------------

#: Calls that take no body.
BARE = [
    ("GET", ""),
    ("DELETE", ""),
    ("GET", "/file"),
    ("POST", "/actions/deactivate"),
    ("POST", "/actions/reactivate"),
    ("PUT", "/tags/x"),
    ("DELETE", "/tags/x"),
    ("GET", "/members"),
    ("GET", "/members/theirs"),
    ("DELETE", "/members/theirs"),
]


@pytest.mark.parametrize(("method", "path"), BARE)
def test_a_body_where_none_belongs(member: Client, method: str, path: str) -> None:
    image_id = member.create(tags=["x"])
    url = f"/v2/images/{image_id}{path}"
    before = member.image(image_id)
    member.ask(method, url, b"x").gave(400, "takes no body")
    chunked = {"Transfer-Encoding": "chunked"}
    answer = member.ask(method, url, None, chunked, **{"wsgi.input": io.BytesIO(b"x")})
    answer.gave(400, "takes no body")
    assert member.image(image_id) == before


#: Content-Lengths that no request can have.
@pytest.mark.parametrize(
    "length", ["-1", "x", "1e3", "٣", "1 2", pytest.param("9" * 5000, id="9…")]
)
def test_a_content_length_that_is_none(member: Client, length: str) -> None:
    for method, path in (("POST", "/v2/images"), ("GET", f"/v2/images/{NOWHERE}")):
        length_in_latin = length.encode().decode("latin-1")
        answer = member.ask(method, path, headers={"Content-Length": length_in_latin})
        assert answer.status in (400, 413), answer
    assert member.ids() == []
