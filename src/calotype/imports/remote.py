"""Fetches images of other regions into the staging area, in the name of whoever asked for it.

The address comes from the catalogue of the caller's own token, so no filter judges it; redirects
are not followed, for they would take the token elsewhere.
"""

import hashlib
import http.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from calotype import errors
from calotype.imports.check import Step, is_fetched
from calotype.imports.journey import Journey
from calotype.model.importing import RemoteImage
from calotype.model.properties import WRITABLE, refuse_reason
from calotype.remote.client import PATIENCE, Answer, talking
from calotype.services.staging import Limit, Staging
from calotype.streams import Hasher

#: Most bytes of the description of an image.
DESCRIPTION = 16 << 20


@dataclass(frozen=True, slots=True)
class Described:
    """What the other region says of an image. `recorded`: the digest that its data must have."""

    size: int
    formats: Mapping[str, str]
    properties: Mapping[str, str]
    recorded: tuple[str, str] | None


def downloaded(
    staging: Staging, prefixes: Sequence[str], limit_of: Callable[[Journey], Limit]
) -> Step:
    """The step that stages an image of another region, and takes its formats over.

    `prefixes`: how the names of the properties begin that are taken over, too.
    """

    def download(journey: Journey) -> None:
        remote = journey.order.remote
        if remote is None:
            raise errors.Invalid("method.glance_region: is required for glance-download")
        found = describe(remote, prefixes)
        journey.becomes |= found.formats
        journey.properties |= found.properties
        limit = limit_of(journey)
        if found.size > limit.bytes:
            raise errors.OverLimit(f"{found.size} bytes are more than {limit.name}, {limit.bytes}")
        if not is_fetched(staging, journey):
            _stage(journey, staging, remote, found, limit)

    return download


def describe(remote: RemoteImage, prefixes: Sequence[str]) -> Described:
    """What the image is. Raises Conflict for one that cannot be used, StoreUnavailable."""
    with asked(remote, "") as answer:
        try:
            image = orjson.loads(answer.read(DESCRIPTION))
        except orjson.JSONDecodeError as error:
            raise _strange(remote) from error
    if not isinstance(image, dict):
        raise _strange(remote)
    if image.get("status") != "active":
        raise errors.Conflict(
            f"{_who(remote)}: the image is {image.get('status')}, not active, there"
        )
    size = image.get("size")
    if not isinstance(size, int):
        raise errors.Conflict(f"{_who(remote)}: the image has no size there")
    formats = {name: image.get(name) for name in ("disk_format", "container_format")}
    return Described(
        size,
        {name: value for name, value in formats.items() if isinstance(value, str)},
        dict(_wanted(image, prefixes)),
        _recorded(remote, image),
    )


def _wanted(image: Mapping[str, Any], prefixes: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name, value in image.items():
        ours = name in WRITABLE or refuse_reason(name)
        if name.startswith(tuple(prefixes)) and isinstance(value, str) and not ours:
            yield name, value


def _recorded(remote: RemoteImage, image: Mapping[str, Any]) -> tuple[str, str] | None:
    pairs = [
        (image.get("os_hash_algo"), image.get("os_hash_value")),
        ("md5", image.get("checksum")),
    ]
    recorded = [(str(name), str(value).lower()) for name, value in pairs if name and value]
    for name, value in recorded:
        if name in hashlib.algorithms_available:
            return name, value
    if recorded:
        raise errors.Unsupported(
            f"{_who(remote)}: the data cannot be verified: {recorded[0][0]!r} is not known here"
        )
    return None


def _stage(
    journey: Journey, staging: Staging, remote: RemoteImage, found: Described, limit: Limit
) -> None:
    with asked(remote, "/file") as answer, closing(_Proof(remote, found.recorded)) as proof:
        staging.keep(
            journey.shape,
            answer,
            limit,
            declared=found.size,
            tell=journey.tell,
            watchers=(proof,),
            origin=journey.work.run.task.id,
        )


class _Proof:
    """Watches data and refuses it at its end when its digest is not the recorded one."""

    def __init__(self, remote: RemoteImage, recorded: tuple[str, str] | None) -> None:
        self._remote = remote
        self._hasher = Hasher(recorded[0]) if recorded else None
        self._value = recorded[1] if recorded else ""

    def see(self, block: bytes) -> None:
        if self._hasher:
            self._hasher.see(block)

    def finish(self) -> None:
        if self._hasher and self._hasher.hexdigest() != self._value:
            raise errors.Conflict(
                f"{_who(self._remote)}: the data does not match the digest that is recorded there"
            )

    def close(self) -> None:
        if self._hasher:
            self._hasher.close()


@contextmanager
def asked(remote: RemoteImage, what: str) -> Iterator[Answer]:
    """The answer to a request for the image (""), or for its data ("/file").

    Raises Denied when the token does not open it, DataNotFound, StoreUnavailable.
    """
    parts = urlsplit(remote.endpoint)
    path = f"{parts.path}/v2/images/{quote(remote.image_id, safe='')}{what}"
    headers = {
        "X-Auth-Token": remote.token,
        "User-Agent": "Calotype",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(kind(parts.hostname or "", parts.port, timeout=PATIENCE)) as connection:
        with talking(_who(remote)):
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
        yield _opened(remote, Answer(connection, response, _who(remote)))


def _opened(remote: RemoteImage, answer: Answer) -> Answer:
    who = answer.name
    if answer.status == 401:
        raise errors.Denied(
            f"{who}: your token is not accepted there, or no longer: ask for the import again"
        )
    if answer.status == 403:
        raise errors.Denied(f"{who}: you may not read the image there")
    if answer.status == 404:
        raise errors.DataNotFound(f"{who}: there is no image {remote.image_id} that you may see")
    if answer.status == 204:
        raise errors.DataNotFound(f"{who}: the image has no data there")
    if not 200 <= answer.status < 300:
        raise answer.refusal()
    return answer


def _who(remote: RemoteImage) -> str:
    return f"Region {remote.region}"


def _strange(remote: RemoteImage) -> errors.StoreUnavailable:
    return errors.StoreUnavailable(f"{_who(remote)}: what it says of the image is not understood")
