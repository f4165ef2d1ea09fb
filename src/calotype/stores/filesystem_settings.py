"""The settings of a file store, from the options of Glance's."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from calotype.errors import BadSettings

DEFAULT_DATADIR = "/var/lib/glance/images"
DEFAULT_CHUNK = 64 << 10


@dataclass(frozen=True, slots=True)
class Datadir:
    """One folder for images; those of a higher priority are filled first."""

    path: str
    priority: int = 0


@dataclass(frozen=True)
class FilesystemSettings:
    """What one file store needs to know. `chunk_size` in bytes.

    `file_perm`: permissions as decimal digits that are read as octal, 0 leaves them to the umask.
    `durable` false: do not wait for the disk (tests; data that can be made again).
    """

    datadirs: tuple[Datadir, ...] = (Datadir(DEFAULT_DATADIR),)
    metadata_file: str | None = None
    file_perm: int = 0
    chunk_size: int = DEFAULT_CHUNK
    thin_provisioning: bool = False
    durable: bool = True

    def __post_init__(self) -> None:
        paths = [datadir.path for datadir in self.datadirs]
        if not paths:
            raise BadSettings("filesystem_store_datadir: name a folder for the images")
        for path in paths:
            if not os.path.isabs(path):
                raise BadSettings(f"filesystem_store_datadir: {path!r} must begin with /")
            if paths.count(path) > 1:
                raise BadSettings(f"filesystem_store_datadirs names {path} more than once")
        if self.chunk_size < 1:
            raise BadSettings("filesystem_store_chunk_size must be at least 1")
        if self.file_mode is not None and not self.file_mode & 0o400:
            raise BadSettings(
                f"filesystem_store_file_perm = {self.file_perm} keeps this service from reading "
                "its own files: the first digit must be 4 or more"
            )

    @classmethod
    def from_options(cls, options: Mapping[str, Any], *, durable: bool = True) -> Self:
        """From the values of a store's section, by option name; what is missing has its default.

        Raises BadSettings, naming the option.
        """
        perm = options.get("filesystem_store_file_perm") or 0
        return cls(
            datadirs=_datadirs(options),
            metadata_file=options.get("filesystem_store_metadata_file") or None,
            file_perm=max(0, perm),
            chunk_size=options.get("filesystem_store_chunk_size") or DEFAULT_CHUNK,
            thin_provisioning=bool(options.get("filesystem_thin_provisioning")),
            durable=durable,
        )

    @property
    def file_mode(self) -> int | None:
        """The permissions of new files, None for those of the umask."""
        if not self.file_perm:
            return None
        try:
            mode = int(str(self.file_perm), 8)
        except ValueError:
            mode = -1
        if not 0 < mode <= 0o777:
            raise BadSettings(
                f"filesystem_store_file_perm = {self.file_perm} is no file permission: "
                "give three octal digits, e.g. 640"
            )
        return mode


def _datadirs(options: Mapping[str, Any]) -> tuple[Datadir, ...]:
    one = options.get("filesystem_store_datadir")
    several = options.get("filesystem_store_datadirs")
    if not several:
        return (Datadir(_clean(one or DEFAULT_DATADIR)),)
    if one and one != DEFAULT_DATADIR:
        raise BadSettings(
            "filesystem_store_datadir and filesystem_store_datadirs exclude each other: give one"
        )
    return tuple(_datadir(text) for text in several)


def _datadir(text: str) -> Datadir:
    path, _, priority = (part.strip() for part in text.rpartition(":"))
    if not path:
        path, priority = priority, ""
    try:
        return Datadir(_clean(path), int(priority or 0))
    except ValueError as error:
        raise BadSettings(
            f"filesystem_store_datadirs = {text}: {priority!r} after the colon is no whole number"
        ) from error


def _clean(path: str) -> str:
    return os.path.normpath(path) if path else path


def read_metadata_file(settings: FilesystemSettings) -> Mapping[str, Mapping[str, str]]:
    """What the metadata file says of each folder: by path, only of those it speaks of.

    The file holds one JSON object or a list of them, each with `id` and `mountpoint`; the one with
    the longest mountpoint at or above a folder belongs to it. Raises BadSettings.
    """
    if settings.metadata_file is None:
        return {}
    objects = _load(settings.metadata_file)
    found = {}
    for datadir in settings.datadirs:
        above = [o for o in objects if _lies_in(datadir.path, o["mountpoint"])]
        if above:
            found[datadir.path] = max(above, key=lambda o: len(os.path.normpath(o["mountpoint"])))
    return found


def _load(path: str) -> list[dict[str, str]]:
    try:
        with open(path, encoding="utf-8") as file:
            loaded = json.load(file)
    except (OSError, ValueError) as error:
        raise BadSettings(f"filesystem_store_metadata_file {path}: {error}") from error
    objects = loaded if isinstance(loaded, list) else [loaded]
    for thing in objects:
        if not isinstance(thing, dict) or not {"id", "mountpoint"} <= thing.keys():
            raise BadSettings(
                f"filesystem_store_metadata_file {path}: every object needs 'id' and 'mountpoint'"
            )
        if not all(isinstance(value, str) for value in thing.values()):
            raise BadSettings(f"filesystem_store_metadata_file {path}: every value must be text")
    return objects


def _lies_in(path: str, mountpoint: str) -> bool:
    mountpoint = os.path.normpath(mountpoint)
    return path == mountpoint or path.startswith(mountpoint.rstrip("/") + "/")
