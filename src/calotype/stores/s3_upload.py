"""An object that is put together from parts: there when it is completed, and not at all before."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from calotype import errors
from calotype.stores import s3_parts
from calotype.stores.s3_address import Address
from calotype.stores.s3_claim import Claim
from calotype.stores.s3_client import translated
from calotype.stores.s3_parts import Part
from calotype.stores.s3_settings import S3Settings

LOG = logging.getLogger(__name__)

#: How often the server is asked to forget the parts.
_ATTEMPTS = 3


class Upload:
    """A multipart upload. As a context manager: left without `complete`, no part of it remains.

    `send` and `copy` may be called from several threads.
    """

    def __init__(self, client: Any, settings: S3Settings, key: str) -> None:
        self._client = client
        self._checksum = s3_parts.checksum(settings)
        self._named = {"Bucket": settings.bucket, "Key": key}
        self._claim = Claim(client, settings.bucket, key)
        self._parts: dict[int, dict[str, Any]] = {}
        self._completed = False

    def __enter__(self) -> Self:
        with translated("cannot begin an upload"):
            begun = self._client.create_multipart_upload(
                **self._named, **self._checksum, Metadata=self._claim.metadata
            )
        self._upload_id = begun["UploadId"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._completed:
            self._abort()

    def send(self, number: int, part: Part) -> None:
        """Send a part, counted from 1, and let go of it."""
        size = s3_parts.length_of(part)
        with s3_parts.closing(part), _still_there(), translated("cannot write"):
            answer = self._client.upload_part(
                **self._one(number), Body=part, ContentLength=size, **self._checksum
            )
        self._note(number, answer)

    def copy(self, number: int, source: Address, first: int, last: int) -> None:
        """Have the server take a part from another object, both ends included."""
        with translated("cannot copy"):
            answer = self._client.upload_part_copy(
                **self._one(number),
                CopySource={"Bucket": source.bucket, "Key": source.key},
                CopySourceRange=f"bytes={first}-{last}",
            )
        self._note(number, answer["CopyPartResult"])

    def complete(self) -> None:
        """Put the parts together. Raises DataExists."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        with _still_there(), self._claim.settled("cannot complete an upload"):
            self._client.complete_multipart_upload(
                **self._named,
                UploadId=self._upload_id,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
            )
        self._completed = True

    def _one(self, number: int) -> dict[str, Any]:
        return {**self._named, "UploadId": self._upload_id, "PartNumber": number}

    def _note(self, number: int, answer: dict[str, Any]) -> None:
        # What the server said of a part goes back to it: it compares them once more.
        said = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if answer.get(name)}
        self._parts[number] = {"PartNumber": number, **said}

    def _abort(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with translated("cannot abort an upload"):
                    self._client.abort_multipart_upload(**self._named, UploadId=self._upload_id)
                return
            except errors.DataNotFound:
                return
            except errors.StoreError as error:
                if attempt == _ATTEMPTS:
                    LOG.error("Image %s: parts are left: %s", self._named["Key"], error)


@contextmanager
def _still_there() -> Iterator[None]:
    """Say of an upload that is gone what it means for who is writing."""
    try:
        yield
    except errors.DataNotFound as error:
        raise errors.StoreError("The upload was removed while it was written") from error
