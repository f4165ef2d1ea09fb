"""The data of images: up, and down again, whole and verified."""

import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from stat import S_ISREG
from typing import Any, Protocol

from calotype_client import hashing
from calotype_client.calls import Calls
from calotype_client.errors import Error, NoData, WrongData
from calotype_client.images import path
from calotype_client.model import Image
from calotype_client.parallel import SMALLEST, USUAL, ParallelDownload
from calotype_client.segments import Mirrors, Segment
from calotype_client.source import Source
from calotype_client.wire import Progress

LOG = logging.getLogger(__name__)


class Sink(Protocol):
    """Anything with `write`: an open file, a pipe."""

    def write(self, data: memoryview, /) -> int | None:
        """Take bytes; how many, if not all."""
        ...


@dataclass(frozen=True)
class Downloaded:
    """What a download came to. `verified_by`: the algorithm, None when there was no digest."""

    size: int
    verified_by: str | None


def _silent(count: int) -> None:
    """The progress that nobody looks at."""


@dataclass(frozen=True)
class Data:
    """Up- and download. `progress` is told how many more bytes have gone, again and again.

    When a download begins anew, how many are lost, as a negative number.
    """

    _calls: Calls

    def upload(
        self,
        image: Image,
        source: Source,
        size: int | None = None,
        *,
        store: str | None = None,
        progress: Progress = _silent,
    ) -> None:
        """Give a queued image its data; it is active then. Raises Refused, NotConnected.

        The source is read once, from where it is. Its length is declared to the service, if it
        can be known or `size` says it; then nothing but that is kept.
        """
        headers = {"x-image-meta-store": store} if store else {}
        self._calls.send(path(image.id, "file"), source, size, headers, progress)

    def stage(
        self,
        image: Image,
        source: Source,
        size: int | None = None,
        *,
        progress: Progress = _silent,
    ) -> None:
        """Bring data to where an import with `glance-direct` finds it; as `upload`."""
        self._calls.send(path(image.id, "stage"), source, size, {}, progress)

    def download(
        self,
        image: Image,
        to: Sink | Path | str,
        *,
        prefer: str | None = None,
        nodes: Sequence[str] = (),
        connections: int | None = None,
        progress: Progress = _silent,
    ) -> Downloaded:
        """Write the data into a file, verified. Raises WrongData, NoData, Refused, NotConnected.

        A path is written under a temporary name beside it: it appears when all is there and is
        right. After a cut it goes on where it was. `connections`: how many read parts of it at
        once; left out, more than one when there are several nodes, or when one is slow. `nodes`:
        the addresses of services that are asked first (`cache.nodes`); they get the caller's token.
        """
        if image.size is None or image.status in ("queued", "saving", "uploading", "importing"):
            raise NoData(f"Image {image.id} is {image.status}: it has no data yet")
        if connections is None and len(nodes) > 1:
            connections = USUAL
        mirrors = Mirrors(self._calls, image, prefer=prefer, nodes=nodes)
        if not isinstance(to, Path | str):
            return _in_order(mirrors, to, progress)
        try:
            return _to_path(Path(to), lambda file: _fill(mirrors, file, connections, progress))
        except WrongData as error:
            if not nodes or not _kept(Path(to)):
                raise
            LOG.warning("%s; once more, from the service itself", error)
        progress(-image.size)
        mirrors = Mirrors(self._calls, image, prefer=prefer)
        return _to_path(Path(to), lambda file: _fill(mirrors, file, connections, progress))


def _in_order(mirrors: Mirrors, to: Sink, progress: Progress) -> Downloaded:
    """Over one connection at a time, into anything."""
    image = mirrors.image
    algorithm, value = hashing.expected(image)
    with hashing.Digest(algorithm) as digest:

        def put(at: int, block: memoryview) -> None:
            write(to, block)
            digest.put(bytes(block))
            progress(len(block))

        Segment(mirrors, 0, 0, image.size or 0, put).read()
    return _verified(image, algorithm, value, digest.hexdigest())


def _fill(mirrors: Mirrors, to: FileIO, connections: int | None, progress: Progress) -> Downloaded:
    """Over as many connections as are wanted and make sense, into a file."""
    image = mirrors.image
    plain = S_ISREG(os.fstat(to.fileno()).st_mode)
    if not plain or connections == 1 or (image.size or 0) < 2 * SMALLEST:
        return _in_order(mirrors, to, progress)
    algorithm, value = hashing.expected(image)
    digest: Any = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
    download = ParallelDownload(mirrors, to.fileno(), image.size or 0, connections)
    download.fill(digest.update if digest else lambda block: None, progress)
    return _verified(image, algorithm, value, digest.hexdigest() if digest else None)


def _verified(
    image: Image, algorithm: str | None, value: str | None, came: str | None
) -> Downloaded:
    if came != value:
        raise WrongData(
            f"The data of image {image.id} is not what its {algorithm} says: "
            f"{came} came, {value} is recorded"
        )
    return Downloaded(image.size or 0, algorithm)


def write(to: Sink, rest: memoryview) -> None:
    """Write all of it, in as many turns as an unbuffered file needs."""
    while rest:
        count = to.write(rest)
        rest = rest[len(rest) if count is None else count :]


def _kept(path: Path) -> bool:
    """Whether what is written there can be taken back; not from a device, a named pipe."""
    return path.is_file() or not path.exists()


def _to_path(final: Path, fill: Callable[[FileIO], Downloaded]) -> Downloaded:
    try:
        if not _kept(final):
            with final.open("wb", buffering=0) as file:
                return fill(file)
        return _under_temporary_name(final.resolve(), fill)
    except OSError as error:
        raise Error(f"{final} cannot be written: {error.strerror}") from error


def _under_temporary_name(final: Path, fill: Callable[[FileIO], Downloaded]) -> Downloaded:
    temporary = final.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("x+b", buffering=0) as file:
            if final.exists():  # who may not read the old one shall not read the new one
                os.fchmod(file.fileno(), final.stat().st_mode & 0o777)
            done = fill(file)
        # Not flushed: that may take as long as the download, and what is lost in a crash of the
        # machine can be had again.
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    return done
