"""The staging area: data that has arrived and waits for its import, as `<folder>/<image id>`.

What was learned while data came in is kept beside it as `<image id>.facts`: digests, size, and what
its formats make of it. So an import need not read the data again. Facts tell which file they are
of; those of another one, e.g. of one that Glance has staged since, are passed over.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Self

import orjson

from calotype import errors
from calotype.formats.detect import FormatWatcher
from calotype.model.image import Image
from calotype.model.location import Location
from calotype.services.image_data import IntakeRules
from calotype.stores.atomic_file import TEMPORARY, AtomicFile, translated
from calotype.stores.filesystem import UUID, FilesystemStore
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings
from calotype.streams import BLOCK, Body, Intake, Watcher

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Limit:
    """The most bytes that may come, and the name of what says so."""

    bytes: int
    name: str


@dataclass(frozen=True, slots=True)
class Staged:
    """What is known of staged data. `refused`: why its formats forbid it, if they do.

    `origin`: the id of the task that fetched it; None for data that a caller staged.
    """

    size: int
    checksum: str | None
    os_hash_algo: str
    os_hash_value: str
    virtual_size: int | None
    disk_format: str | None
    container_format: str | None
    detected: str | None
    refused: str | None
    file: tuple[int, int, int]
    origin: str | None = None

    def check(self) -> None:
        """Raise UnsupportedMedia when the data does not fit the formats of its image."""
        if self.refused is not None:
            raise errors.UnsupportedMedia(self.refused)

    @classmethod
    def load(cls, fields: dict[str, Any]) -> Self:
        """From what `asdict` gives, by way of JSON."""
        return cls(**{**fields, "file": tuple(fields["file"])})


#: What is made of staged data on its way: each has the name of its image and one of these.
DERIVED = ("uc", "out")


def derived(image_id: str, kind: str) -> str:
    """The name of something that is made of the staged data of an image."""
    return f"{image_id}.{kind}"


class Staging:
    """One folder of staged data. Made when first needed."""

    def __init__(self, folder: str, rules: IntakeRules) -> None:
        self._folder = folder
        self._store = FilesystemStore(FilesystemSettings(datadirs=(Datadir(folder),)))
        self._rules = rules

    def path(self, key: str) -> str:
        """Where data is, or would be. The key is the id of its image, or `derived` from it."""
        return os.path.join(self._folder, key)

    def keep(
        self,
        image: Image,
        body: Body,
        limit: Limit,
        *,
        key: str | None = None,
        declared: int | None = None,
        tell: Tell = lambda size: None,
        watchers: Sequence[Watcher] = (),
        origin: str | None = None,
    ) -> Staged:
        """Stage what `body` gives, in place of what was staged under that key before.

        `tell` hears how many bytes are there; `watchers` see the data and may refuse it;
        `origin` is kept with its facts. Raises what `Intake.read` and `Store.put` do.
        """
        key = key or image.id
        self.discard_one(key)
        try:
            os.makedirs(self._folder, exist_ok=True)
        except OSError as error:
            raise errors.StoreUnavailable("The staging area cannot be used now") from error
        watcher = _Verdict(self._rules.format_watcher(image))
        with self._intake(_Told(body, tell), limit, declared, watcher, *watchers) as intake:
            self._store.put(key, intake, declared)
            return self._save(image, key, intake, watcher, origin)

    def examine(self, image: Image, tell: Tell, *, key: str | None = None) -> Staged:
        """Learn all about data that was staged without its facts, by reading it once.

        Raises DataNotFound when nothing is staged here.
        """
        key = key or image.id
        watcher = _Verdict(self._rules.format_watcher(image))
        with self.open(key) as file:
            size = os.fstat(file.fileno()).st_size
            limit = Limit(size, "the staged file")
            with self._intake(_Told(file, tell), limit, size, watcher) as intake:
                while intake.read(BLOCK):
                    pass
                return self._save(image, key, intake, watcher)

    def find(self, image: Image, *, key: str | None = None) -> Staged | None:
        """The facts of what is staged for an image, None when they are to be found anew.

        Raises DataNotFound when nothing is staged here.
        """
        key = key or image.id
        here = self._identity(key)
        try:
            with open(self._facts(key), "rb") as file:
                staged = Staged.load(orjson.loads(file.read()))
        except (OSError, ValueError, TypeError, KeyError):
            return None
        formats = (staged.disk_format, staged.container_format)
        algorithm = self._rules.hashing_algorithm
        same = (image.disk_format, image.container_format) == formats
        return staged if same and staged.file == here and staged.os_hash_algo == algorithm else None

    def open(self, key: str) -> BinaryIO:
        """What is staged, as an open file. Raises DataNotFound."""
        return self._store.open(self._location(key))

    def discard(self, image_id: str) -> None:
        """Remove what is staged for an image, if anything is, and what was made of it."""
        for key in (image_id, *(derived(image_id, kind) for kind in DERIVED)):
            self.discard_one(key)

    def discard_one(self, key: str) -> None:
        """Remove what lies under one key, if anything does."""
        self._forget(key)
        with suppress(OSError):
            os.unlink(self.path(key))

    def untouched(self, older_than: float) -> dict[str, list[str]]:
        """The files here that are older than a moment (epoch seconds), by the id of their image.

        Files of others, whose name does not begin with an id, are passed over.
        """
        found: dict[str, list[str]] = {}
        if not os.path.isdir(self._folder):
            return found
        with translated("cannot list the staging folder", self._folder):
            for entry in os.scandir(self._folder):
                image_id = _image_id(entry.name)
                if image_id and entry.is_file(follow_symlinks=False):
                    times = entry.stat(follow_symlinks=False)
                    if max(times.st_mtime, times.st_ctime) < older_than:
                        found.setdefault(image_id, []).append(entry.path)
        return found

    def _intake(self, body: Body, limit: Limit, declared: int | None, *watchers: Watcher) -> Intake:
        return Intake(
            body,
            algorithm=self._rules.hashing_algorithm,
            md5=self._rules.md5_checksum,
            declared=declared,
            limit=limit.bytes,
            limit_name=limit.name,
            watchers=watchers,
        )

    def _save(
        self,
        image: Image,
        key: str,
        intake: Intake,
        watcher: "_Verdict",
        origin: str | None = None,
    ) -> Staged:
        facts = intake.facts()
        staged = Staged(
            size=facts.size,
            checksum=facts.checksum,
            os_hash_algo=facts.os_hash_algo,
            os_hash_value=facts.os_hash_value,
            virtual_size=watcher.virtual_size if facts.size else None,
            disk_format=image.disk_format,
            container_format=image.container_format,
            detected=watcher.detected,
            refused=watcher.refused,
            file=self._identity(key),
            origin=origin,
        )
        self._forget(key)
        with AtomicFile(self._folder, f"{key}.facts") as file:
            file.write(orjson.dumps(asdict(staged)))
            file.keep()
        return staged

    def _identity(self, key: str) -> tuple[int, int, int]:
        """Which file is staged: it is a different one when any of these is."""
        try:
            found = os.lstat(self.path(key))
        except FileNotFoundError as error:
            raise errors.DataNotFound(
                "There is no staged data on this node: stage it again"
            ) from error
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _facts(self, key: str) -> str:
        return f"{self.path(key)}.facts"

    def _forget(self, key: str) -> None:
        with suppress(OSError):
            os.unlink(self._facts(key))

    def _location(self, key: str) -> Location:
        return Location(f"file://{self.path(key)}")


def _image_id(name: str) -> str | None:
    """The image that a file here belongs to, also if it is an unfinished one."""
    unfinished = TEMPORARY.fullmatch(name)
    first = (unfinished["key"] if unfinished else name).partition(".")[0]
    return first if UUID.fullmatch(first) else None


class _Verdict:
    """Keeps what the format watcher says for later: staged data is judged by its import."""

    def __init__(self, watcher: FormatWatcher) -> None:
        self._watcher = watcher
        self.refused: str | None = None

    @property
    def virtual_size(self) -> int | None:
        return self._watcher.virtual_size

    @property
    def detected(self) -> str | None:
        return self._watcher.detected

    def see(self, block: bytes) -> None:
        self._watcher.see(block)

    def finish(self) -> None:
        try:
            self._watcher.finish()
        except errors.UnsupportedMedia as error:
            self.refused = error.message


class _Told:
    """A body that tells how much of it has been read."""

    def __init__(self, body: Body, tell: Tell) -> None:
        self._body = body
        self._tell = tell
        self._size = 0

    def read(self, size: int, /) -> bytes:
        block = self._body.read(size)
        self._size += len(block)
        self._tell(self._size)
        return block
