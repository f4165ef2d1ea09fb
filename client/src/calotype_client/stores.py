"""Stores: where the service can keep data."""

from dataclasses import dataclass

from calotype_client.calls import Calls
from calotype_client.model import Store


@dataclass(frozen=True)
class Stores:
    """The stores of a service that has names for them."""

    _calls: Calls

    def list(self, *, detail: bool = False) -> list[Store]:
        """All stores; with `detail`, for admins, what they are. Raises NotFound without names."""
        where = "/v2/info/stores/detail" if detail else "/v2/info/stores"
        return self._calls.json(
            "GET", where, lambda found: [Store.of(it) for it in found["stores"]]
        )
