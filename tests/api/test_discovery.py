"""What the service says about itself over HTTP, and how requests find their way to it."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from calotype.api.operations import OPERATIONS
from calotype.caller import Caller
from tests.api.cases import (
    ADMIN,
    MEMBER,
    NOWHERE,
    READER,
    ROLELESS,
    SERVICE,
    STRANGER,
    Client,
    Site,
)
from tests.api.conftest import MakeSite

# -- versions and negotiation ------------------------------------------------------------------

VERSIONS = "versions"
LIST = "list"

#: A path, an Accept header, and what answers: the versions (with a status) or the list of images.
WAYS: list[tuple[str, str | None, str, int]] = [
    ("/", None, VERSIONS, 300),
    ("", None, VERSIONS, 300),
    ("/versions", None, VERSIONS, 200),
    ("/v2", None, VERSIONS, 300),
    ("/v2/", None, VERSIONS, 300),
    ("/v2.7", None, VERSIONS, 300),
    ("/v1/images", None, VERSIONS, 300),
    ("/v1.1/images", None, VERSIONS, 300),
    ("/v3/images", None, VERSIONS, 300),
    ("/v2.19/images", None, VERSIONS, 300),
    ("/v2.8/images", None, VERSIONS, 300),  # of sites with several stores
    ("/v2.14/images", None, VERSIONS, 300),  # of sites with a cache
    ("/v2.1x/images", None, VERSIONS, 300),
    ("/v2.٣/images", None, VERSIONS, 300),
    ("/images", None, VERSIONS, 300),
    ("/foo", None, VERSIONS, 300),
    ("/foo/bar", "application/json", VERSIONS, 300),
    ("/versions/anything", None, VERSIONS, 300),
    ("//v2/images", None, VERSIONS, 300),
    ("/v2/images", None, LIST, 200),
    *((f"/v2.{minor}/images", None, LIST, 200) for minor in (0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 17)),
    ("/images", "application/vnd.openstack.images-v2.7", LIST, 200),
    ("/images", "application/vnd.openstack.images-v2", LIST, 200),
    ("/images", "text/html, application/vnd.openstack.images-v2.7;q=0.5", LIST, 200),
    ("/images", "application/vnd.openstack.images-v2.8", VERSIONS, 300),
    ("/images", "application/vnd.openstack.images-v3", VERSIONS, 300),
    ("/images", "application/vnd.openstack.images-", VERSIONS, 300),
    ("/v2/images", "application/vnd.openstack.images-v9", LIST, 200),
    ("/v2/images", "text/html", LIST, 200),
    ("/v2/images", "nonsense;;;,,", LIST, 200),
]


@pytest.mark.parametrize(("path", "accept", "answers", "status"), WAYS)
def test_the_way_to_the_api(
    member: Client, path: str, accept: str | None, answers: str, status: int
) -> None:
    answer = member.get(path, **({"Accept": accept} if accept else {})).gave(status)
    assert ("images" if answers == LIST else "versions") in answer.json


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "BREW"])
def test_who_guesses_finds_the_versions_whatever_the_method(member: Client, method: str) -> None:
    for path in ("/v1/images", "/v2", "/nonsense"):
        answer = member.ask(method, path).gave(300)
        assert (answer.body == b"") == (method == "HEAD")


def test_the_versions_need_no_identity(site: Site) -> None:
    nobody = site.of(None)
    document = nobody.get("/versions").gave(200).json
    assert document["versions"][0] == {
        "id": "v2.15",
        "status": "SUPPORTED",
        "links": [{"rel": "self", "href": "http://images.example:9292/v2/"}],
    }
    assert nobody.get("/").gave(300).json == document
    nobody.get("/v2/images").gave(401)


def test_the_public_endpoint_stands_in_the_versions(make_site: MakeSite) -> None:
    endpoint = {("DEFAULT", "public_endpoint"): "https://cloud.example/image/"}
    listed = make_site(endpoint).of(None).get("/versions").gave(200).json["versions"]
    assert {v["links"][0]["href"] for v in listed} == {"https://cloud.example/image/v2/"}


def test_the_versions_of_a_site_with_several_stores_and_a_cache(
    make_site: MakeSite, tmp_path: Path
) -> None:
    site = make_site(
        text=f"[DEFAULT]\nimage_cache_dir = {tmp_path}/cache\nenabled_backends = one:file\n"
        f"[glance_store]\ndefault_backend = one\n"
        f"[one]\nfilesystem_store_datadir = {tmp_path}/one\n"
    )
    listed = site.of(None).get("/versions").gave(200).json["versions"]
    assert [v["id"] for v in listed if v["status"] == "CURRENT"] == ["v2.18"]
    assert len(listed) == 19
    site.of(MEMBER).get("/v2.18/images").gave(200)
    site.of(MEMBER).get("/v2.8/images").gave(200)


# -- paths and methods -------------------------------------------------------------------------

PATHS = sorted({path for _, path in OPERATIONS})
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def _filled(path: str) -> str:
    ids = {"image_id": NOWHERE, "task_id": NOWHERE, "member_id": "m", "store_id": "s"}
    return path.format(**ids, tag="t", name="image")


@pytest.mark.parametrize("path", PATHS)
def test_methods_that_a_path_does_not_know(admin: Client, path: str) -> None:
    known = {method for method, of in OPERATIONS if of == path}
    if path == "/":  # there, a wrong method is one more guess
        known = set(METHODS)
    for method in METHODS:
        answer = admin.ask(method, _filled(path))
        assert (answer.status == 405) == (method not in known), (method, answer)
        if answer.status == 405:
            allowed = {name.strip() for name in answer.headers["allow"].split(",")}
            assert allowed - {"OPTIONS"} == known
            if method != "HEAD":
                answer.gave(405, "does not know that method")


#: Paths within the API at which nothing is.
@pytest.mark.parametrize(
    "path",
    [
        *("/v2/foo", "/v2/images/", "/v2//images", f"/v2/images/{NOWHERE}/foo", "/v2/image"),
        *(f"/v2/images/{NOWHERE}/file/", f"/v2/images/{NOWHERE}/tags", "/v2/info", "/v2/info/"),
        *("/v2/schemas", "/v2/schemas/", "/v2/schemas/foo", "/v2/schemas/metadefs/foo"),
        *("/v2/schemas/metadefs", "/v2/IMAGES", "/v2/images%2F", "/v2/info/stores/detail/x"),
        *("/v2/v2/images", "/v2/.", "/v2/..", "/v2/images/../images", "/v2/openapi.json/"),
    ],
)
def test_paths_at_which_nothing_is(admin: Client, path: str) -> None:
    for method in ("GET", "PUT"):
        answer = admin.ask(method, path)
        assert answer.status in (404, 405), answer
    admin.get(path).gave(404)


@pytest.mark.parametrize("method", ["BREW", "PROPFIND", "TRACE", "CONNECT", "get", "X" * 1000])
def test_methods_nobody_knows(admin: Client, method: str) -> None:
    for path in ("/v2/images", "/v2/foo", f"/v2/images/{NOWHERE}/file"):
        assert admin.ask(method, path).status in (400, 404, 405)


def test_options_tell_the_methods(member: Client) -> None:
    answer = member.ask("OPTIONS", "/v2/images")
    assert {"GET", "POST"} <= {name.strip() for name in answer.headers["allow"].split(",")}


# -- schemas and the description ---------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("image", "images", "member", "members", "task", "tasks"),
        *("metadefs/namespace", "metadefs/namespaces", "metadefs/resource_type"),
        *("metadefs/resource_types", "metadefs/property", "metadefs/properties"),
        *("metadefs/object", "metadefs/objects", "metadefs/tag", "metadefs/tags"),
    ],
)
def test_schemas(reader: Client, name: str) -> None:
    schema = reader.get(f"/v2/schemas/{name}").gave(200).json
    assert schema["name"]
    assert schema["properties"]
    reader.ask("GET", f"/v2/schemas/{name}", b"x").gave(400, "takes no body")


def test_an_image_is_as_its_schema_says(member: Client) -> None:
    schema = member.get("/v2/schemas/image").gave(200).json
    image = member.image(member.create_active(x="y", tags=["t"]))
    jsonschema.Draft4Validator(schema).validate(image)
    listed = member.get("/v2/images").gave(200).json
    jsonschema.Draft4Validator(member.get("/v2/schemas/images").json).validate(listed)


def test_the_description_needs_no_identity(site: Site) -> None:
    document = site.of(None).get("/v2/openapi.json").gave(200).json
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) == set(PATHS)


# -- stores, import methods, limits ------------------------------------------------------------


def test_import_methods(make_site: MakeSite) -> None:
    site = make_site({("DEFAULT", "enabled_import_methods"): ["web-download"]})
    assert site.of(ROLELESS).get("/v2/info/import").gave(200).json == {
        "import-methods": {
            "description": "Import methods available.",
            "type": "array",
            "value": ["web-download"],
        }
    }


def test_a_site_with_one_store_names_none(admin: Client, member: Client) -> None:
    admin.get("/v2/info/stores").gave(404)
    admin.get("/v2/info/stores/detail").gave(404)
    member.get("/v2/info/stores/detail").gave(403, "stores_info_detail")


#: A caller and what /v2/info/stores and /v2/info/stores/detail answer.
WHO: list[tuple[Caller | None, int, int]] = [
    (ADMIN, 200, 200),
    (SERVICE, 200, 200),
    (MEMBER, 200, 403),
    (READER, 200, 403),
    (ROLELESS, 200, 403),
    (STRANGER, 200, 403),
    (None, 401, 401),
]


def test_stores(make_site: MakeSite, tmp_path: Path) -> None:
    site = make_site(
        text="[DEFAULT]\nenabled_backends = fast:file,slow:file\n"
        "[glance_store]\ndefault_backend = slow\n"
        f"[slow]\nfilesystem_store_datadir = {tmp_path}/slow\n"
        f"[fast]\nfilesystem_store_datadir = {tmp_path}/fast\n"
        "store_description = The fast one\nweight = 7\n"
    )
    for caller, status, detail in WHO:
        site.of(caller).get("/v2/info/stores").gave(status)
        site.of(caller).get("/v2/info/stores/detail").gave(detail)
    fast: dict[str, Any] = {"id": "fast", "description": "The fast one"}
    slow: dict[str, Any] = {"id": "slow", "default": "true"}
    assert site.of(MEMBER).get("/v2/info/stores").json == {"stores": [fast, slow]}
    detailed = site.of(ADMIN).get("/v2/info/stores/detail").json["stores"]
    assert [(one["id"], one["type"], one["weight"]) for one in detailed] == [
        ("fast", "file", 7),
        ("slow", "file", 0),
    ]
    assert detailed[0]["properties"]["data_dir"] == str(tmp_path / "fast")
    image = site.of(MEMBER).post("/v2/images", {}).gave(201)
    assert image.headers["openstack-image-store-ids"] == "fast,slow"
    assert site.of(MEMBER).image(site.of(MEMBER).create_active())["stores"] == "slow"


def test_no_limits(member: Client) -> None:
    assert member.get("/v2/info/usage").gave(200).json == {"usage": {}}


@pytest.mark.parametrize("path", ["/v2/info/import", "/v2/info/stores", "/v2/info/stores/detail"])
def test_a_body_where_none_belongs(admin: Client, path: str) -> None:
    admin.ask("GET", path, b"x").gave(400, "takes no body")


# -- health ------------------------------------------------------------------------------------

TEXT, JSON = "text/plain", "application/json"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, TEXT),
        ("*/*", TEXT),
        ("text/plain", TEXT),
        ("text/html", TEXT),
        ("application/json", JSON),
        ("text/plain;q=0.1, application/json", JSON),
        ("nonsense", TEXT),
        (";;,,=/", TEXT),
        ("application/json;q=x", None),
        ("", TEXT),
    ],
)
def test_health(site: Site, accept: str | None, media: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = site.of(None).get("/healthcheck", **headers).gave(200)
    found = answer.headers["content-type"].partition(";")[0]
    assert media in (None, found)
    if found == JSON:
        assert answer.json == {"detailed": False, "reasons": ["OK"]}
    else:
        assert answer.body == b"OK"


def test_a_service_that_was_put_aside(make_site: MakeSite, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    text = f"[healthcheck]\ndisable_by_file_path = {aside}\n"
    nobody = make_site(text=text).of(None)
    nobody.get("/healthcheck").gave(200)
    aside.touch()
    assert nobody.ask("GET", "/healthcheck", breaks=True).gave(503).body == b"DISABLED BY FILE"
    answer = nobody.ask("GET", "/healthcheck", None, {"Accept": JSON}, breaks=True).gave(503)
    assert answer.json == {"detailed": False, "reasons": ["DISABLED BY FILE"]}
    assert nobody.ask("HEAD", "/healthcheck", breaks=True).gave(503).body == b""
    aside.unlink()
    nobody.get("/healthcheck").gave(200)
    nobody.ask("HEAD", "/healthcheck").gave(200)
