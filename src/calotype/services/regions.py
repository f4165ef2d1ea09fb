"""Where the image service of another region is, by the service catalogue of the caller's token."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import orjson

from calotype import errors

#: What an address may end with that names a version of the API.
_VERSION = re.compile(r"/v[0-9.]+$")


def image_endpoint(catalog: str | None, region: str, interface: str) -> str:
    """The address of the image service in a region, without a version at its end.

    `catalog`: as the token middleware gives it, in JSON. `interface`: public, internal or admin.
    Raises Invalid naming what is wrong with the request.
    """
    if catalog is None:
        raise errors.Invalid(
            "method.glance_region: your token came without a service catalog, so no other region "
            "is known"
        )
    regions: set[str] = set()
    for endpoint in _image_endpoints(catalog):
        regions.add(str(endpoint.get("region")))
        url = endpoint.get(f"{interface}URL")
        if endpoint.get("region") == region and isinstance(url, str) and _is_address(url):
            return _VERSION.sub("", url.rstrip("/"))
    known = ", ".join(sorted(regions)) or "none"
    raise errors.Invalid(
        f"method.glance_region: the catalog has no {interface} endpoint of an image service in "
        f"{region!r}; the regions are: {known}"
    )


def _image_endpoints(catalog: str) -> Iterator[dict[str, object]]:
    try:
        services = orjson.loads(catalog)
    except orjson.JSONDecodeError as error:
        raise errors.Invalid("method.glance_region: your service catalog is no JSON") from error
    for service in services:
        if service.get("type") == "image":
            yield from service.get("endpoints", ())


def _is_address(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname)
