"""Writing an image into a volume: large blocks, several on their way, growing where it must."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Self

from calotype import errors
from calotype.stores.cinder_api import CinderApi
from calotype.stores.cinder_attachment import Attachments
from calotype.stores.cinder_device import Device
from calotype.stores.store import Source

GIB = 1 << 30
#: Bytes written, and read, at a time, and how many such blocks may be on their way.
BLOCK = 4 << 20
IN_FLIGHT = 4
#: How many blocks are fetched before they are asked for.
AHEAD = 2


def gib(size: int) -> int:
    """The GiB that a volume for so many bytes must have."""
    return max(1, -(-size // GIB))


class VolumeWriter:
    """Fills one volume from its beginning. Attached from entry to exit of the context."""

    def __init__(self, api: CinderApi, attachments: Attachments, volume_id: str, size: int) -> None:
        """`size`: of the volume, in GiB."""
        self._api = api
        self._attachments = attachments
        self._id = volume_id
        self._gib = size
        self._open = ExitStack()
        self._device: Device | None = None
        self._threads = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="cinder-write")
        self._pending: list[Future[None]] = []
        self.written = 0
        self.extends = 0

    def __enter__(self) -> Self:
        self._attach()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._threads.shutdown()
        self._open.__exit__(kind, error, trace)

    def take(self, source: Source) -> None:
        """Write all that the source gives, and make it durable."""
        for block in _blocks(source):
            self._write(block)
        self._drain()

    def _write(self, block: bytes) -> None:
        while len(block) > (room := self._gib * GIB - self.written):
            self._submit(block[:room])
            block = block[room:]
            self._grow()
        self._submit(block)

    def _submit(self, block: bytes) -> None:
        while len(self._pending) >= IN_FLIGHT:
            self._pending.pop(0).result()
        if block:
            write = self._reached().write
            self._pending.append(self._threads.submit(write, self.written, block))
            self.written += len(block)

    def _drain(self) -> None:
        while self._pending:
            self._pending.pop(0).result()
        self._reached().flush()

    def _grow(self) -> None:
        """Make the volume twice as large: few steps, and each costs seconds."""
        self._drain()
        if self._api.settings.extend_attached:
            self._extend(2 * self._gib)
            self._reached().grown()
            return
        self._open.close()
        self._api.await_state(self._id)
        self._extend(2 * self._gib)
        self._attach()

    def _extend(self, wanted: int) -> None:
        self._api.extend(self._id, wanted)
        volume = self._api.await_state(self._id)
        if volume.status.startswith("error") or volume.size < wanted:
            reason, full = self._api.reason(self._id)
            kind = errors.StoreFull if full else errors.StoreError
            raise kind(f"Cinder could not extend a volume to {wanted} GiB: {reason}")
        self._gib = wanted
        self.extends += 1

    def _reached(self) -> Device:
        assert self._device is not None, "attached on entry"
        return self._device

    def _attach(self) -> None:
        self._device = self._open.enter_context(self._attachments.attached(self._id, "rw"))


def read_ahead(device: Device, offset: int, end: int) -> Iterator[bytes]:
    """What lies there, in blocks; the next ones are fetched meanwhile."""
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="cinder-read") as threads:
        coming: deque[Future[bytes]] = deque()
        for start in range(offset, end, BLOCK):
            coming.append(threads.submit(_read, device, start, min(BLOCK, end - start)))
            if len(coming) > AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _read(device: Device, offset: int, length: int) -> bytes:
    block = device.read(offset, length)
    if len(block) < length:
        raise errors.StoreError("The volume is shorter than its image")
    return block


def _blocks(source: Source) -> Iterator[bytes]:
    """What the source gives, in blocks of BLOCK bytes and a last one."""
    block = bytearray()
    while piece := source.read(BLOCK - len(block)):
        block += piece
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    if block:
        yield bytes(block)
