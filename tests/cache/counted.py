"""`calotype` with a store that is like one across a network: no local files, each read counted.

Each read of an image adds a byte to the file `reads` in the folder of the service. While there is a
file `hold` beside it, a read stops after half of the data.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from calotype.admin.main import main
from calotype.model.location import Location
from calotype.stores import drivers
from calotype.stores.filesystem import FilesystemSettings, FilesystemStore
from calotype.stores.store import Source


class Distant:
    """A file store that gives no files away."""

    def __init__(self, store_id: str, options: Mapping[str, object]) -> None:
        self._near = FilesystemStore(FilesystemSettings.from_options(options))
        self._folder = Path(str(options["filesystem_store_datadir"])).parent
        self.traits = self._near.traits

    def put(self, key: str, source: Source, size: int | None) -> Location:
        return self._near.put(key, source, size)

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        half, blocks = self.size(location) // 2, self._near.read(location, offset, length)
        fd = os.open(self._folder / "reads", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(fd, b"x")
        os.close(fd)
        return self._blocks(blocks, offset, half)

    def _blocks(self, blocks: Iterator[bytes], position: int, half: int) -> Iterator[bytes]:
        for block in blocks:
            while position >= half and (self._folder / "hold").exists():
                time.sleep(0.01)
            position += len(block)
            yield block

    def size(self, location: Location) -> int:
        return self._near.size(location)

    def delete(self, location: Location) -> None:
        self._near.delete(location)

    def check(self) -> None:
        self._near.check()


if __name__ == "__main__":
    drivers.MAKERS = {"file": Distant}
    sys.exit(main())
