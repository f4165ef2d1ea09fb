"""Where an image lies in Ceph, and how that is written as a url."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote

from calotype import errors

SCHEME = "rbd"
#: The snapshot that holds the data of an image, and that others clone from.
SNAPSHOT = "snap"


@dataclass(frozen=True, slots=True)
class Address:
    """An image in a pool of a cluster.

    Urls of the first years say but the image: then `fsid`, `pool` and `snapshot` are None.
    """

    image: str
    fsid: str | None = None
    pool: str | None = None
    snapshot: str | None = None

    @classmethod
    def parse(cls, url: str) -> Self:
        """What a url says. Raises StoreUnavailable when it is none of an image in Ceph."""
        scheme, _, rest = url.partition("://")
        parts = [unquote(part) for part in rest.split("/")]
        if scheme == SCHEME and all(parts):
            if len(parts) == 4:
                fsid, pool, image, snapshot = parts
                return cls(image, fsid, pool, snapshot)
            if len(parts) == 1:
                return cls(parts[0])
        raise errors.StoreUnavailable("This is no location of an RBD store")

    @property
    def url(self) -> str:
        """As Glance, Nova and Cinder write it."""
        parts = (self.fsid, self.pool, self.image, self.snapshot)
        return f"{SCHEME}://" + "/".join(quote(part, safe="") for part in parts if part)
