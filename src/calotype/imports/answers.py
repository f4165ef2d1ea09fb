"""What a server of somebody else answers, and what goes wrong on the way to it."""

import http.client
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from calotype import errors

LOG = logging.getLogger(__name__)

#: Seconds to wait for a connection, and for the next bytes.
PATIENCE = 60.0


@dataclass(frozen=True)
class Answer:
    """The body of an answer. `length`: what the server says it is, in bytes.

    `whose`: what the messages of errors begin with.
    """

    whose: str
    response: http.client.HTTPResponse
    length: int | None

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes. Raises StoreUnavailable."""
        with talking(self.whose):
            return self.response.read(size)


def good(whose: str, response: http.client.HTTPResponse) -> Answer:
    """The answer, if it is one of success. Raises StoreUnavailable."""
    if not 200 <= response.status < 300:
        raise errors.StoreUnavailable(
            f"{whose}: the server answered {response.status} {response.reason}"
        )
    text = response.getheader("Content-Length") or ""
    known = text.isascii() and text.isdigit() and len(text) < 19
    return Answer(whose, response, int(text) if known else None)


@contextmanager
def talking(whose: str) -> Iterator[None]:
    """Raise StoreUnavailable for whatever goes wrong with a server."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        LOG.warning("Cannot fetch: %r", error)
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise errors.StoreUnavailable(f"{whose}: the data cannot be fetched: {reason}") from error
