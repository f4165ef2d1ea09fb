"""Images as objects in a bucket, by the S3 protocol: `<bucket>/<image id>`.

Small data goes in one request, larger and that of unknown size in parts. The digest of all that is
sent is part of the signature of its request, so the server refuses what has changed on the way.

No object is replaced: requests say `If-None-Match: *`. Not all servers heed it: radosgw 16 does not
when parts are put together, Swift's s3api looks only as a request begins. So uploads of one key end
one after the other in a process, and each looks just before; between processes it is the row of the
image that lets one upload in at a time.
"""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

from calotype import errors
from calotype.model.location import Location
from calotype.stores import s3_parts
from calotype.stores.s3_address import SCHEMES, Address
from calotype.stores.s3_claim import Claim
from calotype.stores.s3_client import S3Client, ensure_bucket, translated
from calotype.stores.s3_parts import Cut, Part, Sending
from calotype.stores.s3_reading import Blocks
from calotype.stores.s3_settings import S3Settings
from calotype.stores.s3_upload import Upload
from calotype.stores.store import UNFINISHED, Source, Store, Traits

__all__ = ["S3Settings", "S3Store"]

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
#: Few enough bytes that the server has copied them before anybody wonders.
COPIED = 256 << 20


class S3Store:
    """A store in one bucket.

    `memory`: bytes of one upload that may be in memory. `copied`: bytes that the server copies by
    one request, at most.
    """

    def __init__(
        self, settings: S3Settings, *, memory: int = s3_parts.MEMORY, copied: int = COPIED
    ) -> None:
        self._settings = settings
        self._memory = memory
        self._copied = copied
        self._connection = S3Client(settings)
        # So that in one process nobody looks for an object between another's look and its write.
        self._turns: WeakValueDictionary[str, threading.Lock] = WeakValueDictionary()
        self._taking_turns = threading.Lock()
        self.traits = Traits(
            type="s3",
            schemes=SCHEMES,
            backend=settings.endpoint,
            properties={
                "s3_store_host": settings.endpoint,
                "s3_store_bucket": settings.bucket,
                "s3_store_large_object_size": settings.large_object,
                "s3_store_large_object_chunk_size": settings.part,
                "s3_store_thread_pools": settings.threads,
            },
        )

    # -- the five methods of a store ------------------------------------------------------------

    def put(self, key: str, source: Source, size: int | None) -> Location:
        settings = self._settings
        s3_parts.need_possible(size)
        self._connection.need_bucket()
        self._need_free(key)
        if size is not None and size < settings.large_object:
            self._put_whole(key, s3_parts.take(source, size, self._memory), source)
            return self._location(key)
        cut = Cut(size, settings.part, self._memory)
        first = s3_parts.take(source, cut.length(1), self._memory)
        if size is None and s3_parts.length_of(first) < cut.length(1):
            self._put_whole(key, first, source)
        else:
            self._put_parts(key, first, source, cut)
        return self._location(key)

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        address = self._address(location)
        return Blocks(self._client(address), address, offset, length)

    def size(self, location: Location) -> int:
        address = self._address(location)
        if address.upload_id is not None:
            return self._size_of_parts(address)
        return int(self._head(address)["ContentLength"])

    def delete(self, location: Location) -> None:
        address = self._address(location)
        client = self._client(address)
        if address.upload_id is not None:
            with translated("cannot abort an upload"):
                client.abort_multipart_upload(**address.named, UploadId=address.upload_id)
            return
        self._head(address)  # S3 deletes what is not there without a word
        with translated("cannot delete"):
            client.delete_object(**address.named)

    def check(self) -> None:
        settings = self._settings
        try:
            with self._connection.hasty() as client, translated(f"bucket {settings.bucket}"):
                ensure_bucket(client, settings)
        except errors.DataNotFound as error:
            raise errors.StoreUnavailable(
                f"There is no bucket {settings.bucket} at {settings.endpoint}: make it, or set "
                "s3_store_create_bucket_on_put"
            ) from error

    # -- its powers ------------------------------------------------------------------------------

    def find(self, key: str) -> Location | None:
        location = self._location(key)
        try:
            self._head(self._address(location))
        except errors.DataNotFound:
            return None
        return location

    def recognizes(self, url: str) -> bool:
        try:
            address = Address.parse(url)
        except errors.StoreUnavailable:
            return False
        return (address.host, address.bucket) == (self._settings.host, self._settings.bucket)

    def leftovers(self, older_than: float) -> Iterator[Location]:
        bucket, client = self._settings.bucket, self._connection.get()
        with translated("cannot list the bucket"):
            for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
                for it in page.get("Uploads", ()):
                    if UUID.fullmatch(it["Key"]) and it["Initiated"].timestamp() < older_than:
                        url = self._url(it["Key"], it["UploadId"])
                        yield Location(url, status=UNFINISHED)
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                for it in page.get("Contents", ()):
                    if UUID.fullmatch(it["Key"]) and it["LastModified"].timestamp() < older_than:
                        yield self._location(it["Key"])

    def copy_within(
        self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
    ) -> Location:
        if not isinstance(holder, S3Store) or not self._can_see_all_of(holder):
            raise errors.Unsupported("The data is in another S3 service, or another's")
        source = holder._address(location)
        if source.login is not None:
            raise errors.Unsupported("The data is another's")
        size = int(holder._head(source)["ContentLength"])
        self._connection.need_bucket()
        self._need_free(key)
        if size < self._copied:
            self._copy_whole(key, source)
        else:
            self._copy_parts(key, source, size, tell)
        tell(size)
        return self._location(key)

    # -- how -------------------------------------------------------------------------------------

    def _url(self, key: str, upload_id: str | None = None) -> str:
        settings = self._settings
        return Address(settings.host, settings.bucket, key, upload_id).url(settings.scheme)

    def _location(self, key: str) -> Location:
        return Location(self._url(key))

    def _address(self, location: Location) -> Address:
        """What a location says. Raises StoreUnavailable when that is in another service.

        Keys in it are passed over, unless it is in another bucket, which ours may not open.
        """
        address = Address.parse(location.url)
        if address.host != self._settings.host:
            raise errors.StoreUnavailable(
                "The data lies in another S3 service than its store: see s3_store_host"
            )
        return replace(address, login=None) if address.bucket == self._settings.bucket else address

    def _client(self, address: Address) -> Any:
        return self._connection.get(address.login)

    def _head(self, address: Address) -> dict[str, Any]:
        with translated("cannot reach the data"):
            found: dict[str, Any] = self._client(address).head_object(**address.named)
        return found

    def _need_free(self, key: str, *, untouched: bool = True) -> None:
        """Raise DataExists for what is there; `untouched`: no data has been read as yet."""
        found = self.find(key)
        if found is not None:
            raise errors.DataExists(url=found.url if untouched else None)

    def _turn(self, key: str) -> threading.Lock:
        with self._taking_turns:
            return self._turns.setdefault(key, threading.Lock())

    def _put_whole(self, key: str, data: Part, source: Source) -> None:
        """Store data in one request, when the source has no more."""
        with s3_parts.closing(data):
            if source.read(1):
                raise errors.StoreError("The data is longer than was said")
            client, bucket = self._connection.get(), self._settings.bucket
            claim = Claim(client, bucket, key)
            with self._turn(key):
                self._need_free(key, untouched=False)
                with claim.settled("cannot write"):
                    client.put_object(
                        Bucket=bucket,
                        Key=key,
                        Body=data,
                        Metadata=claim.metadata,
                        IfNoneMatch="*",
                        **s3_parts.checksum(self._settings),
                    )

    def _put_parts(self, key: str, first: Part, source: Source, cut: Cut) -> None:
        with self._upload(key) as upload:
            with Sending(cut.at_once(self._settings.threads)) as sending:
                number, part = 1, first
                while s3_parts.length_of(part):
                    s3_parts.need_possible_number(number)
                    sending.begin(upload.send, number, part)
                    number += 1
                    part = s3_parts.take(source, cut.length(number), self._memory)
                sending.finish()
            self._complete(key, upload)

    def _copy_whole(self, key: str, source: Address) -> None:
        client, bucket = self._connection.get(), self._settings.bucket
        claim = Claim(client, bucket, key)
        with self._turn(key):
            self._need_free(key)
            with claim.settled("cannot copy"):
                client.copy_object(
                    Bucket=bucket,
                    Key=key,
                    CopySource=source.named,
                    Metadata=claim.metadata,
                    MetadataDirective="REPLACE",
                )

    def _copy_parts(
        self, key: str, source: Address, size: int, tell: Callable[[int], None]
    ) -> None:
        with self._upload(key) as upload:
            done = 0
            with Sending(self._settings.threads, lambda: tell(done)) as sending:
                for number, first, last in s3_parts.ranges(size, Cut(size, self._copied)):
                    sending.begin(upload.copy, number, source, first, last)
                    done = max(done, first - (self._settings.threads - 1) * self._copied)
                    tell(done)
                sending.finish()
            self._complete(key, upload)

    def _upload(self, key: str) -> Upload:
        return Upload(self._connection.get(), self._settings, key)

    def _complete(self, key: str, upload: Upload) -> None:
        with self._turn(key):
            self._need_free(key, untouched=False)
            upload.complete()

    def _size_of_parts(self, address: Address) -> int:
        with translated("cannot list the parts of an upload"):
            pages = (
                self._client(address)
                .get_paginator("list_parts")
                .paginate(**address.named, UploadId=address.upload_id)
            )
            return sum(int(part["Size"]) for page in pages for part in page.get("Parts", ()))

    def _can_see_all_of(self, holder: "S3Store") -> bool:
        mine, others = self._settings, holder._settings
        return (mine.endpoint, mine.access_key) == (others.endpoint, others.access_key)
