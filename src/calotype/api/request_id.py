"""The id of a request: given by the client or made here, and named in every answer."""

import re
import uuid
from collections.abc import Callable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from calotype import errors

HEADER = "x-openstack-request-id"

_PREFIX = "req-"
_PLAIN = re.compile(r"[A-Za-z0-9._:-]+")


class IdTooLong(errors.Invalid):
    """The request id is too long."""


def new() -> str:
    """An id nobody had before."""
    return f"{_PREFIX}{uuid.uuid4()}"


def of(environ: WSGIEnvironment, longest: int) -> str:
    """The id of a request: the one it brings, with `req-` in front where that fits, or a new one.

    Ids with other characters than letters, digits and `._:-` are not taken over: they end up in
    headers, logs and rows. `longest` in characters, 0 for any. Raises IdTooLong.
    """
    given = str(environ.get("HTTP_X_OPENSTACK_REQUEST_ID") or "").strip()
    if 0 < longest < len(given):
        raise IdTooLong(f"X-Openstack-Request-ID is longer than {longest} characters")
    if not _PLAIN.fullmatch(given):
        return new()
    if given.startswith(_PREFIX) or 0 < longest < len(given) + len(_PREFIX):
        return given
    return _PREFIX + given


def named(start_response: StartResponse, request_id: str) -> StartResponse:
    """`start_response` with the request's id among the headers of the answer."""

    def start(
        status: str, headers: list[tuple[str, str]], exc_info: Any = None, /
    ) -> Callable[[bytes], object]:
        others = [pair for pair in headers if pair[0].lower() != HEADER]
        return start_response(status, [*others, (HEADER, request_id)], exc_info)

    return start
