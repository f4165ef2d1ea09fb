"""Where the bytes of an image lie."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

NO_METADATA: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Location:
    """One copy of an image's data: its address in a store, and what the store said about it.

    `id` is the row's number, None until it is saved; `url` may hold credentials, never log it.
    """

    url: str = field(repr=False)
    # By a factory: on Python 3.11 a mapping proxy has no hash and counts as a mutable default.
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    status: str = "active"
    id: int | None = None

    @property
    def shown(self) -> str:
        """The address as it may be shown to an operator: without a login that it may hold."""
        scheme, _, rest = self.url.partition("://")
        if scheme == "file":
            return self.url
        return f"{scheme}://{rest.rpartition('@')[2].partition('?')[0]}"

    @property
    def store(self) -> str | None:
        """The id of the store that holds this copy, when the row says so."""
        return self.metadata.get("store")
