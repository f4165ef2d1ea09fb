"""Where the data of an import comes from on its way to the stores."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from itertools import chain
from typing import BinaryIO, Protocol

from calotype import errors
from calotype.model.image import Image
from calotype.model.location import Location
from calotype.services.staging import Staging
from calotype.stores.catalog import Catalog
from calotype.stores.store import OpensFiles, Store
from calotype.stores.store import Source as Readable
from calotype.streams import Intake


class Source(Protocol):
    """Data on its way to stores."""

    size: int
    #: A file that one store may make its own; None once it has.
    path: str | None

    def places(self) -> Sequence[Location]:
        """Where stores have the data already, the best one first."""
        ...

    def file(self) -> BinaryIO | None:
        """The data as an open file, None when it is none."""
        ...

    def reading(self) -> AbstractContextManager[Readable]:
        """The data to be read once, while the block runs. Reading raises when it is not right."""
        ...


class StagedSource:
    """The staged data of an image."""

    def __init__(self, staging: Staging, key: str, size: int) -> None:
        self._staging = staging
        self._key = key
        self.path: str | None = staging.path(key)
        self.size = size

    def places(self) -> Sequence[Location]:
        """No store has it yet."""
        return ()

    def file(self) -> BinaryIO | None:
        """The staged file."""
        return self._staging.open(self._key)

    @contextmanager
    def reading(self) -> Iterator[Readable]:
        """The staged file."""
        with self._staging.open(self._key) as file:
            yield file


class StoredSource:
    """The data that an image has in some store. Raises DataNotFound when no copy can be read."""

    path: str | None = None

    def __init__(self, stores: Catalog, image: Image) -> None:
        self._stores = stores
        self._image = image
        self.size = image.size or 0

    def places(self) -> Sequence[Location]:
        """All copies of the image."""
        return self._stores.ordered(self._image.locations)

    def file(self) -> BinaryIO | None:
        """The first copy that is a file and whole."""
        for location in self.places():
            store = self._holding(location)
            if isinstance(store, OpensFiles):
                with suppress(errors.StoreError):
                    file = store.open(location)
                    if os.fstat(file.fileno()).st_size == self.size:
                        return file
                    file.close()
        return None

    @contextmanager
    def reading(self) -> Iterator[Readable]:
        """The first copy that can be read, compared with what is recorded of it at its end."""
        recorded = self._image.os_hash_value
        algorithm = (self._image.os_hash_algo if recorded else None) or "sha256"
        with ExitStack() as ends:
            body = _Blocks(self._first_readable(ends))
            intake = Intake(body, algorithm=algorithm, md5=False, declared=self.size)
            yield _Compared(ends.enter_context(intake), recorded)

    def _first_readable(self, ends: ExitStack) -> Iterator[bytes]:
        trouble: errors.Error = errors.DataNotFound("The image has no data")
        for location in self.places():
            try:
                blocks = self._stores.holding(location).read(location)
                if hasattr(blocks, "close"):
                    ends.callback(blocks.close)
                # Some stores find out only now that they have nothing.
                return chain([next(blocks, b"")], blocks)
            except errors.StoreError as error:
                trouble = error
        raise trouble

    def _holding(self, location: Location) -> Store | None:
        with suppress(errors.StoreError):
            return self._stores.holding(location)
        return None


class _Blocks:
    """Blocks as something to read from."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._rest = b""

    def read(self, size: int, /) -> bytes:
        if not self._rest:
            self._rest = next(self._blocks, b"")
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class _Compared:
    """What is read, refused at its end if its digest is not the recorded one."""

    def __init__(self, intake: Intake, recorded: str | None) -> None:
        self._intake = intake
        self._recorded = recorded

    def read(self, size: int, /) -> memoryview:
        block = self._intake.read(size)
        if not block and self._recorded not in (None, self._intake.facts().os_hash_value):
            raise errors.Conflict("stored data does not match its recorded hash")
        return block
