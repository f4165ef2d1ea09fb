"""The plugins: what is done with staged data before it goes to the stores.

Each makes something new under a name of its own and leaves what was staged as it is, so that an
import that is begun again finds what it began with.
"""

import gzip
import logging
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO

from calotype import errors
from calotype.imports.check import Step
from calotype.imports.journey import Journey
from calotype.services.staging import Limit, Staging, derived
from calotype.streams import Body

LOG = logging.getLogger(__name__)

GZIP, ZIP = b"\x1f\x8b\x08", b"PK\x03\x04"
#: LHA archives have this at their third byte, in place of a magic number.
LHA = b"-lh"

LimitOf = Callable[[Journey], Limit]


def injected(properties: Mapping[str, str]) -> Step:
    """The step that gives images the operator's properties."""

    def inject(journey: Journey) -> None:
        if journey.order.inject:
            journey.properties.update(properties)

    return inject


def decompressed(staging: Staging, limit_of: LimitOf) -> Step:
    """The step that unpacks gzip data, and zip archives of one file.

    `limit_of`: how large the unpacked data may become, whatever the archive says of itself.
    """

    def decompress(journey: Journey) -> None:
        image = journey.shape
        if image.container_format == "compressed":
            return
        key = derived(image.id, "uc")
        with staging.open(journey.key) as file, _unpacking(file) as body:
            if body is None:
                return
            limit = limit_of(journey)
            staging.keep(image, _Careful(body), limit, key=key, tell=journey.tell)
        journey.key = key
        LOG.info("Image %s: its data is unpacked", image.id)

    return decompress


@contextmanager
def _unpacking(file: BinaryIO) -> Iterator[Body | None]:
    """What an archive holds, to be read; None for data that is no archive."""
    start = file.read(8)
    file.seek(0)
    if start.startswith(GZIP):
        with gzip.GzipFile(fileobj=file, mode="rb") as unpacked:
            yield unpacked
    elif start.startswith(ZIP):
        with _damaged(), zipfile.ZipFile(file) as archive:
            member = _only_member(archive)
            with archive.open(member) as unpacked_member:
                yield unpacked_member
    elif start[2:5] == LHA:
        raise errors.Invalid("LHA archives cannot be unpacked here: use gzip or zip")
    else:
        yield None


def _only_member(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1 or members[0].is_dir():
        raise errors.Invalid(f"A zip archive must hold one file, this one has {len(members)}")
    if members[0].flag_bits & 1:
        raise errors.Invalid("The zip archive is encrypted")
    return members[0]


class _Careful:
    """An archive that is read, whose faults are those of its sender."""

    def __init__(self, body: Body) -> None:
        self._body = body

    def read(self, size: int, /) -> bytes:
        with _damaged():
            return self._body.read(size)


@contextmanager
def _damaged() -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile) as error:
        raise errors.Invalid(f"The archive is damaged: {error}") from error
    except NotImplementedError as error:
        raise errors.Invalid(f"The archive cannot be unpacked here: {error}") from error
