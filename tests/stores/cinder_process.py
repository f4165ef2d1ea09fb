"""A process of the tests of the Cinder store, which may be killed: `put`, `read` or `large`."""

import ast
import os
import resource
import sys

sys.path.insert(0, os.getcwd())

from calotype.model.location import Location
from calotype.stores.cinder import CinderStore
from calotype.stores.cinder_settings import CinderSettings
from tests.stores.sources import Long, Stream, content

MIB = 1 << 20
LARGE = 320 * MIB


def say(word: str) -> None:
    print(word, flush=True)


class Halting:
    """Waits for a word after its first block."""

    def __init__(self, data: bytes) -> None:
        self._stream = Stream(data)
        self._waited = False

    def read(self, size: int, /) -> memoryview:
        if self._stream.position >= 4 * MIB and not self._waited:
            self._waited = True
            say("first block")
            sys.stdin.readline()
        return self._stream.read(size)


def read(store: CinderStore, url: str) -> None:
    blocks = store.read(Location(url))
    next(blocks)
    say("first block")
    sys.stdin.readline()
    for _ in blocks:
        pass


def put(store: CinderStore, key: str) -> None:
    data = content(9 * MIB)
    store.put(key, Halting(data), len(data))


def large(store: CinderStore, key: str) -> None:
    small = store.put("3e1a9d5c-0c5e-4b46-8a5e-5f6f8c8d3c11", Stream(b"data"), 4)
    b"".join(store.read(small))
    store.delete(small)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    store.put(key, Long(LARGE, every=1), LARGE)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    say(f"grown by {(after - before) * 1024}")


if __name__ == "__main__":
    options = ast.literal_eval(os.environ["CALOTYPE_TEST_CINDER"])
    mine = CinderStore("", CinderSettings.from_options(options))
    {"put": put, "read": read, "large": large}[sys.argv[1]](mine, sys.argv[2])
    say("done")
