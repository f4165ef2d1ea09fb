"""Locations through PATCH, where `show_multiple_locations` is on: the tables of the API."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from calotype import errors
from calotype.db import import_lock
from calotype.db.engine import Database
from calotype.model.location import Location
from calotype.remote.uri_filter import UriFilter
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.http import HttpStore
from calotype.stores.http_settings import HttpSettings
from calotype.stores.memory import MemoryStore
from tests.api.cases import ADMIN, MEMBER, OTHER, READER, V20, Answer, Site, on_each_engine
from tests.api.conftest import MakeSite
from tests.remote.data_server import DataServer, giving
from tests.stores.sources import Stream

FORMATS = {"disk_format": "raw", "container_format": "bare"}
DATA = b"data on the web"
SHA512 = hashlib.sha512(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()
POLICY = "delete_image_location"


class Shelf(MemoryStore):
    """Refuses to delete while `held`."""

    held = False

    def delete(self, location: Location) -> None:
        if self.held:
            raise errors.DataInUse()
        super().delete(location)


@dataclass
class Showing:
    """A site that shows locations, with a server on the web."""

    site: Site
    web: DataServer
    shelf: Shelf

    def patch(self, image_id: str, *changes: dict[str, Any], caller: Any = MEMBER) -> Answer:
        return self.site.of(caller).patch(f"/v2/images/{image_id}", list(changes))

    def image(self, image_id: str, caller: Any = MEMBER) -> Any:
        return self.site.of(caller).image(image_id)

    def new(self, **fields: Any) -> str:
        return self.site.of(MEMBER).create(**{**FORMATS, **fields})

    def at(self, data: bytes = DATA) -> str:
        """The address of data on the web."""
        path = f"/{len(self.web.files)}"
        self.web.files[path] = data
        return f"{self.web.url}{path}"

    def kept(self, key: str, data: bytes = DATA) -> str:
        """The address of data in the other store."""
        return self.shelf.put(key, Stream(data), None).url

    def active(self, *urls: str) -> str:
        """The id of an image with these locations."""
        image_id = self.new()
        for url in urls or (self.at(),):
            self.patch(image_id, add(url)).gave(200)
        return image_id

    def urls(self, image_id: str) -> list[str]:
        return [it["url"] for it in self.image(image_id, ADMIN)["locations"]]


def add(url: str, place: str = "-", metadata: Any = None, **more: Any) -> dict[str, Any]:
    value = {"url": url, "metadata": {} if metadata is None else metadata, **more}
    return {"op": "add", "path": f"/locations/{place}", "value": value}


def put(*values: Any) -> dict[str, Any]:
    return {"op": "replace", "path": "/locations", "value": list(values)}


def remove(place: str = "0") -> dict[str, Any]:
    return {"op": "remove", "path": f"/locations/{place}"}


def entry(url: str, **metadata: str) -> dict[str, Any]:
    return {"url": url, "metadata": metadata}


def make(make_site: MakeSite, web: DataServer, **options: Any) -> Showing:
    allowed = {"allowed_hosts": ["127.0.0.1"], "allowed_ports": [web.port]}
    shelf = Shelf()
    stores = Catalog(
        {
            "shelf": Entry("shelf", shelf),
            "web": Entry("web", HttpStore(HttpSettings(), UriFilter(**allowed, name="url"))),
        },
        "shelf",
        multi=True,
    )
    settings = {("DEFAULT", "show_multiple_locations"): True}
    settings |= {("import_filtering_opts", name): value for name, value in allowed.items()}
    settings |= {("DEFAULT", name): value for name, value in options.items()}
    return Showing(make_site(settings, stores=stores), web, shelf)


@pytest.fixture(scope="module")
def web() -> Iterator[DataServer]:
    with giving() as server:
        yield server


@pytest.fixture
def showing(make_site: MakeSite, web: DataServer) -> Showing:
    return make(make_site, web)


# -- switched off ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [add("http://192.0.2.1/"), put(), remove(), add("nonsense", "x"), remove("x")]
)
def test_where_locations_are_not_shown_nobody_changes_them(site: Site, change: Any) -> None:
    image_id = site.of(ADMIN).create_active()
    site.of(ADMIN).patch(f"/v2/images/{image_id}", [change]).gave(403, "locations")
    assert "locations" not in site.of(ADMIN).image(image_id)


# -- showing ---------------------------------------------------------------------------------------


def test_whoever_sees_an_image_sees_its_locations(showing: Showing) -> None:
    image_id = showing.new()
    assert showing.image(image_id)["locations"] == []
    url = showing.at()
    showing.patch(image_id, add(url)).gave(200)
    expected = [entry(url, store="web")]
    assert showing.image(image_id, READER)["locations"] == expected
    [listed] = showing.site.of(MEMBER).get("/v2/images").json["images"]
    assert listed["locations"] == expected


def test_those_of_a_deactivated_image_are_for_admins(showing: Showing) -> None:
    image_id = showing.active()
    showing.site.of(ADMIN).post(f"/v2/images/{image_id}/actions/deactivate").gave(204)
    hidden = showing.image(image_id)
    assert hidden["locations"] == [] and "stores" not in hidden
    [listed] = showing.site.of(MEMBER).get("/v2/images").json["images"]
    assert listed["locations"] == []
    assert len(showing.image(image_id, ADMIN)["locations"]) == 1
    [listed] = showing.site.of(ADMIN).get("/v2/images").json["images"]
    assert len(listed["locations"]) == 1


def test_no_image_is_made_with_locations(showing: Showing) -> None:
    body = {**FORMATS, "locations": [entry("http://192.0.2.1/")]}
    showing.site.of(MEMBER).post("/v2/images", body).gave(403, "locations")


# -- adding ----------------------------------------------------------------------------------------


@on_each_engine
def test_the_first_location_makes_an_image_active(
    make_site: MakeSite, web: DataServer, engine_name: str
) -> None:
    showing = make(make_site, web)
    image_id, url = showing.new(), showing.at()
    answer = showing.patch(image_id, add(url, metadata={"a": "b"})).gave(200).json
    assert (answer["status"], answer["size"]) == ("active", len(DATA))
    assert answer["locations"] == [entry(url, a="b", store="web")]
    assert answer == showing.image(image_id)
    assert answer["os_hash_value"] is None
    assert showing.site.of(MEMBER).get(f"/v2/images/{image_id}/file").body == DATA


def test_formats_may_come_with_it(showing: Showing) -> None:
    image_id = showing.site.of(MEMBER).create()
    url = showing.at()
    showing.patch(image_id, add(url)).gave(400, "disk_format")
    assert showing.image(image_id)["status"] == "queued"
    formats = [{"op": "replace", "path": f"/{name}", "value": v} for name, v in FORMATS.items()]
    assert showing.patch(image_id, *formats, add(url)).gave(200).json["status"] == "active"


def test_further_locations_follow(showing: Showing) -> None:
    first, second, third = showing.at(), showing.kept("second"), showing.at()
    image_id = showing.active(first)
    answer = showing.patch(image_id, add(second), add(third, "1")).gave(200).json
    assert [it["url"] for it in answer["locations"]] == [first, second, third]
    assert answer["stores"] == "web,shelf,web"


def test_digests_may_come_with_the_first(showing: Showing) -> None:
    image_id = showing.new()
    digests = {"checksum": MD5, "os_hash_algo": "sha512", "os_hash_value": SHA512.upper()}
    answer = showing.patch(image_id, add(showing.at(), validation_data=digests)).gave(200).json
    assert (answer["checksum"], answer["os_hash_algo"]) == (MD5, "sha512")
    assert answer["os_hash_value"] == SHA512
    assert "validation_data" not in str(answer)
    # A further location may say the same, and nothing else.
    showing.patch(image_id, add(showing.at(), validation_data=digests)).gave(200)
    other = {**digests, "os_hash_value": "0" * 128}
    showing.patch(image_id, add(showing.at(), validation_data=other)).gave(409, "os_hash_value")


@pytest.mark.parametrize(
    ("digests", "status", "says"),
    [
        ({"os_hash_algo": "sha256", "os_hash_value": "0" * 64}, 409, "must be sha512"),
        ({"os_hash_algo": "sha512", "os_hash_value": "0" * 64}, 409, "128 hex"),
        ({"os_hash_algo": "sha512", "os_hash_value": "x" * 128}, 409, "128 hex"),
        (
            {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": "x" * 32},
            409,
            "checksum: must have 32",
        ),
        ({"os_hash_algo": "sha512"}, 400, "os_hash_value: is required"),
        ({"os_hash_value": SHA512}, 400, "os_hash_algo: is required"),
        ({"os_hash_algo": "sha512", "os_hash_value": SHA512, "x": "y"}, 400, "x"),
    ],
)
def test_digests_that_cannot_be_right(
    showing: Showing, digests: dict[str, str], status: int, says: str
) -> None:
    image_id = showing.new()
    showing.patch(image_id, add(showing.at(), validation_data=digests)).gave(status, says)
    assert showing.image(image_id)["status"] == "queued"


def test_an_active_image_without_digests_gets_none_by_a_location(showing: Showing) -> None:
    image_id = showing.active()
    digests = {"os_hash_algo": "sha512", "os_hash_value": SHA512}
    showing.patch(image_id, add(showing.at(), validation_data=digests)).gave(409, "another one")


REFUSED: list[tuple[Any, str]] = [
    (add("file:///etc/passwd"), "file://"),
    (add("filesystem:///etc/passwd"), "filesystem://"),
    (add("swift+config://ref/container/key"), "swift+config://"),
    (add("rbd://fsid/pool/image/snap"), "url: must begin with"),
    (add("nonsense"), "url: must begin with"),
    (add("http://169.254.169.254/"), "url: "),
    (add("http://127.0.0.1:1/"), "url: the port 1"),
    (add("http://user:secret@127.0.0.1/"), "url: must not hold a user"),
    (add("memory://nowhere"), "no data at this address"),
    (add("memory://x", metadata={"store": "web"}), "metadata.store"),
    (add("memory://x", metadata={"store": "elsewhere"}), "metadata.store"),
    (add("memory://x", metadata={"a": 5}), "metadata.a: must be a string"),
    (add("memory://x", metadata={"a": None}), "metadata.a: must be a string"),
    (add("memory://x", metadata=[]), "metadata: must be an object"),
    (add("memory://" + "x" * 250), "url: must be a string of at most 255"),
    (add("memory://\0"), "U+0000"),
    (add("memory://x", "1"), "no such place"),
    (add("memory://x", "-1"), "no such place"),
    (add("memory://x", "x"), "no such place"),
    (add("memory://x", ""), "no such place"),
    (add("memory://x", "²"), "no such place"),
    ({"op": "add", "path": "/locations", "value": [entry("memory://x")]}, "no such place"),
    ({"op": "add", "path": "/locations/-", "value": "memory://x"}, "locations: must be an object"),
    (
        {"op": "add", "path": "/locations/-", "value": {"url": "memory://x"}},
        "metadata: is required",
    ),
    ({"op": "add", "path": "/locations/-", "value": {"metadata": {}}}, "url: is required"),
    ({"op": "add", "path": "/locations/-/x", "value": entry("memory://x")}, "too deep"),
    ({"op": "replace", "path": "/locations", "value": entry("memory://x")}, "must be a list"),
    ({"op": "replace", "path": "/locations/0", "value": entry("memory://x")}, "as a whole"),
    (put(entry("memory://nowhere")), "no data at this address"),
    (put(entry("memory://x"), entry("memory://x")), "has this url already"),
]


@pytest.mark.parametrize(("change", "says"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_is_refused(showing: Showing, change: Any, says: str) -> None:
    showing.kept("x")
    image_id = showing.new()
    rename = {"op": "replace", "path": "/name", "value": "new"}
    answer = showing.patch(image_id, rename, change).gave(400, says)
    assert "secret" not in answer.message and "passwd" not in answer.message
    image = showing.image(image_id)
    assert (image["status"], image["locations"], image["name"]) == ("queued", [], None)


@on_each_engine
def test_metadata_may_be_large_but_not_too_large(
    make_site: MakeSite, web: DataServer, engine_name: str
) -> None:
    showing = make(make_site, web)
    image_id, url = showing.new(), showing.at()
    room = (1 << 16) - 1 - len('{"a":"","store":"web"}')
    showing.patch(image_id, add(url, metadata={"a": "x" * (room + 1)})).gave(400, "metadata: ")
    showing.patch(image_id, add(url, metadata={"a": "x" * room})).gave(200)
    assert len(showing.image(image_id)["locations"][0]["metadata"]["a"]) == room


def test_empty_data_is_none(showing: Showing) -> None:
    showing.patch(showing.new(), add(showing.at(b""))).gave(400, "empty")


def test_data_of_another_size_is_other_data(showing: Showing) -> None:
    image_id = showing.active()
    showing.patch(image_id, add(showing.at(b"other"))).gave(400, "there are 5 bytes")


def test_no_url_twice(showing: Showing) -> None:
    url = showing.at()
    image_id = showing.active(url)
    showing.patch(image_id, add(url)).gave(400, "has this url already")
    showing.patch(image_id, add(url.replace("http", "HTTP"))).gave(400, "has this url already")


def test_a_server_that_is_away_is_no_fault_of_the_patch(showing: Showing) -> None:
    showing.web.manners.heads, showing.web.manners.fail = False, [500]
    image_id = showing.new()
    answer = showing.site.of(MEMBER).ask(
        "PATCH", f"/v2/images/{image_id}", [add(showing.at())], V21_HEADERS, breaks=True
    )
    showing.web.manners.heads = True
    answer.gave(503, "500")


V21_HEADERS = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def test_quotas(make_site: MakeSite, web: DataServer) -> None:
    showing = make(make_site, web, image_location_quota=2, user_storage_quota=str(3 * len(DATA)))
    image_id = showing.active(showing.at(), showing.at())
    showing.patch(image_id, add(showing.at())).gave(413, "locations: at most 2")
    showing.patch(showing.new(), add(showing.at(DATA + DATA))).gave(413, "user_storage_quota")


@pytest.mark.parametrize("change", [add("http://192.0.2.1/"), put(entry("http://192.0.2.1/"))])
def test_who_may_not_set_them(showing: Showing, change: Any) -> None:
    image_id = showing.new()
    showing.patch(image_id, change, caller=READER).gave(403)
    showing.patch(image_id, change, caller=OTHER).gave(404)


@pytest.mark.parametrize("status", ["saving", "uploading", "importing", "deactivated"])
@pytest.mark.parametrize("change", [add("memory://x"), put(entry("memory://x")), remove()])
def test_the_status_must_be_right(
    showing: Showing, database: Database, status: str, change: Any
) -> None:
    from calotype.db.tables import images

    image_id = showing.active()
    row = images.update().where(images.c.id == image_id).values(status=status)
    database.transaction(lambda connection: connection.execute(row))
    showing.patch(image_id, change, caller=ADMIN).gave(409, status)


def test_a_queued_image_that_somebody_imports(showing: Showing, database: Database) -> None:
    """Glance on the same database leaves it queued meanwhile."""
    image_id = showing.new()
    database.transaction(lambda connection: import_lock.take(connection, image_id, "of-glance"))
    showing.patch(image_id, add(showing.at())).gave(409, "imported")


# -- replacing -------------------------------------------------------------------------------------


def test_replacing_describes_what_is_there(showing: Showing) -> None:
    first, second = showing.at(), showing.kept("second")
    image_id = showing.active(first, second)
    answer = showing.patch(image_id, put(entry(second, a="b"), entry(first))).gave(200).json
    assert answer["locations"] == [entry(first, store="web"), entry(second, a="b", store="shelf")]
    assert answer == showing.image(image_id)


def test_replacing_on_a_queued_image_adds(showing: Showing) -> None:
    image_id, urls = showing.new(), [showing.at(), showing.at()]
    assert showing.patch(image_id, put(*map(entry, urls))).gave(200).json["status"] == "active"
    assert showing.urls(image_id) == urls


def test_replacing_neither_adds_nor_removes_on_an_active_one(showing: Showing) -> None:
    first, second = showing.at(), showing.at()
    image_id = showing.active(first)
    for values in ([entry(first), entry(second)], [entry(second)], [entry(first)] * 2):
        showing.patch(image_id, put(*values)).gave(400, "only their metadata")
    for queued in (image_id, showing.new()):
        showing.patch(queued, put()).gave(403, "cannot lose all")
    assert showing.urls(image_id) == [first]


def test_data_that_this_service_wrote_can_be_described(showing: Showing) -> None:
    image_id = showing.site.of(MEMBER).create_active(DATA)
    [place] = showing.image(image_id)["locations"]
    answer = showing.patch(image_id, put(entry(place["url"], a="b"))).gave(200).json
    assert answer["locations"] == [entry(place["url"], a="b", store="shelf")]


# -- removing --------------------------------------------------------------------------------------


@on_each_engine
def test_removing_takes_the_data_away(
    make_site: MakeSite, web: DataServer, engine_name: str
) -> None:
    showing = make(make_site, web)
    first, second = showing.kept("first"), showing.at()
    image_id = showing.active(first, second)
    answer = showing.patch(image_id, remove("0"), caller=ADMIN).gave(200).json
    assert answer["locations"] == [entry(second, store="web")]
    assert answer == showing.image(image_id)
    assert showing.shelf.find("first") is None
    showing.patch(image_id, remove("0"), caller=ADMIN).gave(403, "the last one")


def test_data_that_another_image_has_stays(showing: Showing) -> None:
    url = showing.kept("shared")
    image_id, other = showing.active(url, showing.at()), showing.active(url)
    showing.patch(image_id, remove(), caller=ADMIN).gave(200)
    assert showing.site.of(MEMBER).get(f"/v2/images/{other}/file").body == DATA
    showing.site.of(MEMBER).delete(f"/v2/images/{other}").gave(204)
    assert showing.shelf.find("shared") is None


def test_a_location_on_the_web_is_only_forgotten(showing: Showing) -> None:
    image_id = showing.active(showing.at(), showing.kept("second"))
    showing.patch(image_id, remove(), caller=ADMIN).gave(200)
    assert showing.image(image_id)["stores"] == "shelf"


def test_data_in_use_stays_and_so_does_its_location(showing: Showing) -> None:
    urls = [showing.kept("first"), showing.at()]
    image_id = showing.active(*urls)
    showing.shelf.held = True
    showing.patch(image_id, remove(), caller=ADMIN).gave(409, "in use")
    assert showing.urls(image_id) == urls
    showing.shelf.held = False
    showing.patch(image_id, remove(), caller=ADMIN).gave(200)


def test_one_can_take_the_place_of_another(showing: Showing) -> None:
    old, new = showing.kept("old"), showing.kept("new")
    image_id = showing.active(old)
    showing.patch(image_id, add(new), remove("0"), caller=ADMIN).gave(200)
    assert showing.urls(image_id) == [new]
    assert showing.shelf.find("old") is None


def test_what_was_added_in_the_same_patch_can_be_left_out_again(showing: Showing) -> None:
    image_id, url = showing.active(), showing.kept("new")
    before = showing.urls(image_id)
    showing.patch(image_id, add(url), remove("1"), caller=ADMIN).gave(200)
    assert showing.urls(image_id) == before
    assert showing.shelf.find("new") is not None


def test_who_may_not_remove(showing: Showing) -> None:
    image_id = showing.active(showing.at(), showing.at())
    showing.patch(image_id, remove()).gave(403, POLICY)
    assert len(showing.urls(image_id)) == 2


@pytest.mark.parametrize("place", ["2", "-", "-1", "x", "", "1000000000000"])
def test_places_that_there_are_not(showing: Showing, place: str) -> None:
    image_id = showing.active(showing.at(), showing.at())
    showing.patch(image_id, remove(place), caller=ADMIN).gave(400, "no such place")
    showing.patch(image_id, {"op": "remove", "path": "/locations"}, caller=ADMIN).gave(400)


def test_the_older_media_type_knows_them_too(showing: Showing) -> None:
    image_id, urls = showing.new(), [showing.at(), showing.at()]
    client = showing.site.of(ADMIN)
    changes = [{"add": "/locations/-", "value": entry(url)} for url in urls]
    client.patch(f"/v2/images/{image_id}", changes, V20).gave(200)
    client.patch(f"/v2/images/{image_id}", [{"remove": "/locations/0"}], V20).gave(200)
    assert showing.urls(image_id) == urls[1:]
