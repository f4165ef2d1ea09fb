"""One process of a kind on this machine, known by a pid file; a stale one blocks nobody."""

import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from calotype import errors

LOG = logging.getLogger(__name__)

#: Where Glance's own tools keep theirs.
FOLDER = Path("/var/run/glance")


def standard_path(name: str, folder: Path = FOLDER) -> Path:
    """Where the file `name` is kept: with Glance's, else where this user may write."""
    if os.access(folder, os.W_OK):
        return folder / f"{name}.pid"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK):
        return Path(runtime) / f"{name}.pid"
    return Path(tempfile.gettempdir()) / f"{name}-{os.getuid()}.pid"


@contextmanager
def held(path: Path, busy: str) -> Iterator[None]:
    """Keep the file while the block runs; it is gone afterwards.

    Raises Conflict, with the text `busy`, while a living process has it. A process that died has
    it no more, whatever the file says. Where none can be kept, a warning in the log is all.
    """
    try:
        file = _locked(path, busy)
    except OSError as error:
        LOG.warning("No pid file can be kept at %s: %s", path, error.strerror)
        yield
        return
    try:
        if _names_another(file):
            raise errors.Conflict(busy)
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        try:
            yield
        finally:
            with suppress(FileNotFoundError):
                path.unlink()
    finally:
        os.close(file)


def _locked(path: Path, busy: str) -> int:
    """The open file, locked by us. Raises Conflict, OSError."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before us may have removed it between our two calls.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    return file
        except BlockingIOError as error:
            os.close(file)
            raise errors.Conflict(busy) from error
        os.close(file)


def _names_another(file: int) -> bool:
    """Whether the file names a living scrubber that takes no locks, as Glance's does."""
    text = os.pread(file, 32, 0).strip()
    if not text.isdigit() or int(text) == os.getpid():
        return False
    try:
        command = Path(f"/proc/{int(text)}/cmdline").read_bytes()
    except OSError:
        return False
    # Numbers are used again: another program is not the one that died.
    return b"scrub" in command
