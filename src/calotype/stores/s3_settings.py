"""The settings of an S3 store, from the options of Glance's."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit

from calotype.errors import BadSettings

MIB = 1 << 20
#: The least that S3 lets a part have that is not the last one, in bytes.
SMALLEST_PART = 5 * MIB

#: Where no region is named.
DEFAULT_REGION = "us-east-1"

_REQUIRED = ("s3_store_host", "s3_store_access_key", "s3_store_secret_key", "s3_store_bucket")


@dataclass(frozen=True)
class S3Settings:
    """What an S3 store needs to know. Sizes in bytes.

    `endpoint`: with its scheme. `threads`: parts that are sent at once, at most. `checksums`: send
    a checksum with every part, besides the digest in its signature.
    """

    endpoint: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    bucket: str
    region: str = DEFAULT_REGION
    addressing: str = "auto"
    create_bucket: bool = False
    large_object: int = 100 * MIB
    part: int = 10 * MIB
    threads: int = 10
    ca_file: str | None = None
    checksums: bool = False
    check_requests: str = "when_required"
    check_responses: str = "when_required"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """From the values of a store's section, by option name; what is missing has its default.

        Raises BadSettings, naming the option.
        """
        for name in _REQUIRED:
            if not options.get(name):
                raise BadSettings(f"{name}: must be set for an S3 store")
        ca_file = options.get("s3_store_cacert") or None
        if ca_file and not os.path.exists(ca_file):
            raise BadSettings(f"s3_store_cacert: there is no file {ca_file}")
        given: dict[str, Any] = {
            "region": options.get("s3_store_region_name"),
            "addressing": options.get("s3_store_bucket_url_format"),
            "create_bucket": options.get("s3_store_create_bucket_on_put"),
            "large_object": _mib(options.get("s3_store_large_object_size")),
            "part": _mib(options.get("s3_store_large_object_chunk_size")),
            "threads": options.get("s3_store_thread_pools"),
            "checksums": options.get("s3_store_enable_data_integrity_protection"),
            "check_requests": options.get("s3_store_request_checksum_calculation"),
            "check_responses": options.get("s3_store_response_checksum_validation"),
        }
        return cls(
            endpoint=_endpoint(options["s3_store_host"]),
            access_key=options["s3_store_access_key"],
            secret_key=options["s3_store_secret_key"],
            bucket=options["s3_store_bucket"],
            ca_file=ca_file,
            **{name: value for name, value in given.items() if value not in (None, "")},
        )

    @property
    def scheme(self) -> str:
        """The scheme of the urls of this store, as Glance writes them."""
        return "s3+https" if self.endpoint.startswith("https://") else "s3"

    @property
    def host(self) -> str:
        """The host of the endpoint with its port, as urls name it."""
        return self.endpoint.partition("://")[2]

    @property
    def is_here(self) -> bool:
        """Whether the service is on this machine."""
        name = urlsplit(self.endpoint).hostname or ""
        try:
            return ip_address(name).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")


def _mib(number: int | None) -> int | None:
    return None if number is None else number * MIB


def _endpoint(text: str) -> str:
    """An endpoint with a scheme: without one it is http, as it is for Glance."""
    found = text.strip().rstrip("/")
    if "://" not in found:
        found = f"http://{found}"
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSettings("s3_store_host: must be a host, or http://host:port or https://host:port")
    if parts.username or parts.password:
        raise BadSettings("s3_store_host: keys have options of their own, see s3_store_access_key")
    return found
