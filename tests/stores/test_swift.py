"""The Swift store does what every store must."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import Store
from calotype.stores.swift import SwiftSettings, SwiftStore
from calotype.stores.swift_settings import Account
from tests.backends.swift import STORE, Swift
from tests.keystone import PASSWORD, REGION
from tests.stores.sources import Stream, content
from tests.stores.suite import LargeSuite, StoreSuite, new_key

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


class TestSwiftStore(StoreSuite, LargeSuite):
    @pytest.fixture
    def settings(self, swift: Swift) -> SwiftSettings:
        return by_swift(swift)

    @pytest.fixture
    def store(self, settings: SwiftSettings) -> Store:
        return SwiftStore(settings)

    @pytest.fixture
    def small_store(self, swift: Swift, settings: SwiftSettings) -> Iterator[Store]:
        swift.ask("PUT", "/small", {"X-Container-Meta-Quota-Bytes": str(8 * MIB)})
        yield SwiftStore(replace(settings, container="small"))
        swift.ask("DELETE", "/small")

    @pytest.fixture(autouse=True)
    def _keep_swift(self, swift: Swift) -> None:
        self.swift = swift

    def held(self, store: Store) -> set[str]:
        assert isinstance(store, SwiftStore)
        return set(self.swift.names(store._settings.container))


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
        store.share(location, [projects["red"]], public=False)
        store.delete(location)
        with pytest.raises(errors.DataNotFound):
            store.size(location)

    @pytest.mark.parametrize("where", ["swift+https://{}/v1/AUTH_x", "swift+http://{}:1/v1/AUTH_x",
                                       "swift+http://p%3Au:k@{}:1/v3"])  # fmt: skip
    def test_no_token_goes_where_a_url_says(self, store: SwiftStore, where: str) -> None:
        url = f"{where.format('127.0.0.1')}/glance/{new_key()}"
        with pytest.raises(errors.StoreUnavailable, match=r"another (Swift|place)"):
            store.size(Location(url))
