"""Several stores, as HTTP: where data goes, where it comes from, and how one copy is removed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from calotype.db.copies import Copies
from calotype.db.engine import Database
from calotype.model.location import Location
from tests.api.cases import ADMIN, MEMBER, NOWHERE, OCTETS, OTHER, READER, Client, on_each_engine
from tests.api.conftest import MakeSite
from tests.api.many_stores import WEIGHTS, ManyStores, many_stores

FORMATS = {"disk_format": "raw", "container_format": "bare"}


@pytest.fixture
def site(database: Database, tmp_path: Path) -> Iterator[ManyStores]:
    site = many_stores(database, tmp_path)
    yield site
    site.parts.database.close()


def upload(client: Client, data: bytes = b"data", store: str | None = None) -> str:
    """A new image with its data in a store; its id."""
    image_id = client.create(**FORMATS)
    headers = {"Content-Type": OCTETS} | ({"x-image-meta-store": store} if store else {})
    client.ask("PUT", f"/v2/images/{image_id}/file", data, headers).gave(204)
    return image_id


def copy_to(site: ManyStores, image_id: str, to: str, data: bytes, **metadata: str) -> None:
    """Give the image one more copy, with just this metadata."""
    (site.folder / to / image_id).write_bytes(data)
    image = site.parts.images.get(image_id)
    place = Location(f"file://{site.folder}/{to}/{image_id}", metadata)
    site.parts.images.swap(image, image.with_(locations=(*image.locations, place)))


# -- upload ----------------------------------------------------------------------------------------


def test_data_goes_to_the_store_that_is_named(site: ManyStores) -> None:
    for store in WEIGHTS:
        image_id = upload(site.of(MEMBER), b"in " + store.encode(), store)
        assert site.files(store)[image_id] == b"in " + store.encode()
        assert site.of(MEMBER).image(image_id)["stores"] == store
        (place,) = site.parts.images.get(image_id).locations
        assert place.metadata == {"store": store}


def test_data_goes_to_the_default_store_when_none_is_named(site: ManyStores) -> None:
    image_id = upload(site.of(MEMBER))
    assert site.of(MEMBER).image(image_id)["stores"] == "cheap"


@pytest.mark.parametrize("store", ["nowhere", "os_glance_staging_store", "FAST", "fast,far"])
def test_an_unknown_or_reserved_store_takes_nothing(site: ManyStores, store: str) -> None:
    client = site.of(MEMBER)
    image_id = client.create(**FORMATS)
    headers = {"Content-Type": OCTETS, "x-image-meta-store": store}
    answer = client.ask("PUT", f"/v2/images/{image_id}/file", b"x", headers)
    answer.gave(400, "the stores are: fast, cheap, far")
    assert client.image(image_id)["status"] == "queued"
    assert not any(site.files(name) for name in WEIGHTS)


def test_an_image_without_data_is_in_no_store(site: ManyStores) -> None:
    client = site.of(MEMBER)
    assert "stores" not in client.image(client.create())


def test_without_named_stores_the_header_means_nothing(make_site: MakeSite) -> None:
    client = make_site().of(MEMBER)
    image_id = client.create(**FORMATS)
    headers = {"Content-Type": OCTETS, "x-image-meta-store": "nowhere"}
    client.ask("PUT", f"/v2/images/{image_id}/file", b"x", headers).gave(204)
    assert "stores" not in client.image(image_id)


# -- rows of before --------------------------------------------------------------------------------


def test_the_store_of_an_older_row_is_known_by_its_url(site: ManyStores) -> None:
    client = site.of(MEMBER)
    image_id = upload(client, b"data", "cheap")
    copy_to(site, image_id, "far", b"data")
    assert client.image(image_id)["stores"] == "cheap,far"
    assert client.get("/v2/images").json["images"][0]["stores"] == "cheap,far"


def test_all_locations_say_their_store(database: Database, tmp_path: Path) -> None:
    shown = {
        ("DEFAULT", "show_multiple_locations"): True,
        ("DEFAULT", "show_image_direct_url"): True,
    }
    site = many_stores(database, tmp_path, shown)
    image_id = upload(site.of(ADMIN), b"data", "cheap")
    copy_to(site, image_id, "far", b"data", other="kept")
    image = site.of(ADMIN).image(image_id)
    site.parts.database.close()
    metadata = [place["metadata"] for place in image["locations"]]
    assert metadata == [{"store": "cheap"}, {"other": "kept", "store": "far"}]
    assert image["direct_url"] == f"file://{tmp_path}/far/{image_id}"


# -- download --------------------------------------------------------------------------------------


@pytest.fixture
def spread(site: ManyStores) -> str:
    """An image whose copies say where they are."""
    image_id = upload(site.of(MEMBER), b"in cheap", "cheap")
    copy_to(site, image_id, "far", b"in  far ", store="far")
    copy_to(site, image_id, "fast", b"in fast ")
    return image_id


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", b"in fast "),
        ("?prefer=", b"in fast "),
        ("?prefer=cheap", b"in cheap"),
        ("?prefer=far,cheap", b"in  far "),
        ("?prefer=%20cheap%20,,far", b"in cheap"),
    ],
)
def test_a_download_comes_from_the_heaviest_or_the_preferred_store(
    site: ManyStores, spread: str, query: str, expected: bytes
) -> None:
    assert site.of(MEMBER).get(f"/v2/images/{spread}/file{query}").gave(200).body == expected


def test_a_download_falls_through_to_the_next_store(site: ManyStores, spread: str) -> None:
    (site.folder / "cheap" / spread).unlink()
    (site.folder / "fast" / spread).write_bytes(b"damaged: of another length")
    answer = site.of(MEMBER).get(f"/v2/images/{spread}/file?prefer=cheap,fast")
    assert answer.gave(200).body == b"in  far "


def test_an_unknown_store_cannot_be_preferred(site: ManyStores, spread: str) -> None:
    site.of(MEMBER).get(f"/v2/images/{spread}/file?prefer=fast,nowhere").gave(400, "nowhere")


def test_prefer_needs_named_stores(make_site: MakeSite) -> None:
    client = make_site().of(MEMBER)
    url = f"/v2/images/{client.create_active()}/file?prefer=file"
    client.get(url).gave(400, "enabled_backends")


def test_prefer_needs_its_rule(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text('"download_from_store": "role:admin"\n')
    monkeypatch.setenv("OS_OSLO_POLICY__POLICY_FILE", str(policy))
    site = many_stores(database, tmp_path)
    url = f"/v2/images/{upload(site.of(MEMBER))}/file"
    site.of(MEMBER).get(url).gave(200)
    site.of(MEMBER).get(f"{url}?prefer=cheap").gave(403, "download_from_store")
    site.of(ADMIN).get(f"{url}?prefer=cheap").gave(200)
    site.parts.database.close()


# -- what is told ----------------------------------------------------------------------------------


def test_the_list_of_stores(site: ManyStores) -> None:
    listed = site.of(READER).get("/v2/info/stores").gave(200).json["stores"]
    assert listed == [
        {"id": "fast", "description": "The fast one"},
        {"id": "cheap", "description": "The cheap one", "default": "true"},
        {"id": "far", "description": "The far one"},
    ]


def test_the_detailed_list_of_stores(site: ManyStores) -> None:
    site.of(MEMBER).get("/v2/info/stores/detail").gave(403)
    fast, cheap, far = site.of(ADMIN).get("/v2/info/stores/detail").gave(200).json["stores"]
    assert fast == {
        "id": "fast",
        "description": "The fast one",
        "type": "file",
        "weight": 10,
        "properties": {
            "data_dir": str(site.folder / "fast"),
            "chunk_size": 65536,
            "thin_provisioning": False,
        },
        "powers": ["range", "takes files", "opens files", "sweeping"],
    }
    assert (cheap["default"], cheap["weight"], far["weight"]) == ("true", 0, 5)


def test_a_new_image_is_told_the_stores(site: ManyStores) -> None:
    answer = site.of(MEMBER).post("/v2/images", {}).gave(201)
    assert answer.headers["openstack-image-store-ids"] == "fast,cheap,far"


# -- removing one copy -----------------------------------------------------------------------------


@on_each_engine
def test_one_copy_goes_and_the_others_stay(site: ManyStores, spread: str) -> None:
    client = site.of(ADMIN)
    for store, left in (("cheap", "far,fast"), ("fast", "far")):
        client.delete(f"/v2/stores/{store}/{spread}").gave(204)
        assert client.image(spread)["stores"] == left
        assert spread not in site.files(store)
        client.delete(f"/v2/stores/{store}/{spread}").gave(403 if left == "far" else 404)
    client.delete(f"/v2/stores/far/{spread}").gave(403, "delete the image instead")
    assert client.get(f"/v2/images/{spread}/file").gave(200).body == b"in  far "


def test_removing_a_copy_is_for_admins(site: ManyStores, spread: str) -> None:
    site.of(MEMBER).delete(f"/v2/stores/cheap/{spread}").gave(403, "delete_image_location")
    site.of(OTHER).delete(f"/v2/stores/cheap/{spread}").gave(404)
    assert site.of(MEMBER).image(spread)["stores"] == "cheap,far,fast"


def test_what_cannot_be_removed(site: ManyStores, spread: str) -> None:
    client = site.of(ADMIN)
    client.delete(f"/v2/stores/cheap/{NOWHERE}").gave(404)
    client.delete(f"/v2/stores/nowhere/{spread}").gave(409, "the stores are: fast, cheap, far")
    client.delete(f"/v2/stores/os_glance_staging_store/{spread}").gave(409)
    client.delete(f"/v2/stores/cheap/{client.create()}").gave(409, "queued")
    client.delete(f"/v2/stores/far/{upload(client)}").gave(403)  # the only copy: asked first
    client.delete(f"/v2/stores/cheap/{spread}", {"a": "body"}).gave(400)


def test_without_named_stores_there_is_no_copy_to_remove(make_site: MakeSite) -> None:
    client = make_site().of(ADMIN)
    client.delete(f"/v2/stores/file/{client.create_active()}").gave(404)


def test_a_copy_stays_when_its_store_fails(site: ManyStores, spread: str) -> None:
    (site.folder / "cheap").rename(site.folder / "away")
    client = site.of(ADMIN)
    client.ask("DELETE", f"/v2/stores/cheap/{spread}", breaks=True).gave(503)
    assert client.image(spread)["stores"] == "cheap,far,fast"
    (site.folder / "away").rename(site.folder / "cheap")
    client.delete(f"/v2/stores/cheap/{spread}").gave(204)


def test_a_copy_whose_data_is_gone_can_be_removed(site: ManyStores, spread: str) -> None:
    (site.folder / "cheap" / spread).unlink()
    site.of(ADMIN).delete(f"/v2/stores/cheap/{spread}").gave(204)
    assert site.of(ADMIN).image(spread)["stores"] == "far,fast"


@on_each_engine
def test_a_delete_that_a_crash_interrupted_is_finished_by_asking_again(
    site: ManyStores, spread: str
) -> None:
    image = site.parts.images.get(spread)
    Copies(site.parts.database).begin(image, image.locations[0])
    assert site.of(ADMIN).image(spread)["stores"] == "far,fast"
    site.of(ADMIN).delete(f"/v2/stores/cheap/{spread}").gave(204)
    assert spread not in site.files("cheap")
    assert Copies(site.parts.database).interrupted(spread) == []


@on_each_engine
def test_of_two_who_remove_the_last_two_copies_one_is_refused(site: ManyStores) -> None:
    image_id = upload(site.of(ADMIN), b"data", "cheap")
    copy_to(site, image_id, "far", b"data", store="far")
    # Both have looked before the other one began.
    image = site.parts.images.get(image_id)
    copies = Copies(site.parts.database)
    copies.begin(image, image.locations[0])
    with pytest.raises(Exception, match="only copy"):
        copies.begin(replace(image), image.locations[1])
    assert site.of(ADMIN).get(f"/v2/images/{image_id}/file").gave(200).body == b"data"
