"""The Swift store does what every store must."""

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import UNFINISHED, Store
from calotype.stores.swift import SwiftSettings, SwiftStore
from calotype.stores.swift_settings import Account
from tests.backends.swift import LARGEST, STORE, Swift
from tests.keystone import PASSWORD, REGION
from tests.stores.sources import Stream, content
from tests.stores.suite import FAR_FUTURE, LargeSuite, StoreSuite, new_key

MIB = 1 << 20


def by_swift(swift: Swift) -> SwiftSettings:
    """With a login of Swift's own."""
    login = swift.login
    account = Account(login.auth_url, login.user, login.key, project=login.account, version="1")
    return SwiftSettings(
        {"ref1": account}, create_container=True, large_object=2 * MIB, segment=MIB
    )


def by_keystone(swift: Swift) -> SwiftSettings:
    """With a login at Keystone."""
    assert swift.keystone is not None
    account = Account(swift.keystone.url, STORE.name, PASSWORD, project=STORE.project)
    return replace(by_swift(swift), accounts={"ref1": account}, region=REGION)


class TestSwiftStore(StoreSuite):
    @pytest.fixture
    def settings(self, swift: Swift) -> SwiftSettings:
        return by_swift(swift)

    @pytest.fixture
    def store(self, settings: SwiftSettings) -> Store:
        return SwiftStore(settings)

    @pytest.fixture
    def small_store(self, swift: Swift, settings: SwiftSettings) -> Iterator[Store]:
        # More goes into one object than Swift takes.
        yield SwiftStore(
            replace(settings, container="small", large_object=4 * LARGEST, segment=4 * LARGEST)
        )

    @pytest.fixture(autouse=True)
    def _keep_swift(self, swift: Swift) -> None:
        self.swift = swift

    def held(self, store: Store) -> set[str]:
        assert isinstance(store, SwiftStore)
        return set(self.swift.names(store._settings.container))


class TestLargeData(LargeSuite):
    LARGE: ClassVar = [("sparse", False)]

    @pytest.fixture
    def store(self, swift: Swift) -> Store:
        return SwiftStore(replace(by_keystone(swift), segment=8 * MIB))


class TestLayout:
    """What lies where, asked of Swift itself."""

    @pytest.fixture
    def settings(self, swift: Swift) -> SwiftSettings:
        return replace(by_swift(swift), container=f"layout-{new_key()[:8]}")

    def test_small_data_is_one_object(self, swift: Swift, settings: SwiftSettings) -> None:
        key = new_key()
        location = SwiftStore(settings).put(key, Stream(b"data"), 4)
        assert location.url == f"swift+config://ref1/{settings.container}/{key}"
        assert swift.names(settings.container) == [key]
        assert swift.ask("GET", f"/{settings.container}/{key}")[1] == b"data"

    @pytest.mark.parametrize("declared", [True, False])
    def test_large_data_lies_in_segments(
        self, swift: Swift, settings: SwiftSettings, declared: bool
    ) -> None:
        key, data = new_key(), content(2 * MIB + 5)
        store = SwiftStore(settings)
        location = store.put(key, Stream(data), len(data) if declared else None)
        parts = [f"{key}-{number:05}" for number in (1, 2, 3)]
        assert swift.names(settings.container) == [key, *parts]
        head, body = swift.ask("GET", f"/{settings.container}/{key}")
        assert head["x-object-manifest"] == f"{settings.container}/{key}-"
        assert body == data
        store.delete(location)
        assert swift.names(settings.container) == []

    def test_a_seed_spreads_images_over_containers(
        self, swift: Swift, settings: SwiftSettings
    ) -> None:
        key = new_key()
        store = SwiftStore(replace(settings, seed=3))
        location = store.put(key, Stream(b"data"), 4)
        container = f"{settings.container}_{key[:3]}"
        assert location.url == f"swift+config://ref1/{container}/{key}"
        assert swift.names(container) == [key]
        assert [it.url for it in store.leftovers(FAR_FUTURE)] == [location.url]

    def test_a_container_is_not_made_unasked(self, settings: SwiftSettings) -> None:
        store = SwiftStore(replace(settings, create_container=False))
        for act in (store.check, lambda: store.put(new_key(), Stream(b"data"), 4)):
            with pytest.raises(
                errors.StoreUnavailable, match="swift_store_create_container_on_put"
            ):
                act()

    def test_old_urls_hold_a_login(self, swift: Swift, settings: SwiftSettings) -> None:
        key, login = new_key(), swift.login
        store = SwiftStore(settings)
        store.put(key, Stream(b"data"), 4)
        host = swift.url.removeprefix("http://")
        user = f"{login.account}%3A{login.user}:{login.key}"
        old = Location(f"swift+http://{user}@{host}/auth/v1.0/{settings.container}/{key}")
        assert b"".join(store.read(old)) == b"data"
        assert login.key not in old.shown
        assert store.recognizes(old.url)
        store.delete(old)
        assert swift.names(settings.container) == []

    def test_a_copy_is_made_by_swift(self, swift: Swift, settings: SwiftSettings) -> None:
        one, two = SwiftStore(settings), SwiftStore(replace(settings, container="copies"))
        for size in (5, 2 * MIB + 5):
            key, data, told = new_key(), content(size), []
            location = one.put(key, Stream(data), size)
            copy = two.copy_within(key, one, location, told.append)
            assert b"".join(two.read(copy)) == data
            assert told[-1] == size
            with pytest.raises(errors.DataExists) as refusal:
                two.copy_within(key, one, location, told.append)
            assert refusal.value.url == copy.url
            two.delete(copy)
            assert b"".join(one.read(location)) == data

    def test_segments_without_a_manifest_are_swept(
        self, swift: Swift, settings: SwiftSettings
    ) -> None:
        key, store = new_key(), SwiftStore(settings)
        location = store.put(key, Stream(content(2 * MIB + 5)), None)
        swift.ask("DELETE", f"/{settings.container}/{key}")  # as a crash before the end leaves it
        with pytest.raises(errors.DataNotFound):
            store.size(location)
        (left,) = store.leftovers(FAR_FUTURE)
        assert (left.url, left.status) == (location.url, UNFINISHED)
        assert store.size(left) == 2 * MIB + 5
        with pytest.raises(errors.DataExists) as refusal:
            store.put(key, Stream(b"data"), 4)
        assert refusal.value.url == location.url
        store.delete(left)
        assert swift.names(settings.container) == []


