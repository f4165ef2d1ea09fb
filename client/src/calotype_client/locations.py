"""Locations: where the data of an image lies, for services and admins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from calotype_client.calls import Calls
from calotype_client.images import path
from calotype_client.model import Image, Location


@dataclass(frozen=True)
class Locations:
    """The locations of images."""

    _calls: Calls

    def list(self, image: Image) -> list[Location]:
        """Where the data lies; the addresses may hold credentials."""
        where = path(image.id, "locations")
        return self._calls.json("GET", where, lambda found: [Location.of(it) for it in found])

    def add(
        self, image: Image, url: str, *, hash_algo: str | None = None, hash_value: str | None = None
    ) -> None:
        """Register data that is there already with a queued image."""
        body: dict[str, Any] = {"url": url}
        if hash_algo or hash_value:
            check: Mapping[str, Any] = {"os_hash_algo": hash_algo, "os_hash_value": hash_value}
            body["validation_data"] = check
        self._calls.call("POST", path(image.id, "locations"), body)
