"""Data that is given to a command: a file, or stdin."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISFIFO
from typing import IO

from calotype_client import source
from calotype_client.cli import formats
from calotype_client.errors import Error, WrongUse
from calotype_client.source import Source


@dataclass(frozen=True)
class Given:
    """Data, and what it seems to be."""

    source: Source
    disk_format: str


class Begun:
    """A pipe whose beginning has been looked at already."""

    def __init__(self, beginning: bytes, rest: Source) -> None:
        self._beginning = beginning
        self._rest = rest

    def read(self, size: int = -1, /) -> bytes:
        """The beginning, then the rest, as it comes."""
        end = len(self._beginning) if size < 0 else size
        some, self._beginning = self._beginning[:end], self._beginning[end:]
        return some or self._rest.read(size)


@contextmanager
def given(name: str, size: int | None) -> Iterator[Given]:
    """The data of a file or, named `-`, of stdin. Raises Error; WrongUse when there is none.

    A file may be empty. A pipe that is means that whoever was to fill it has failed, unless the
    caller says that this is the size.
    """
    with opened(name) as file:
        try:
            beginning, whole = _begin(file)
        except OSError as error:
            raise Error(f"{called(name)} cannot be read: {error.strerror}") from error
        piped = name == "-" or S_ISFIFO(os.fstat(file.fileno()).st_mode)
        if not beginning and piped and size != 0:
            raise WrongUse(f"{called(name)} is empty; if it is meant to be, say --size 0")
        yield Given(whole, formats.of_data(beginning))


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """A file to read, or stdin. Raises Error."""
    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise WrongUse("Not from a terminal: give --file, or send data to stdin")
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - only its opening is tried
    except OSError as error:
        raise Error(f"{name} cannot be read: {error.strerror}") from error
    with file:
        yield file


def called(name: str) -> str:
    """What messages call it."""
    return "stdin" if name == "-" else name


def _begin(file: IO[bytes]) -> tuple[bytes, Source]:
    """What data begins with, and all of it, to be read from there."""
    if source.length(file) is None:
        beginning = file.read(formats.LOOKED_AT)
        return beginning, Begun(beginning, file)
    here = file.tell()
    beginning = file.read(formats.LOOKED_AT)
    file.seek(here)
    return beginning, file
