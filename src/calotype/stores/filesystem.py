"""Images as files: `<datadir>/<image id>`, one flat folder or several, shared with Glance.

Data comes from the source in blocks of READ bytes whatever `filesystem_store_chunk_size` says,
unless that is larger: the size of a system call is no business of the layout, and 64 KiB, Glance's
default, costs sixteen times the calls. The option still sets the grain in which thin provisioning
looks for zeros.
"""

import errno
import io
import logging
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from calotype import errors
from calotype.model.location import Location
from calotype.stores.atomic_file import TEMPORARY, AtomicFile, flush_folder, translated
from calotype.stores.filesystem_settings import FilesystemSettings, read_metadata_file
from calotype.stores.store import UNFINISHED, Source, Traits

__all__ = ["FilesystemSettings", "FilesystemStore"]

LOG = logging.getLogger(__name__)

#: Bytes asked of a source, and given by `read`, at a time.
READ = 1 << 20
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class FilesystemStore:
    """A store in one or more folders of this machine, or on file systems mounted there."""

    def __init__(self, settings: FilesystemSettings) -> None:
        """Raises BadSettings when the metadata file is not usable."""
        self._settings = settings
        self._mode = settings.file_mode
        self._block = max(READ, settings.chunk_size)
        self._zeros = bytes(settings.chunk_size)
        self._metadata = read_metadata_file(settings)
        self.traits = Traits(
            type="file",
            schemes=("file", "filesystem"),
            sparse=settings.thin_provisioning,
            properties={
                "data_dir": settings.datadirs[0].path,
                "chunk_size": settings.chunk_size,
                "thin_provisioning": settings.thin_provisioning,
            },
        )

    # -- the five methods of a store ------------------------------------------------------------

    def put(self, key: str, source: Source, size: int | None) -> Location:
        self._need_free(key)
        folder = self._choose(size)
        settings = self._settings
        with AtomicFile(folder, key, mode=self._mode, durable=settings.durable) as file:
            copy = self._copy_thin if settings.thin_provisioning else self._copy
            copy(source, file)
            file.keep()
        return self._location(folder, key)

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        file = self.open(location)
        return _Blocks(file, offset, length, self._block)

    def size(self, location: Location) -> int:
        path = self._path(location)
        with _reaching(path):
            return _regular(os.lstat(path)).st_size

    def delete(self, location: Location) -> None:
        path = self._path(location)
        with _reaching(path):
            os.unlink(path)

    def check(self) -> None:
        for datadir in self._settings.datadirs:
            try:
                with translated("cannot use the folder", datadir.path):
                    os.makedirs(datadir.path, exist_ok=True)
                    self._admit_readers(datadir.path)
                # Trying tells more than asking: a mount may be read-only, root may do anything.
                with AtomicFile(datadir.path, "check", durable=False):
                    pass
            except errors.StoreError as error:
                raise errors.StoreUnavailable(
                    f"The image folder {datadir.path} cannot be used: {error}. Let the user of "
                    "this service write there, or change filesystem_store_datadir"
                ) from error

    # -- its powers ------------------------------------------------------------------------------

    def open(self, location: Location) -> BinaryIO:
        path = self._path(location)
        with _reaching(path):
            # Without a buffer, so that the position of the file is that of its descriptor.
            file = io.FileIO(path, "rb", opener=_open_file)
        try:
            _regular(os.fstat(file.fileno()))
        except BaseException:
            file.close()
            raise
        return file

    def leftovers(self, older_than: float) -> Iterator[Location]:
        for datadir in self._settings.datadirs:
            with translated("cannot list a folder", datadir.path):
                names = os.listdir(datadir.path)
            for name in names:
                location = _ours(datadir.path, name)
                if location is not None and self._untouched_since(location, older_than):
                    yield location

    def adopt(self, key: str, path: str) -> Location:
        _check_key(key)
        with _reaching(path):
            device = _regular(os.lstat(path)).st_dev
        for datadir in self._settings.datadirs:
            with translated("cannot use a folder", datadir.path):
                if os.stat(datadir.path).st_dev == device:
                    return self._link(key, path, datadir.path)
        raise errors.Unsupported("The file lies on another file system than the store")

    def copy_file(self, key: str, file: BinaryIO, tell: Callable[[int], None]) -> Location:
        self._need_free(key)
        folder = self._choose(os.fstat(file.fileno()).st_size)
        settings = self._settings
        with AtomicFile(folder, key, mode=self._mode, durable=settings.durable) as copy:
            copy.copy_of(file.fileno(), tell)
            copy.keep()
        return self._location(folder, key)

    def find(self, key: str) -> Location | None:
        _check_key(key)
        for datadir in self._settings.datadirs:
            with translated("cannot use a folder", datadir.path):
                os.stat(datadir.path)  # without its folder nothing is known of a file
            if os.path.lexists(os.path.join(datadir.path, key)):
                return self._location(datadir.path, key)
        return None

    def recognizes(self, url: str) -> bool:
        scheme, _, path = url.partition("://")
        folder = os.path.dirname(path)
        if scheme not in self.traits.schemes or not folder.startswith("/"):
            return False
        mine = {datadir.path for datadir in self._settings.datadirs}
        return folder in mine or os.path.realpath(folder) in map(os.path.realpath, mine)

    # -- how -------------------------------------------------------------------------------------

    def _location(self, folder: str, key: str) -> Location:
        return Location(f"file://{folder}/{key}", self._metadata.get(folder, {}))

    def _need_free(self, key: str) -> None:
        _check_key(key)
        for datadir in self._settings.datadirs:
            if os.path.lexists(os.path.join(datadir.path, key)):
                raise errors.DataExists(url=f"file://{datadir.path}/{key}")

    def _link(self, key: str, path: str, folder: str) -> Location:
        """Give a file a second name in the store: the first can then go without a loss."""
        final, location = os.path.join(folder, key), self._location(folder, key)
        with translated("cannot name a file", folder):
            try:
                os.link(path, final, follow_symlinks=False)
            except FileExistsError as error:
                if not os.path.samefile(path, final):
                    raise errors.DataExists(url=location.url) from error
            except OSError as error:
                if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV):
                    raise errors.Unsupported("The file system has no second names") from error
                raise
        with translated("cannot write", folder):
            if self._mode is not None:
                os.chmod(final, self._mode)
            if self._settings.durable:
                flush_folder(folder)
        return location

    def _choose(self, size: int | None) -> str:
        """The folder for new data: highest priority, then most room, among those with room."""
        room: dict[tuple[int, int], str] = {}
        trouble: errors.Error | None = None
        for datadir in self._settings.datadirs:
            try:
                with translated("cannot use a folder", datadir.path):
                    free = os.statvfs(datadir.path)
            except errors.StoreError as error:
                trouble = error
                continue
            room.setdefault((datadir.priority, free.f_bavail * free.f_frsize), datadir.path)
        if not room:
            raise trouble or errors.StoreUnavailable("No image folder can be used")
        # Data with holes may need far less than its size: that is tried.
        needed = 0 if size is None or self._settings.thin_provisioning else size
        enough = [choice for choice in room if choice[1] >= needed]
        if not enough:
            raise errors.StoreFull(f"The store has no room left for {needed} bytes")
        return room[max(enough)]

    def _copy(self, source: Source, file: AtomicFile) -> None:
        while block := source.read(self._block):
            file.write(block)

    def _copy_thin(self, source: Source, file: AtomicFile) -> None:
        """As `_copy`, leaving holes in place of zeros; what lies between is written at once."""
        grain = len(self._zeros)
        while block := source.read(self._block):
            view, unwritten = memoryview(block), 0
            for start in range(0, len(view), grain):
                piece = view[start : start + grain]
                # A comparison of memory without a copy, over at the first byte that is not zero.
                if self._zeros.startswith(piece):
                    file.write(view[unwritten:start])
                    file.skip(len(piece))
                    unwritten = start + len(piece)
            file.write(view[unwritten:])

    def _path(self, location: Location) -> str:
        """The file a location names, which must lie in one of our folders itself."""
        path = location.url.partition("://")[2]
        folder, name = os.path.split(path)
        if not folder.startswith("/") or name in ("", ".") or ".." in path.split("/"):
            raise errors.StoreUnavailable("This is no location of a file store")
        folder = os.path.realpath(folder)
        if folder not in {os.path.realpath(datadir.path) for datadir in self._settings.datadirs}:
            LOG.warning("%s is in no folder of this store: see filesystem_store_datadirs", path)
            raise errors.StoreUnavailable("The data lies outside of the folders of its store")
        if not os.path.isdir(folder):
            # Without its folder nothing is known of the file: a mount may be missing.
            LOG.warning("The image folder %s is missing", folder)
            raise errors.StoreUnavailable("The folder of the data is missing")
        return os.path.join(folder, name)

    def _admit_readers(self, folder: str) -> None:
        """Let those pass through the folder whom `filesystem_store_file_perm` lets read."""
        mode = self._mode or 0
        present = stat.S_IMODE(os.stat(folder).st_mode)
        wanted = present
        wanted |= stat.S_IXGRP if mode & stat.S_IRWXG else 0
        wanted |= stat.S_IXOTH if mode & stat.S_IRWXO else 0
        if wanted != present:
            os.chmod(folder, wanted)

    def _untouched_since(self, location: Location, moment: float) -> bool:
        try:
            found = os.lstat(self._path(location))
        except (OSError, errors.StoreError):
            return False
        # A file that was moved or linked here keeps its old time of writing, but not this other.
        return stat.S_ISREG(found.st_mode) and max(found.st_mtime, found.st_ctime) < moment


