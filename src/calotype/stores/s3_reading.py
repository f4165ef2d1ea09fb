"""A part of an object, block by block; goes on where it was when the connection breaks."""

import logging
from collections.abc import Iterator
from typing import Any

from botocore import exceptions

from calotype import errors
from calotype.stores.s3_address import Address
from calotype.stores.s3_client import UNDECIDED, code, translated

LOG = logging.getLogger(__name__)

#: Bytes given at a time.
BLOCK = 1 << 20
#: How often in a row a broken connection is replaced without a byte having come.
_ATTEMPTS = 3
_PAST_THE_END = ("InvalidRange", "416")


class Blocks(Iterator[bytes]):
    """Asks for the object at once: raises DataNotFound where there is none."""

    def __init__(self, client: Any, address: Address, offset: int, length: int | None) -> None:
        self._client = client
        self._named = {"Bucket": address.bucket, "Key": address.key}
        self._position = offset
        self._end = None if length is None else offset + length
        self._etag: str | None = None
        self._left = 0
        self._body: Any = None
        self._tries = 0
        self._begin()

    def __next__(self) -> bytes:
        while self._body is not None:
            try:
                block: bytes = self._body.read(min(BLOCK, self._left)) if self._left else b""
                if not block and self._left:
                    raise exceptions.IncompleteReadError(actual_bytes=0, expected_bytes=self._left)
            except UNDECIDED as error:
                self._begin_again(error)
                continue
            except BaseException:
                self.close()
                raise
            if not block:
                break
            self._position += len(block)
            self._left -= len(block)
            self._tries = 0
            return block
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Give the connection back, also before the end."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _begin(self) -> None:
        if self._end is not None and self._position >= self._end:
            # Nothing is wanted but to know whether there is anything.
            with translated("cannot read"):
                self._client.head_object(**self._named)
            return
        last = "" if self._end is None else str(self._end - 1)
        part = {} if (self._position, last) == (0, "") else self._part(last)
        same = {"IfMatch": self._etag} if self._etag else {}
        try:
            with translated("cannot read"):
                answer = self._client.get_object(**self._named, **part, **same)
        except errors.DataExists as error:
            raise errors.StoreError("The data was replaced while it was read") from error
        except errors.StoreError as error:
            if not _is_past_the_end(error):
                raise
            return
        if part and not answer.get("ContentRange", "").startswith(f"bytes {self._position}-"):
            answer["Body"].close()
            raise errors.StoreError("The server gave another part of the data than was asked for")
        self._etag = self._etag or answer.get("ETag")
        self._body, self._left = answer["Body"], int(answer["ContentLength"])

    def _part(self, last: str) -> dict[str, str]:
        return {"Range": f"bytes={self._position}-{last}"}

    def _begin_again(self, error: Exception) -> None:
        self.close()
        self._tries += 1
        if self._tries > _ATTEMPTS:
            raise errors.StoreUnavailable(
                f"The store ended {self._left} bytes too early"
            ) from error
        LOG.info("S3: a connection broke at byte %d, reading on", self._position)
        self._end = self._position + self._left
        self._begin()


def _is_past_the_end(error: errors.StoreError) -> bool:
    cause = error.__cause__
    return isinstance(cause, exceptions.ClientError) and code(cause) in _PAST_THE_END
