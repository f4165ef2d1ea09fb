"""The settings of an RBD store, from the options of Glance's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from calotype.errors import BadSettings

DEFAULT_CONF = "/etc/ceph/ceph.conf"
#: Librbd takes objects of 4 KiB to 32 MiB.
MOST_MIB = 32

_FSID = re.compile(r"^\s*fsid\s*=\s*([0-9a-fA-F-]{36})\s*(?:[#;].*)?$", re.MULTILINE)


@dataclass(frozen=True)
class RbdSettings:
    """What one RBD store needs to know.

    `object_size` in bytes. `user`: the cephx user without `client.`, None for that of ceph.conf.
    `ceph_conf` empty: where Ceph looks for it. `connect_timeout` in seconds, 0 for Ceph's own.
    """

    pool: str = "images"
    user: str | None = None
    ceph_conf: str = ""
    object_size: int = 8 << 20
    connect_timeout: int = 0
    thin_provisioning: bool = False

    def __post_init__(self) -> None:
        if not self.pool:
            raise BadSettings("rbd_store_pool: name the pool for the images")
        mib = self.object_size >> 20
        if mib < 1 or mib & (mib - 1) or mib > MOST_MIB:
            raise BadSettings(
                f"rbd_store_chunk_size = {mib} must be a power of two, from 1 to {MOST_MIB} (MiB)"
            )

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the values of a store's section, by option name; what is missing has its default.

        Raises BadSettings, naming the option.
        """
        chunk = options.get("rbd_store_chunk_size")
        pool = options.get("rbd_store_pool")
        return cls(
            pool="images" if pool is None else pool,
            user=options.get("rbd_store_user") or None,
            ceph_conf=options.get("rbd_store_ceph_conf") or "",
            object_size=(8 if chunk is None else chunk) << 20,
            connect_timeout=max(0, options.get("rados_connect_timeout") or 0),
            thin_provisioning=bool(options.get("rbd_thin_provisioning")),
        )

    @property
    def order(self) -> int:
        """The object size as a power of two."""
        return self.object_size.bit_length() - 1

    def configured_fsid(self) -> str | None:
        """The id of the cluster as ceph.conf says it, when it does and can be read."""
        try:
            with open(self.ceph_conf or DEFAULT_CONF, encoding="utf-8", errors="replace") as file:
                found = _FSID.search(file.read())
        except OSError:
            return None
        return found[1].lower() if found else None
