"""A process that brings an image into a cache as far as it is told, for the tests that end it.

Arguments: the folder, the id of the image, its size, and how many blocks to let through.
"""

import sys
import threading

from calotype.cache.folder import Folder
from calotype.cache.reader import Reader
from tests.cache.conftest import MIB, Notes, Tap, image_of
from tests.stores.sources import content


def main(path: str, image_id: str, size: int, blocks: int) -> None:
    data = content(size, shift=3)
    tap = Tap(data, open=False)
    tap.let(blocks)
    follower = Reader(Folder(path), Notes()).follow(image_of(data, id=image_id), tap)
    assert follower is not None
    had = 0
    while had < blocks * MIB:
        had += len(next(follower))
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
