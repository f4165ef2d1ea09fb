"""The configured stores by name, and which of them takes new data."""

from collections.abc import Mapping
from dataclasses import dataclass

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import Store


@dataclass(frozen=True)
class Entry:
    """One configured store with what the operator said about it."""

    id: str
    store: Store
    description: str | None = None
    weight: int = 0
    reserved: bool = False


class Catalog:
    """All configured stores. `multi` says whether the operator named them (`enabled_backends`)."""

    def __init__(self, entries: Mapping[str, Entry], default: str, *, multi: bool) -> None:
        self._entries = dict(entries)
        self.default = default
        self.multi = multi

    def entry(self, store_id: str | None = None) -> Entry:
        """The store of that id, the default one without. Raises Invalid for an unknown id."""
        entry = self._entries.get(store_id or self.default)
        if entry is None or (store_id and entry.reserved):
            raise errors.Invalid(
                f"There is no store {store_id!r}; the stores are: {', '.join(self.names())}"
            )
        return entry

    def names(self) -> list[str]:
        """The ids of all stores that callers may name."""
        return [entry.id for entry in self._entries.values() if not entry.reserved]

    def entries(self) -> list[Entry]:
        """All stores that callers may name, in the order of the configuration."""
        return [entry for entry in self._entries.values() if not entry.reserved]

    def holding(self, location: Location) -> Store:
        """The store that can read a location.

        It is the one that the metadata names, else the first that knows the scheme of the url.
        """
        named = self._entries.get(location.store or "")
        if named is not None:
            return named.store
        scheme = location.url.partition("://")[0]
        for entry in self._entries.values():
            if scheme in entry.store.traits.schemes and not entry.reserved:
                return entry.store
        raise errors.StoreUnavailable(f"No configured store reads {scheme}:// locations")

    def weight(self, location: Location) -> int:
        """The weight of the store a location names; copies in heavier stores are read first."""
        entry = self._entries.get(location.store or "")
        return entry.weight if entry is not None else 0
