"""The store in memory does what every store must."""

import pytest

from calotype.stores.memory import MemoryStore
from calotype.stores.store import Store
from tests.stores.suite import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()

    @pytest.fixture
    def small_store(self) -> Store:
        return MemoryStore(capacity=8 << 20)
