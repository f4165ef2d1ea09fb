"""The Swift store does what every store must."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from calotype.stores.store import Store
from calotype.stores.swift import SwiftSettings, SwiftStore
from calotype.stores.swift_settings import Account
from tests.backends.swift import STORE, Swift
from tests.keystone import PASSWORD, REGION
from tests.stores.suite import LargeSuite, StoreSuite

MIB = 1 << 20


def by_swift(swift: Swift) -> SwiftSettings:
    """With a login of Swift's own."""
    login = swift.login
    account = Account(login.auth_url, login.user, login.key, project=login.account, version="1")
    return SwiftSettings({"ref1": account}, create_container=True, large_object=2 * MIB, segment=MIB)


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