class TestLogin:
    def test_a_wrong_key_is_named(self, swift: Swift) -> None:
        settings = by_keystone(swift)
        account = replace(settings.accounts["ref1"], key="not the key")
        store = SwiftStore(replace(settings, accounts={"ref1": account}))
        with pytest.raises(errors.StoreUnavailable, match="swift_store_config_file") as refusal:
            store.put(new_key(), Stream(b"data"), 4)
        assert "not the key" not in str(refusal.value)

    def test_a_refused_token_is_replaced(self, swift: Swift) -> None:
        store = SwiftStore(replace(by_swift(swift), container="tokens"))
        location = store.put(new_key(), Stream(b"data"), 4)
        login = store._logins["ref1"]
        assert login._first is not None
        login._first = login._first[0], "AUTH_tkof-yesterday"
        assert store.size(location) == 4


class TestOwners:
    """A multi-tenant store keeps data in its owner's account."""

    @pytest.fixture
    def store(self, swift: Swift) -> SwiftStore:
        return SwiftStore(replace(by_keystone(swift), multi_tenant=True))

    @pytest.mark.parametrize("size", [5, 3 * MIB], ids=["plain", "segments"])
    def test_data_lies_with_its_owner(self, store: SwiftStore, swift: Swift, size: int) -> None:
        assert swift.keystone is not None
        key, data, projects = new_key(), content(size), swift.keystone.projects
        location = store.of(projects["blue"]).put(key, Stream(data), size)
        account, container = f"AUTH_{projects['blue']}", f"glance_{key}"
        assert location.url == f"swift+{swift.url}/v1/{account}/{container}/{key}"
        assert b"".join(store.read(location)) == data
        store.delete(location)
        with pytest.raises(errors.DataNotFound):
            store.size(location)

    @pytest.mark.parametrize("where", ["swift+https://{}/v1/AUTH_x", "swift+http://{}:1/v1/AUTH_x",
                                       "swift+http://p%3Au:k@{}:1/v3"])  # fmt: skip
    def test_no_token_goes_where_a_url_says(self, store: SwiftStore, where: str) -> None:
        url = f"{where.format('127.0.0.1')}/glance/{new_key()}"
        with pytest.raises(errors.StoreUnavailable, match=r"another (Swift|place)"):
            store.size(Location(url))
