"""The data of images: up, and down again, whole and verified."""

import logging
import secrets
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from calotype_client import hashing
from calotype_client.calls import Calls
from calotype_client.errors import BadRequest, Error, NoData, NotConnected, Refused, WrongData
from calotype_client.images import path
from calotype_client.model import Image
from calotype_client.source import Source
from calotype_client.wire import BLOCK, Progress

LOG = logging.getLogger(__name__)

#: How often a download goes on after a cut that brought nothing new.
CUTS = 6
#: Seconds before the first of these, doubled each time.
PAUSE = 0.25


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
    """Up- and download. `progress` is told how many more bytes have gone, again and again."""

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
        progress: Progress = _silent,
    ) -> Downloaded:
        """Write the data into a file, in one go and verified. Raises WrongData, NoData, Refused.

        A path is written under a temporary name beside it: it appears when all is there and is
        right. After a cut it goes on where it was.
        """
        if image.size is None or image.status in ("queued", "saving", "uploading", "importing"):
            raise NoData(f"Image {image.id} is {image.status}: it has no data yet")
        query = f"?prefer={quote(prefer)}" if prefer else ""
        address = path(image.id, "file") + query
        if not isinstance(to, Path | str):
            return self._into(image, address, to, progress)
        return _to_path(Path(to), lambda sink: self._into(image, address, sink, progress))

    def _into(self, image: Image, address: str, to: Sink, progress: Progress) -> Downloaded:
        algorithm, value = hashing.expected(image)
        with hashing.Digest(algorithm) as digest:
            size = _Reading(self._calls, image, address, to, digest, progress).all()
        if digest.hexdigest() != value:
            raise WrongData(
                f"The data of image {image.id} is not what its {algorithm} says: "
                f"{digest.hexdigest()} came, {value} is recorded"
            )
        return Downloaded(size, algorithm)


@dataclass
class _Reading:
    """One download: how far it is, over as many connections as it takes."""

    calls: Calls
    image: Image
    address: str
    to: Sink
    digest: hashing.Digest
    progress: Progress
    done: int = 0
    cuts: int = 0

    def all(self) -> int:
        """Read to the end; the count of bytes."""
        size = self.image.size or 0
        while self.done < size:
            before = self.done
            try:
                self._some()
            except NotConnected as error:
                self._pause(error, self.done > before)
            except Refused as error:
                if error.status != 503:
                    raise
                self._pause(error, self.done > before)
        if self.done != size:
            raise WrongData(f"{self.done} bytes came, the image has {size}")
        return self.done

    def _pause(self, error: Error, came_further: bool) -> None:
        self.cuts = 0 if came_further else self.cuts + 1
        if self.cuts >= CUTS:
            raise error
        LOG.info("%s; going on at byte %d", error, self.done)
        if self.cuts:
            time.sleep(PAUSE * 2**self.cuts)

    def _some(self) -> None:
        """Read what one connection gives. Raises NotConnected when that is not all."""
        headers = {"Range": f"bytes={self.done}-"} if self.done else {}
        connection, answer = self._begin(headers)
        with closing(connection), answer:
            if answer.status == 204:
                raise NoData(f"Image {self.image.id} has no data")
            skip = self.done if answer.status == 200 else 0
            self._copy(answer, skip)
        if self.done < (self.image.size or 0):
            raise NotConnected(f"The connection ended after {self.done} bytes")

    def _begin(self, headers: dict[str, str]) -> tuple[Any, HTTPResponse]:
        try:
            return self.calls.get(self.address, headers)
        except BadRequest:
            if not headers:
                raise
        # The store cannot begin in the middle: read from the start again, past what is there.
        return self.calls.get(self.address, {})

    def _copy(self, answer: HTTPResponse, skip: int) -> None:
        size = self.image.size or 0
        while self.done < size and (block := _read(answer)):
            fresh, skip = block[skip:], max(0, skip - len(block))
            if fresh:
                write(self.to, fresh)
                self.digest.put(fresh)
                self.done += len(fresh)
                self.progress(len(fresh))


def _read(answer: HTTPResponse) -> bytes:
    """What has come, nothing at the end. Raises NotConnected."""
    try:
        return answer.read1(BLOCK)
    except (OSError, HTTPException) as error:
        raise NotConnected(f"The connection broke: {error}") from error


def write(to: Sink, block: bytes) -> None:
    """Write all of a block, in as many turns as an unbuffered file needs."""
    rest = memoryview(block)
    while rest:
        count = to.write(rest)
        rest = rest[len(rest) if count is None else count :]


def _to_path(final: Path, fill: Callable[[Sink], Downloaded]) -> Downloaded:
    try:
        if final.exists() and not final.is_file():  # a device, a named pipe
            with final.open("wb", buffering=0) as file:
                return fill(file)
        return _under_temporary_name(final.resolve(), fill)
    except OSError as error:
        raise Error(f"{final} cannot be written: {error.strerror}") from error


def _under_temporary_name(final: Path, fill: Callable[[Sink], Downloaded]) -> Downloaded:
    temporary = final.with_name(f".{final.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb", buffering=0) as file:
            done = fill(file)
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
    return done
