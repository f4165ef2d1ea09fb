"""The contract between the service and the places where bytes are kept.

A store takes a *reader*, so that each driver picks its own chunk size, and keeps all of the data
or none of it. Hashing, counting, limits and inspection happen in the reader (`streams.Intake`),
never in a driver. Drivers translate their library's errors at the call into the errors named here,
with `from`, and let the reader's own errors pass unchanged after they have cleaned up.

What only some stores can do is a protocol of its own below, asked for once, at start-up.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol, runtime_checkable

from calotype.model.location import Location

#: The status of a location that `Sweeps` gives for data that was never completed.
UNFINISHED = "unfinished"
#: In the metadata of a location that `Sweeps` gives: the key, where the URL does not tell it.
KEY = "calotype_key"


class Source(Protocol):
    """What a driver reads from while it stores data."""

    def read(self, size: int, /) -> bytes | memoryview:
        """Up to `size` bytes, fewer when it suits the source; empty only at the end.

        Raises when the data is refused or the client has gone: the driver removes what it wrote
        and lets the error pass.
        """
        ...


@dataclass(frozen=True)
class Traits:
    """What a store is, statically: shown by `/v2/info/stores/detail` and in the docs."""

    type: str
    schemes: tuple[str, ...]
    writable: bool = True
    #: A part can be read without reading what lies before it.
    ranges: bool = True
    #: Blocks of zeros take no room.
    sparse: bool = False
    #: Others of the cloud make use of the location itself, e.g. to clone from it.
    direct: bool = False
    #: Which backend of its type it is in, as far as its options tell: those of one may copy within.
    backend: str = ""
    properties: Mapping[str, object] = field(default_factory=dict)


class Store(Protocol):
    """One configured place for image data.

    All methods may raise StoreUnavailable (not reachable, not permitted) and StoreError (the rest).
    A driver may be called from many threads at once.
    """

    traits: Traits

    def put(self, key: str, source: Source, size: int | None) -> Location:
        """Keep everything `source` gives under `key`; return where it lies.

        `size` is the declared length in bytes, None when it is not known; the source itself
        enforces it. When this returns the data is durable; when it raises, nothing is left.
        Raises StoreFull, StoreReadOnly, and DataExists: with the url of what lies there if nothing
        was read from `source` yet, so that the caller may remove that and try again.
        """
        ...

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """The data from `offset` (bytes), `length` bytes or to the end, in blocks of any size.

        Raises DataNotFound before the first block when there is none.
        """
        ...

    def size(self, location: Location) -> int:
        """The length of the data in bytes. Raises DataNotFound."""
        ...

    def delete(self, location: Location) -> None:
        """Remove the data for good. Raises DataNotFound, DataInUse, Unsupported."""
        ...

    def check(self) -> None:
        """Return when the store is usable as configured, else raise with what to do about it.

        May run in a process of its own, so nothing that it learns is kept.
        """
        ...


@runtime_checkable
class OpensFiles(Protocol):
    """Power: the data is a local file, so the server may send it without copying."""

    def open(self, location: Location) -> BinaryIO:
        """The data as an open file at position 0. Raises DataNotFound."""
        ...


@runtime_checkable
class Recognizes(Protocol):
    """Power: the store can tell by a url alone that the data lies in it, and not in another."""

    def recognizes(self, url: str) -> bool:
        """Whether a location with this url is one of this store. Does not look for the data."""
        ...


@runtime_checkable
class TakesFiles(Protocol):
    """Power: the store can take a local file without its bytes passing through this process."""

    def adopt(self, key: str, path: str) -> Location:
        """Make the file at `path`, which is durable and never written again, the data of `key`.

        No byte is copied; the name `path` stays. Adopting the same file twice is the same as once.
        Raises Unsupported when the file is not where this can be done, DataExists with the url.
        """
        ...

    def copy_file(self, key: str, file: BinaryIO, tell: Callable[[int], None]) -> Location:
        """Keep a copy of an open file under `key`, as `put` keeps data.

        `tell` hears how many bytes are done, at least once for every 32 MiB. Raises Unsupported
        when the kernel cannot copy from there to here, DataExists with the url.
        """
        ...


@runtime_checkable
class Finds(Protocol):
    """Power: the store can tell whether something lies under a key."""

    def find(self, key: str) -> Location | None:
        """What `put` would collide with; None when there is nothing."""
        ...


@runtime_checkable
class Sweeps(Protocol):
    """Power: the store can tell what it holds, so bytes without a row can be found."""

    def leftovers(self, older_than: float) -> Iterator[Location]:
        """What lies in the store and was neither written nor moved there since `older_than`.

        `older_than` in epoch seconds. What the service cannot have made is passed over. Data that
        was never completed has the status UNFINISHED. The last UUID in a URL is the key that the
        data is, or was meant, for; where it is not, the metadata says the KEY.
        """
        ...


@runtime_checkable
class CopiesWithin(Protocol):
    """Power: the backend copies what another store in it holds, without the bytes coming here."""

    def copy_within(
        self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
    ) -> Location:
        """Keep a copy of what `holder` has at `location` under `key`, as `put` keeps data.

        `tell` hears how many bytes are done, and at least twice a minute. Raises Unsupported when
        the two are not of one backend, DataNotFound, and DataExists with the url.
        """
        ...


@runtime_checkable
class ByOwner(Protocol):
    """Power: whose an image is may decide where its data lies."""

    def of(self, owner: str | None) -> Store:
        """The store as it keeps the new data of a project."""
        ...


#: How the powers are called, in the API and the docs.
_POWERS: Mapping[str, type] = {
    "server-side copy": CopiesWithin,
    "takes files": TakesFiles,
    "opens files": OpensFiles,
    "sweeping": Sweeps,
}


#: All powers by name, in the order in which they are told.
POWERS = ("range", "sparse", "direct url", *_POWERS)


def powers(store: Store) -> list[str]:
    """What this store can do beyond what all can, by name."""
    traits = store.traits
    told = {"range": traits.ranges, "sparse": traits.sparse, "direct url": traits.direct}
    return [
        *(name for name, has in told.items() if has),
        *(name for name, power in _POWERS.items() if isinstance(store, power)),
    ]