class _Blocks(Iterator[bytes]):
    """A part of an open file, block by block; closes it at the end."""

    def __init__(self, file: BinaryIO, offset: int, length: int | None, block: int) -> None:
        self._file = file
        self._block = block
        self._position = offset
        self._end = sys.maxsize if length is None else offset + length

    def __next__(self) -> bytes:
        want = min(self._block, self._end - self._position)
        if want > 0 and not self._file.closed:
            with translated("cannot read", str(self._file.name)):
                block = os.pread(self._file.fileno(), want, self._position)
            if block:
                self._position += len(block)
                return block
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Close the file, also before the end."""
        self._file.close()


def _check_key(key: str) -> None:
    if not key or key.startswith(".") or "/" in key:
        raise errors.StoreError(f"{key!r} cannot be the name of a file in the store")


def _ours(folder: str, name: str) -> Location | None:
    """What we, or Glance, may have left under this name; None for the files of others."""
    if UUID.fullmatch(name):
        return Location(f"file://{folder}/{name}")
    if TEMPORARY.fullmatch(name):
        return Location(f"file://{folder}/{name}", status=UNFINISHED)
    return None


def _open_file(path: str, flags: int) -> int:
    # Not blocking: somebody may have put a pipe there.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _regular(found: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(found.st_mode):
        raise errors.DataNotFound("What the store has at this location is no file")
    return found


@contextmanager
def _reaching(path: str) -> Iterator[None]:
    with translated("cannot reach the data", path):
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EISDIR, errno.ELOOP):
                raise
            # A symbolic link is no image either: it could lead to any file of this machine.
            raise errors.DataNotFound() from error
