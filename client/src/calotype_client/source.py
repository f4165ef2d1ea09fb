"""Where the bytes of an upload come from, and how many there are."""

import io
import os
import stat
from typing import Any, Protocol


class Source(Protocol):
    """Anything with `read`: an open file, a pipe, `io.BytesIO`."""

    def read(self, size: int = ..., /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def regular(source: Any) -> int | None:
    """The descriptor of a plain file, which the kernel can send by itself.

    Only where its bytes are those that `read` would give: those of a `GzipFile` are others.
    """
    raw = source.raw if isinstance(source, io.BufferedReader | io.BufferedRandom) else source
    if not isinstance(raw, io.FileIO) or not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return None
    return raw.fileno()


def length(source: Any) -> int | None:
    """How many bytes are to come; None when nobody can know, as with a pipe."""
    try:
        if not source.seekable():
            return None
        here: int = source.tell()
        end: int = source.seek(0, os.SEEK_END)
        source.seek(here)
    except (AttributeError, OSError, ValueError):
        return None
    return max(0, end - here)
