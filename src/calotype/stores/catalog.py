"""The configured stores by name, and which of them takes new data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import ByOwner, Recognizes, Store


@dataclass(frozen=True)
class Entry:
    """One configured store with what the operator said about it."""

    id: str
    store: Store
    description: str | None = None
    weight: int = 0
    reserved: bool = False

    def for_owner(self, owner: str | None) -> Store:
        """Where new data of that owner goes; mostly the store itself."""
        return self.store.of(owner) if isinstance(self.store, ByOwner) else self.store


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

    def id_of(self, location: Location) -> str | None:
        """The id of the store that a location is in; None when no configured one owns to it.

        Rows that say no store, as Glance wrote them when it had but one, are known by their url.
        """
        if location.store is not None:
            return location.store
        for entry in self._entries.values():
            if isinstance(entry.store, Recognizes) and entry.store.recognizes(location.url):
                return entry.id
        return None

    def holding(self, location: Location) -> Store:
        """The store that can read a location.

        It is the one that the metadata names or that recognises the url, else the first that knows
        the scheme of the url.
        """
        named = self._entries.get(self.id_of(location) or "")
        if named is not None:
            return named.store
        scheme = location.url.partition("://")[0]
        for entry in self._entries.values():
            if scheme in entry.store.traits.schemes and not entry.reserved:
                return entry.store
        raise errors.StoreUnavailable(f"No configured store reads {scheme}:// locations")

    def ordered(self, locations: Iterable[Location], prefer: Sequence[str] = ()) -> list[Location]:
        """Locations as they are to be read: preferred stores first, then heavier ones first."""

        def rank(location: Location) -> tuple[int, int]:
            store_id = self.id_of(location)
            place = prefer.index(store_id) if store_id in prefer else len(prefer)
            entry = self._entries.get(store_id or "")
            return place, -(entry.weight if entry is not None else 0)

        return sorted(locations, key=rank)

    def weight(self, location: Location) -> int:
        """The weight of the store a location is in; copies in heavier stores are read first."""
        entry = self._entries.get(self.id_of(location) or "")
        return entry.weight if entry is not None else 0
