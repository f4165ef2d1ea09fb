"""Which addresses may become locations of images, and in which store each lies.

An address chooses what this service reads, and what it deletes with the image. So none may name the
files of this machine, or data by a name that only our configuration gives a meaning.
"""

from collections.abc import Mapping
from dataclasses import replace

import orjson

from calotype import errors
from calotype.model.location import NO_METADATA, Location
from calotype.remote.uri_filter import PORTS, UriFilter
from calotype.stores.catalog import Catalog

#: Schemes that nobody may register.
RESTRICTED = frozenset({"file", "filesystem", "swift+config"})
#: Longest address, in bytes of UTF-8: half of what a TEXT column of MariaDB holds, as what is kept
#: with a task has more to it.
_URL_LIMIT = 1 << 15
#: Largest metadata, in bytes of JSON.
_METADATA_LIMIT = (1 << 16) - 1


class Addresses:
    """Judges addresses. `uri_filter` knows which hosts may be asked."""

    def __init__(self, stores: Catalog, uri_filter: UriFilter) -> None:
        self._stores = stores
        self._filter = uri_filter

    def is_on_the_web(self, url: str) -> bool:
        """Whether a web server is to be asked, and some store here does so."""
        scheme = _scheme(url)
        return scheme in PORTS and scheme in self._schemes()

    def location(self, url: str, metadata: Mapping[str, str] = NO_METADATA) -> Location:
        """The location of that address, as its row is to say it.

        Raises Invalid, which never repeats the address: it may hold a password.
        """
        scheme = _scheme(url)
        if len(url.encode()) > _URL_LIMIT:
            raise errors.Invalid(f"url: must have at most {_URL_LIMIT} bytes in UTF-8")
        if scheme in RESTRICTED:
            raise errors.Invalid(f"url: addresses that begin with {scheme}:// are not taken")
        known = sorted(self._schemes() - RESTRICTED)
        if scheme not in known:
            usable = ", ".join(f"{name}://" for name in known) or "nothing: no store here takes any"
            raise errors.Invalid(f"url: must begin with {usable}")
        if scheme in PORTS:
            self._check_host(url)
        return self.labelled(Location(scheme + url[len(scheme) :], metadata))

    def size(self, location: Location) -> int:
        """How long the data is, in bytes. Raises Invalid when there is none."""
        try:
            size = self._stores.holding(location).size(location)
        except errors.DataNotFound as error:
            raise errors.Invalid("url: there is no data at this address") from error
        if not size:
            raise errors.Invalid("url: the data at this address is empty")
        return size

    def labelled(self, location: Location) -> Location:
        """A location with the id of its store. Raises Invalid when another one is named."""
        scheme = _scheme(location.url)
        named = self._stores.id_of(location)
        for entry in self._stores.entries():
            if named in (None, entry.id) and scheme in entry.store.traits.schemes:
                label = {"store": entry.id} if self._stores.multi else {}
                return _fitting(replace(location, metadata={**location.metadata, **label}))
        raise errors.Invalid(f"metadata.store: no store of that name takes {scheme}:// addresses")

    def _schemes(self) -> set[str]:
        return {it for entry in self._stores.entries() for it in entry.store.traits.schemes}

    def _check_host(self, url: str) -> None:
        try:
            self._filter.addresses(self._filter.check(url))
        except errors.Denied as error:
            raise errors.Invalid(error.message) from error
        except errors.StoreUnavailable:
            return  # perhaps there is no name server just now; who reads the data asks again


def _fitting(location: Location) -> Location:
    """A location whose metadata the database can keep. Raises Invalid."""
    if len(orjson.dumps(dict(location.metadata))) > _METADATA_LIMIT:
        raise errors.Invalid(f"metadata: must have at most {_METADATA_LIMIT} bytes as JSON")
    return location


def _scheme(url: str) -> str:
    scheme, colon, _ = url.partition("://")
    return scheme.lower() if colon else ""
