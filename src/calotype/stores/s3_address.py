"""Where an object lies: the urls of S3 stores.

    s3://host:port/bucket/key          by http, as Glance writes it now
    s3+https://host:port/bucket/key    by https
    s3://key:secret@host/bucket/key    as it once did

Data that was never completed has `?uploadId=…&of=key` behind its url, which no image ever gets.
"""

from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import parse_qs, quote, unquote

from calotype import errors

SCHEMES = ("s3", "s3+https", "s3+http")


class Login(NamedTuple):
    """Who asks: an access key and its secret."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        """Nothing that is secret."""
        return "Login(…)"


@dataclass(frozen=True)
class Address:
    """An object, or an upload of one that is not finished. `host`: with its port.

    `login`: what the url says of keys, which never goes into a url again.
    """

    host: str
    bucket: str
    key: str
    upload_id: str | None = None
    login: Login | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """From the url of a location. Raises StoreUnavailable when it is none of an S3 store."""
        scheme, _, rest = url.partition("://")
        rest, _, query = rest.partition("?")
        # A secret may hold slashes, so the login ends at the last @.
        login, _, rest = rest.rpartition("@")
        for inner in ("http://", "https://"):
            rest = rest.removeprefix(inner)
        parts = rest.strip("/").split("/")
        if scheme not in SCHEMES or len(parts) < 3 or not all(parts):
            raise errors.StoreUnavailable("This is no location of an S3 store")
        *host, bucket, key = parts
        upload_id = parse_qs(query).get("uploadId", [None])[0]
        return cls("/".join(host), bucket, unquote(key), upload_id, _login(login))

    @property
    def named(self) -> dict[str, str]:
        """How a request names the object."""
        return {"Bucket": self.bucket, "Key": self.key}

    def url(self, scheme: str) -> str:
        """The address as a url of that scheme."""
        url = f"{scheme}://{self.host}/{self.bucket}/{quote(self.key, safe='')}"
        if self.upload_id is None:
            return url
        # The key comes last again, so that whoever looks for an id there finds this one.
        return f"{url}?uploadId={quote(self.upload_id, safe='')}&of={quote(self.key, safe='')}"


def _login(text: str) -> Login | None:
    for inner in ("http://", "https://"):
        text = text.removeprefix(inner)
    access_key, _, secret_key = text.rpartition(":")
    return Login(access_key, secret_key) if access_key and secret_key else None
