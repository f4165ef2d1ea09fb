"""What the service tells about itself: import methods and stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from calotype import errors
from calotype.caller import Caller
from calotype.policy.enforcer import Policy
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.store import powers


@dataclass(frozen=True)
class Info:
    """The use cases under /v2/info."""

    stores: Catalog
    policy: Policy
    import_methods: Sequence[str]

    def list_stores(self) -> list[dict[str, Any]]:
        """Every store a caller may name. Raises NotFound without `enabled_backends`."""
        self._need_multi()
        return [self._summary(entry) for entry in self.stores.entries()]

    def detail_stores(self, caller: Caller) -> list[dict[str, Any]]:
        """The same with type, weight and properties, for those the policy lets see it."""
        self.policy.check(caller, "stores_info_detail", {})
        self._need_multi()
        return [
            {
                **self._summary(entry),
                "type": entry.store.traits.type,
                "weight": entry.weight,
                "properties": dict(entry.store.traits.properties),
                "powers": powers(entry.store),
            }
            for entry in self.stores.entries()
        ]

    def _need_multi(self) -> None:
        if not self.stores.multi:
            raise errors.NotFound("Multi backend is not supported at this site.")

    def _summary(self, entry: Entry) -> dict[str, Any]:
        shown: dict[str, Any] = {"id": entry.id}
        if entry.description:
            shown["description"] = entry.description
        if entry.id == self.stores.default:
            shown["default"] = "true"
        if not entry.store.traits.writable:
            shown["read-only"] = "true"
        return shown
