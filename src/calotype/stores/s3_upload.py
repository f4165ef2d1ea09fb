"""An object that is put together from parts: there when it is completed, and not at all before."""

import logging
from types import TracebackType
from typing import Any, Self

from calotype import errors
from calotype.stores import s3_parts
from calotype.stores.s3_address import Address
from calotype.stores.s3_client import UNDECIDED, translated
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
        self._parts: dict[int, dict[str, Any]] = {}
        self._size = 0
        self._completed = False

    def __enter__(self) -> Self:
        with translated("cannot begin an upload"):
            begun = self._client.create_multipart_upload(**self._named, **self._checksum)
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
        with s3_parts.closing(part), translated("cannot write"):
            answer = self._client.upload_part(
                **self._one(number), Body=part, ContentLength=size, **self._checksum
            )
        self._note(number, size, answer)

    def copy(self, number: int, source: Address, first: int, last: int) -> None:
        """Have the server take a part from another object, both ends included."""
        with translated("cannot copy"):
            answer = self._client.upload_part_copy(
                **self._one(number),
                CopySource={"Bucket": source.bucket, "Key": source.key},
                CopySourceRange=f"bytes={first}-{last}",
            )
        self._note(number, last + 1 - first, answer["CopyPartResult"])

    def complete(self) -> None:
        """Put the parts together. Raises DataExists."""
        parts = [self._parts[number] for number in sorted(self._parts)]
        try:
            with translated("cannot complete an upload"):
                self._client.complete_multipart_upload(
                    **self._named,
                    UploadId=self._upload_id,
                    MultipartUpload={"Parts": parts},
                    IfNoneMatch="*",
                )
        except errors.StoreUnavailable as error:
            if not isinstance(error.__cause__, UNDECIDED) or not self._is_there():
                raise
        self._completed = True

    def _one(self, number: int) -> dict[str, Any]:
        return {**self._named, "UploadId": self._upload_id, "PartNumber": number}

    def _note(self, number: int, size: int, answer: dict[str, Any]) -> None:
        # What the server said of a part goes back to it: it compares them once more.
        said = {name: answer[name] for name in ("ETag", "ChecksumCRC32") if answer.get(name)}
        self._parts[number] = {"PartNumber": number, **said}
        self._size += size

    def _is_there(self) -> bool:
        """Whether the object came to be though nobody said so."""
        with translated("cannot reach the data"):
            found = self._client.head_object(**self._named)
        return int(found["ContentLength"]) == self._size

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
