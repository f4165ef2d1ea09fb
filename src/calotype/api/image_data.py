"""The data of an image over HTTP: /v2/images/{id}/file."""

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import falcon

from calotype import errors, streams
from calotype.api import web
from calotype.model.image import Image
from calotype.services.image_data import ImageData, Window

LOG = logging.getLogger(__name__)

OCTETS = "application/octet-stream"
#: What a size can have at most: more digits than the number of bytes that a column can hold.
_DIGITS = 19


@dataclass(frozen=True)
class ImageDataApi:
    """The handlers of image data. `client_timeout`: seconds that a client may be silent."""

    data: ImageData
    client_timeout: int

    def upload(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """PUT /v2/images/{id}/file: the body becomes the image's data. 204."""
        web.limit_silence(req.env, self.client_timeout)
        declared = declared_size(req)
        media = (req.content_type or "").partition(";")[0].strip().lower()
        if media != OCTETS:
            raise errors.UnsupportedMedia(f"Content-Type: must be {OCTETS}")
        self.data.upload(
            web.caller(req),
            image_id,
            req.stream,
            declared=declared,
            store_id=req.get_header("X-Image-Meta-Store"),
        )
        resp.status = 204

    def download(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET and HEAD /v2/images/{id}/file: the data, or a part of it. 200, 206, 204, 304."""
        web.no_body(req)
        web.limit_silence(req.env, self.client_timeout)
        prefer = _preferred(req)
        image = self.data.download(web.caller(req), image_id, prefer)
        if image.size is None or not image.locations:
            resp.status = 204
            return
        etag = _etag(image)
        if web.matches(req.get_header("If-None-Match"), etag):
            resp.status = 304
            resp.set_header("ETag", str(etag))
            return
        part = _wanted_part(req, resp, image.size, etag)
        data = None
        if req.method != "HEAD" and part.window.length:
            data = self.data.read(image, part.window, prefer)
            if data is None:
                resp.status = 204
                return
        _describe(resp, image, part, etag)
        if data is not None:
            resp.set_stream(_sendable(req, data, image, part.window), part.window.length)


@dataclass
class _Limited(Iterator[bytes]):
    """At most `left` bytes of a file, for servers that would send it to its end."""

    file: io.IOBase
    left: int

    def __next__(self) -> bytes:
        block: bytes = self.file.read(min(streams.BLOCK, self.left))
        if not block:
            raise StopIteration
        self.left -= len(block)
        return block

    def close(self) -> None:
        """Close the file; the server calls this, also when it has sent nothing."""
        self.file.close()


def declared_size(req: falcon.Request) -> int | None:
    """The size the client promises: x-openstack-image-size, or else Content-Length.

    A header of 0 says that the size is not known, as Glance reads it. Raises Invalid when the
    header is no whole number of 0 or more, SizeMismatch when Content-Length contradicts it.
    """
    web.no_compression(req)  # or else no size would say anything
    header = req.get_header("X-OpenStack-Image-Size")
    length = req.content_length
    if header is None:
        return length
    text = header.strip()
    if not (text.isascii() and text.isdigit()):
        raise errors.Invalid(
            f"x-openstack-image-size: must be a whole number of bytes, 0 or more, not {header!r}"
        )
    if len(text) > _DIGITS:
        raise errors.OverLimit("x-openstack-image-size: no image can be as large as that")
    size = int(text) or length
    if length is not None and size != length:
        LOG.warning("%s: %d bytes are declared, but the request has %d", req.path, size, length)
        raise errors.SizeMismatch(
            f"Size mismatch: x-openstack-image-size says {size} bytes, Content-Length {length}"
        )
    return size


def _preferred(req: falcon.Request) -> list[str]:
    """The stores that a download is to come from, the best one first: `?prefer=a,b`."""
    named = (name.strip() for name in (req.get_param("prefer") or "").split(","))
    return [name for name in named if name]


def _etag(image: Image) -> str | None:
    digest = image.os_hash_value or image.checksum
    return f'"{digest}"' if digest else None


def _wanted_part(
    req: falcon.Request, resp: falcon.Response, size: int, etag: str | None
) -> web.Part:
    try:
        return web.wanted_part(req, size, etag)
    except errors.RangeNotSatisfiable:
        resp.set_header("Content-Range", f"bytes */{size}")
        raise


def _sendable(
    req: falcon.Request, data: BinaryIO | Iterator[bytes], image: Image, window: Window
) -> Any:
    """The data in a form that servers send as it is: a file, from where it stands, by sendfile."""
    if isinstance(data, io.IOBase):
        data.seek(window.offset)
        if _ends_early(image, window) and not _honours_length(req):
            return _Limited(data, window.length)
    return data


def _describe(resp: falcon.Response, image: Image, part: web.Part, etag: str | None) -> None:
    resp.content_type = OCTETS
    resp.status = 200 if part.whole else 206
    resp.content_length = part.window.length
    resp.set_header("Accept-Ranges", "bytes")
    if not part.whole and image.size is not None:
        resp.set_header("Content-Range", part.content_range(image.size))
    if etag:
        resp.set_header("ETag", etag)
    if image.checksum:
        resp.set_header("Content-MD5", image.checksum)


def _ends_early(image: Image, window: Window) -> bool:
    return window.offset + window.length != image.size


def _honours_length(req: falcon.Request) -> bool:
    """Whether the server sends no more of a file than Content-Length says."""
    return "gunicorn.socket" in req.env
