"""What Falcon leaves over: queries, JSON bodies, request bodies as streams, ranges, entity tags."""

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode
from wsgiref.types import WSGIEnvironment

import falcon
import orjson

from calotype import errors
from calotype.api.validator import check_text, label
from calotype.caller import Caller
from calotype.services.image_data import Window

#: The largest JSON body that is read, in bytes.
JSON_LIMIT = 4 << 20
#: Bytes of a refused body read at a time: few, for servers return only when they have them all.
_DROP = 64 << 10

# No image has more bytes than a number of 19 digits can say.
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]+|\*)", re.IGNORECASE)


def caller(req: falcon.Request) -> Caller:
    """Who asks, as `identity` established it."""
    found: Caller = req.env["calotype.caller"]
    return found


def query(req: falcon.Request) -> dict[str, list[str]]:
    """The query, each name with its values in order. Raises Invalid when it is no text we keep."""
    try:
        found = parse_qs(req.query_string, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise errors.Invalid("The query of the URL is not valid UTF-8, or far too long") from error
    for name, values in found.items():
        check_text([name, *values], label(name))
    return found


def links(path: str, asked: Mapping[str, Sequence[str]], after: str | None) -> dict[str, str]:
    """The links from a page of a list to the first and, behind `after`, to the next one."""
    kept: dict[str, Any] = {name: values for name, values in asked.items() if name != "marker"}
    first = urlencode(kept, doseq=True)
    found = {"first": f"{path}?{first}" if first else path}
    if after is not None:
        found["next"] = f"{path}?{urlencode({**kept, 'marker': after}, doseq=True)}"
    return found


def json_body(req: falcon.Request) -> Any:
    """The JSON of a request. Raises Invalid when there is none or it is broken, OverLimit."""
    if (req.content_length or 0) > JSON_LIMIT:
        raise errors.OverLimit(f"The request body is larger than {JSON_LIMIT} bytes")
    raw = _receive_all(req)
    if len(raw) > JSON_LIMIT:
        raise errors.OverLimit(f"The request body is larger than {JSON_LIMIT} bytes")
    if not raw:
        raise errors.Invalid("The request needs a JSON body")
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise errors.Invalid(f"The request body is not valid JSON: {error}") from error


def json_body_or_none(req: falcon.Request) -> Any:
    """The JSON of a request, None when there is no body. Raises as `json_body` does."""
    return json_body(req) if req.content_length or _chunked(req) else None


def no_body(req: falcon.Request) -> None:
    """Raise Invalid when a request that takes no body has one."""
    if req.content_length or (_chunked(req) and _receive_all(req)):
        raise errors.Invalid("This request takes no body")


def no_compression(req: falcon.Request) -> None:
    """Raise Invalid when a body is compressed on its way: nobody here would undo that."""
    codings = (req.get_header("Transfer-Encoding") or "").lower().split(",")
    if {coding.strip() for coding in codings} - {"", "chunked", "identity"}:
        raise errors.Invalid("Transfer-Encoding: only chunked is understood")


def put_json(resp: falcon.Response, value: Any, status: int = 200) -> None:
    """Answer with JSON."""
    resp.status = status
    resp.content_type = falcon.MEDIA_JSON
    resp.data = orjson.dumps(value)


def put_nothing(resp: falcon.Response, status: int) -> None:
    """Answer without a body, where the status alone does not say that there is none."""
    resp.status = status
    # Clients would take an empty body for broken JSON.
    resp.content_type = falcon.MEDIA_TEXT


def _chunked(req: falcon.Request) -> bool:
    return "chunked" in (req.get_header("Transfer-Encoding") or "").lower()


def _receive_all(req: falcon.Request) -> bytes:
    """The whole body, or so much of it that it is clearly too long."""
    stream = req.stream if _chunked(req) else req.bounded_stream
    return bytes(stream.read(JSON_LIMIT + 1))


def limit_silence(environ: WSGIEnvironment, seconds: float) -> None:
    """From here on, fail to read and to write when the client is silent for that long."""
    # Servers other than gunicorn have a setting for this.
    if (socket := environ.get("gunicorn.socket")) is not None:
        socket.settimeout(seconds)


class RequestBody:
    """The body of a request as a stream that notices when the client has gone.

    With a Content-Length a server ends the body silently when the connection breaks: a short read
    is not the end of the data, so the bytes are counted here.
    """

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ
        self._stream = environ["wsgi.input"]
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        self._left = None if chunked else _length(environ.get("CONTENT_LENGTH", ""))
        self._broken = False
        self.ended = self._left == 0

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes. Raises ClientGone when the connection broke or was silent."""
        if self.ended:
            return b""
        if self._left is not None:
            size = min(size, self._left)
        block = self._receive(size)
        if self._left is not None:
            self._left -= len(block)
        self.ended = self._left == 0 or not block
        return block

    def drain(self, limit: int, seconds: float) -> None:
        """Read on and drop, at most so many bytes and seconds."""
        deadline = time.monotonic() + seconds
        with suppress(errors.ClientGone):
            while not self._broken and limit > 0 and (left := deadline - time.monotonic()) > 0:
                limit_silence(self._environ, left)
                if not self.read(min(limit, _DROP)):
                    return
                limit -= _DROP

    def _receive(self, size: int) -> bytes:
        self._broken = True
        try:
            block: bytes = self._stream.read(size)
        except OSError as error:
            raise errors.ClientGone() from error
        except Exception as error:  # each server has errors of its own for broken chunks
            raise errors.ClientGone(f"The request body is broken: {error}") from error
        if self._left and not block:
            raise errors.ClientGone()
        self._broken = False
        return block


def _length(header: str) -> int:
    """Content-Length as a number; what is none, Falcon refuses."""
    return int(header) if header.isascii() and header.isdigit() and len(header) < 20 else 0


@dataclass(frozen=True, slots=True)
class Part:
    """The part of an entity that a request asks for."""

    window: Window
    whole: bool

    def content_range(self, size: int) -> str:
        """The value of Content-Range for this part."""
        return f"bytes {self.window.offset}-{self.window.offset + self.window.length - 1}/{size}"


def wanted_part(req: falcon.Request, size: int, etag: str | None) -> Part:
    """What a download asks for, by Range, or by Content-Range as Glance's old clients do.

    Raises Invalid for several ranges, RangeNotSatisfiable for one that is malformed or outside.
    """
    everything = Part(Window(0, size), whole=True)
    asked = req.get_header("Range")
    if asked:
        if_range = req.get_header("If-Range")
        if if_range is not None and if_range != etag:
            return everything
        return Part(_range(asked.strip(), size), whole=False)
    asked = req.get_header("Content-Range")
    return Part(_content_range(asked.strip(), size), whole=False) if asked else everything


def _range(asked: str, size: int) -> Window:
    if "," in asked:
        raise errors.Invalid("Range: only one range can be asked for at a time")
    match = _RANGE.fullmatch(asked)
    if match is None or match[0] == "bytes=-":
        raise errors.RangeNotSatisfiable(f"Range: {asked!r} is not of the form bytes=first-last")
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), size)
        return _window(asked, size - length, size - 1, size)
    return _window(asked, int(first), min(int(last), size - 1) if last else size - 1, size, last)


def _window(asked: str, first: int, last: int, size: int, given_last: str = "") -> Window:
    backwards = bool(given_last) and int(given_last) < first
    if backwards or first >= size or last < first:
        raise errors.RangeNotSatisfiable(f"{asked!r} lies outside the data of {size} bytes")
    return Window(first, last - first + 1)


def _content_range(asked: str, size: int) -> Window:
    match = _CONTENT_RANGE.fullmatch(asked)
    if match is None:
        raise errors.RangeNotSatisfiable(
            f"Content-Range: {asked!r} is not of the form bytes first-last/size"
        )
    return _window(asked, int(match[1]), min(int(match[2]), size - 1), size, match[2])


def matches(header: str | None, etag: str | None) -> bool:
    """Whether an If-None-Match header names the entity tag."""
    if not header or etag is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags
