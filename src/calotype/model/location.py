"""Where the bytes of an image lie, and how an image comes to a location."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self

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


@dataclass(frozen=True, slots=True)
class LocationOrder:
    """A location that a task is to give to an image, as its worker gets it.

    `algorithm`: of the digest that the image gets, None for none. `value`: that digest, when it was
    given with the location. `reads`: whether the data is read for it, or the value just believed.
    """

    url: str = field(repr=False)
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)
    algorithm: str | None = None
    value: str | None = None
    reads: bool = False

    @property
    def location(self) -> Location:
        """The location."""
        return Location(self.url, self.metadata)

    @property
    def validates(self) -> bool:
        """Whether the data must have the digest before the image becomes active."""
        return self.reads and self.value is not None

    @property
    def hashes_later(self) -> bool:
        """Whether the digest is calculated once the image is active."""
        return self.reads and self.value is None

    def saved(self) -> dict[str, Any]:
        """As it is kept with the task."""
        return {
            "url": self.url,
            "metadata": dict(self.metadata),
            "algorithm": self.algorithm,
            "value": self.value,
            "reads": self.reads,
        }

    @classmethod
    def load(cls, saved: Mapping[str, Any]) -> Self:
        """From what `saved` gave, by way of JSON."""
        return cls(**saved)
