"""Deleting images over HTTP: who may, what stays of it, and what stores may say to it."""

import io
from collections.abc import Callable
from typing import Any

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Store
from tests.api.cases import (
    ADMIN,
    MEMBER,
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

#: Who may delete an image of "ours".
DELETERS = [
    ("shared", ADMIN, 204),
    ("shared", MEMBER, 204),
    ("shared", READER, 403),
    ("shared", ROLELESS, 404),
    ("shared", OTHER, 403),  # a member of it: visible, but not theirs
    ("shared", OTHER_READER, 403),
    ("shared", STRANGER, 404),
    ("private", OTHER, 404),
    ("public", OTHER, 403),
    ("public", MEMBER, 204),
    ("community", STRANGER, 403),
]


@on_each_engine
@pytest.mark.parametrize("active", [False, True], ids=["queued", "active"])
def test_who_may_delete(site: Site, active: bool) -> None:
    owner = site.of(ADMIN)
    for visibility, caller, status in DELETERS:
        make = owner.create_active if active else owner.create
        image_id = make(visibility=visibility, owner="ours", tags=["t"], p="v")
        if visibility == "shared":
            owner.share(image_id, "theirs", "accepted")
        before = owner.image(image_id)
        site.of(caller).delete(f"/v2/images/{image_id}").gave(status)
        if status == 204:
            owner.get(f"/v2/images/{image_id}").gave(404)
            owner.get(f"/v2/images/{image_id}/file").gave(404)
            owner.delete(f"/v2/images/{image_id}").gave(404)
            assert image_id not in owner.ids("visibility=all")
        else:
            assert owner.image(image_id) == before


def test_a_protected_image_is_kept(member: Client, admin: Client) -> None:
    image_id = member.create_active(protected=True)
    for client in (member, admin):
        client.delete(f"/v2/images/{image_id}").gave(403, "protected")
    unprotect = [{"op": "replace", "path": "/protected", "value": False}]
    member.patch(f"/v2/images/{image_id}", unprotect).gave(200)
    member.delete(f"/v2/images/{image_id}").gave(204)


# -- what stores say ---------------------------------------------------------------------------


class Clinging(MemoryStore):
    """A store that says about each delete what it was told to say."""

    def __init__(self, answer: errors.StoreError | None = None) -> None:
        super().__init__()
        self.answer = answer

    def delete(self, location: Location) -> None:
        if self.answer is not None:
            raise self.answer
        super().delete(location)


def stores(**named: Store) -> Catalog:
    """A catalog of several stores, the first of them the default."""
    return Catalog(
        {name: Entry(name, store) for name, store in named.items()}, next(iter(named)), multi=True
    )


@on_each_engine
def test_data_in_use_brings_the_image_back_whole(make_site: MakeSite) -> None:
    store = Clinging(errors.DataInUse("a clone of it is in use"))
    client = make_site(stores=stores(one=store)).of(MEMBER)
    image_id = client.create_active(b"kept", tags=["t"], p="v")
    client.share(image_id, "theirs")
    before = client.image(image_id)
    client.delete(f"/v2/images/{image_id}").gave(409, "a clone of it is in use")

    assert client.image(image_id) == before
    assert client.ids() == [image_id]
    assert client.get(f"/v2/images/{image_id}/file").gave(200).body == b"kept"
    assert len(client.get(f"/v2/images/{image_id}/members").gave(200).json["members"]) == 1

    store.answer = None
    client.delete(f"/v2/images/{image_id}").gave(204)
    client.get(f"/v2/images/{image_id}").gave(404)
    assert list(store.leftovers(float("inf"))) == []


def _add_location(site: Site, image_id: str, store_id: str, data: bytes) -> None:
    """Put a copy of an image into one more store."""
    image = site.parts.images.get(image_id)
    put = site.parts.stores.entry(store_id).store.put(image_id, io.BytesIO(data), None)
    copy = Location(put.url.replace("memory", store_id), {"store": store_id})
    site.parts.images.swap(image, image.with_(locations=(*image.locations, copy)))


class Renamed(Clinging):
    """A store whose addresses begin with its own name, as those of two clusters do."""

    def __init__(self, name: str, answer: errors.StoreError | None = None) -> None:
        super().__init__(answer)
        self._name = name

    def _find(self, location: Location) -> Any:
        return super()._find(Location(location.url.replace(self._name, "memory")))

    def delete(self, location: Location) -> None:
        super().delete(Location(location.url.replace(self._name, "memory")))


@on_each_engine
def test_copies_that_are_gone_do_not_come_back_with_the_image(make_site: MakeSite) -> None:
    two = Renamed("two", errors.DataInUse())
    site = make_site(stores=stores(one=MemoryStore(), two=two))
    client = site.of(MEMBER)
    image_id = client.create_active(b"kept")
    _add_location(site, image_id, "two", b"kept")
    assert client.image(image_id)["stores"] == "one,two"
    client.delete(f"/v2/images/{image_id}").gave(409)

    assert client.image(image_id)["stores"] == "two"
    assert client.get(f"/v2/images/{image_id}/file").gave(200).body == b"kept"
    two.answer = None
    client.delete(f"/v2/images/{image_id}").gave(204)
    assert list(two.leftovers(float("inf"))) == []


#: What a store says while the image goes all the same.
TROUBLE: list[Callable[[], errors.StoreError]] = [
    lambda: errors.DataNotFound(),
    lambda: errors.Unsupported(),
    lambda: errors.StoreUnavailable("the cluster is away"),
    lambda: errors.StoreError("something else"),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda make: type(make()).__name__)
def test_a_store_in_trouble_does_not_keep_an_image_from_going(
    make_site: MakeSite, trouble: Callable[[], errors.StoreError]
) -> None:
    site = make_site(stores=stores(one=Clinging(trouble())))
    client = site.of(MEMBER)
    image_id = client.create_active()
    client.delete(f"/v2/images/{image_id}").gave(204)
    client.get(f"/v2/images/{image_id}").gave(404)
    client.delete(f"/v2/images/{image_id}").gave(404)
    assert client.ids("visibility=all") == []
    gone = isinstance(trouble(), errors.DataNotFound | errors.Unsupported)
    # What could not be removed now is for the worker to try again.
    assert (site.parts.deletes.locations(image_id) == []) is gone
    assert site.parts.deletes.pending(older_than=-5) == ([] if gone else [image_id])


@on_each_engine
def test_an_image_that_glance_left_queued_with_data_can_be_deleted(make_site: MakeSite) -> None:
    store = MemoryStore()
    site = make_site(stores=stores(one=store))
    client = site.of(MEMBER)
    image_id = client.create_active()
    with site.parts.database.writing() as connection:
        connection.exec_driver_sql("UPDATE images SET status = 'queued'")
    client.delete(f"/v2/images/{image_id}").gave(204)
    client.get(f"/v2/images/{image_id}").gave(404)
    assert list(store.leftovers(float("inf"))) == []


@on_each_engine
def test_the_id_of_a_deleted_image_stays_taken_and_its_members_stay_out(site: Site) -> None:
    owner, member = site.of(MEMBER), site.of(OTHER)
    image_id = owner.create()
    owner.share(image_id, "theirs", "accepted")
    owner.delete(f"/v2/images/{image_id}").gave(204)
    owner.post("/v2/images", {"id": image_id}).gave(409)
    for client in (owner, member, site.of(ADMIN)):
        client.get(f"/v2/images/{image_id}").gave(404)
        client.get(f"/v2/images/{image_id}/members").gave(404)
        assert client.ids("visibility=all&member_status=all") == []
