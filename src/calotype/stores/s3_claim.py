"""Whose an object is, when an answer is lost.

A request that makes an object leaves a word of its own with it. When no answer came, or a second
attempt was told that something is there already, the word says whether the first one did it. So a
success that nobody heard of is one, and no other's data is ever taken for ours, or removed.
"""

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calotype import errors
from calotype.stores.s3_client import translated

LOG = logging.getLogger(__name__)

_NAME = "calotype-put"


class Claim:
    """On one key, by one upload."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        self._client = client
        self._named = {"Bucket": bucket, "Key": key}
        self._word = uuid.uuid4().hex

    @property
    def metadata(self) -> dict[str, str]:
        """What the object is to say of itself."""
        return {_NAME: self._word}

    @contextmanager
    def settled(self, doing: str) -> Iterator[None]:
        """Around the request that makes the object: passes when that is there in the end."""
        try:
            with translated(doing):
                yield
        except errors.StoreFull:
            raise
        except errors.StoreError:
            if not self._holds():
                raise
            LOG.info("S3: %s: it was done, though the answer was lost", doing)
        except BaseException:
            self._give_up()
            raise

    def _holds(self) -> bool:
        try:
            with translated("cannot tell what was written"):
                found = self._client.head_object(**self._named)
        except errors.StoreError:
            return False
        return bool(found.get("Metadata", {}).get(_NAME) == self._word)

    def _give_up(self) -> None:
        if self._holds():
            with translated("cannot delete"):
                self._client.delete_object(**self._named)
