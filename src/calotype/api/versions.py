"""Which versions of the API we speak, and how the path of a request becomes the canonical one.

The minor number selects nothing: every accepted prefix leads to the same endpoints. Which minors
are accepted depends on two settings, because clients read from the list whether a site has a cache
and several stores. Tasks of an image (2.12) and usage (2.13) need neither: python-glanceclient asks
for the tasks of an image only where 2.12 is listed.
"""

from functools import cache
from typing import Any

#: Minors in the order in which the document lists them, by (caching, multi_store); clients that
#: take the first or the last entry get what they got before.
_MINORS: dict[tuple[bool, bool], tuple[int, ...]] = {
    (True, True): (18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
    (False, True): (15, 13, 12, 11, 10, 9, 8, 17, 7, 6, 5, 4, 3, 2, 1, 0),
    (True, False): (18, 17, 16, 15, 14, 13, 12, 9, 7, 6, 5, 4, 3, 2, 1, 0),
    (False, False): (15, 13, 12, 9, 17, 7, 6, 5, 4, 3, 2, 1, 0),
}

#: Paths that belong to no version.
UNVERSIONED = frozenset({"/versions", "/healthcheck"})

_ACCEPT = "application/vnd.openstack.images-"
_ROOT = "/v2"


def document(base_url: str, *, caching: bool, multi_store: bool) -> dict[str, Any]:
    """The list of versions. All of them link to `<base_url>/v2/`."""
    minors = _MINORS[caching, multi_store]
    href = f"{base_url.rstrip('/')}{_ROOT}/"
    return {
        "versions": [
            {
                "id": f"v2.{minor}",
                "status": "CURRENT" if minor == max(minors) else "SUPPORTED",
                "links": [{"rel": "self", "href": href}],
            }
            for minor in minors
        ]
    }


@cache
def accepted(*, caching: bool, multi_store: bool) -> frozenset[str]:
    """The names a version goes by in a path or an Accept header: `v2`, `v2.0`, `v2.1`, …"""
    return frozenset({"v2", *(f"v2.{minor}" for minor in _MINORS[caching, multi_store])})


def route(path: str, accept: str | None, *, caching: bool, multi_store: bool) -> str | None:
    """The canonical path of a request; None (answer 300, the document) when it names no endpoint.

    The version may stand in the path (`/v2.7/images`) or, for a path without one, in the Accept
    header (`application/vnd.openstack.images-v2.7`). A version alone (`/v2`, `/v2/`) names no
    endpoint; clients that look for versions ask there and get them.
    """
    if path.startswith("/v2/") and len(path) > len("/v2/"):
        return path
    if path in UNVERSIONED:
        return path
    known = accepted(caching=caching, multi_store=multi_store)
    first, _, rest = path.removeprefix("/").partition("/")
    if first in known:
        return f"{_ROOT}/{rest}" if rest else None
    if first and _asked_for(accept) in known:
        return f"{_ROOT}{path}"
    return None


def _asked_for(accept: str | None) -> str | None:
    """The version an Accept header names, if any of its media types is ours."""
    if accept is None or _ACCEPT not in accept:
        return None
    for media_range in accept.split(","):
        media_type = media_range.partition(";")[0].strip()
        if media_type.startswith(_ACCEPT):
            return media_type.removeprefix(_ACCEPT)
    return None
