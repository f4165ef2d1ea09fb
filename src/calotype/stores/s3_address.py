"""Where an object lies: the urls of S3 stores.

    s3://host:port/bucket/key          by http, as Glance writes it now
    s3+https://host:port/bucket/key    by https
    s3://key:secret@host/bucket/key    as it once did

The last form is read, and what it says of keys passed over: the store's own ones are used. Data
that was never completed has `?uploadId=…&of=key` behind its url, which no image ever gets.
"""

from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qs, quote, unquote

from calotype import errors

SCHEMES = ("s3", "s3+https", "s3+http")


@dataclass(frozen=True)
class Address:
    """An object, or an upload of one that is not finished. `host`: with its port."""

    host: str
    bucket: str
    key: str
    upload_id: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """From the url of a location. Raises StoreUnavailable when it is none of an S3 store."""
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        # A secret may hold slashes, so the login ends at the last @.
        rest = rest.rpartition("@")[2]
        for inner in ("http://", "https://"):
            rest = rest.removeprefix(inner)
        parts = rest.strip("/").split("/")
        if scheme not in SCHEMES or len(parts) < 3 or not all(parts):
            raise errors.StoreUnavailable("This is no location of an S3 store")
        *host, bucket, key = parts
        upload_id = parse_qs(query).get("uploadId", [None])[0]
        return cls("/".join(host), bucket, unquote(key), upload_id)

    def url(self, scheme: str) -> str:
        """The address as a url of that scheme."""
        url = f"{scheme}://{self.host}/{self.bucket}/{quote(self.key, safe='')}"
        if self.upload_id is None:
            return url
        # The key comes last again, so that whoever looks for an id there finds this one.
        return f"{url}?uploadId={quote(self.upload_id, safe='')}&of={quote(self.key, safe='')}"
