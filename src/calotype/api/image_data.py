"""The data of an image over HTTP: /v2/images/{id}/file."""

import io
from dataclasses import dataclass

import falcon

from calotype import errors, streams
from calotype.api import web
from calotype.model.image import Image
from calotype.services.image_data import ImageData, Window

OCTETS = "application/octet-stream"


@dataclass(frozen=True)
class Patience:
    """How long we wait for a client, and how much of a refused body is read on and dropped."""

    client_timeout: int = 300
    drain_bytes: int = 64 << 20
    drain_seconds: int = 5


@dataclass(frozen=True)
class ImageDataApi:
    """The handlers of image data."""

    data: ImageData
    patience: Patience

    def upload(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """PUT /v2/images/{id}/file: the body becomes the image's data. 204."""
        body = web.RequestBody(req, self.patience.client_timeout)
        try:
            self._upload(req, body, image_id)
        except errors.Error:
            if not body.drain(self.patience.drain_bytes, self.patience.drain_seconds):
                resp.set_header("Connection", "close")
            raise
        resp.status = 204

    def download(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """GET and HEAD /v2/images/{id}/file: the data, or a part of it. 200, 206, 204, 304."""
        web.no_body(req)
        image = self.data.download(web.caller(req), image_id)
        if image.size is None or not image.locations:
            resp.status = 204
            return
        etag = _etag(image)
        part = web.wanted_part(req, image.size, etag)
        _describe(resp, image, part, etag)
        if web.matches(req.get_header("If-None-Match"), etag):
            resp.status = 304
            return
        if req.method != "HEAD" and part.window.length:
            self._send(req, resp, image, part.window)

    def _upload(self, req: falcon.Request, body: web.RequestBody, image_id: str) -> None:
        declared = declared_size(req)
        media = (req.content_type or "").partition(";")[0].strip().lower()
        if media != OCTETS:
            raise errors.UnsupportedMedia(f"Content-Type: must be {OCTETS}")
        self.data.upload(
            web.caller(req),
            image_id,
            body,
            declared=declared,
            store_id=req.get_header("X-Image-Meta-Store"),
        )

    def _send(
        self, req: falcon.Request, resp: falcon.Response, image: Image, window: Window
    ) -> None:
        data = self.data.read(image, window)
        if data is None:
            resp.status = 204
            resp.content_length = None
            return
        if isinstance(data, io.IOBase):
            data.seek(window.offset)
            if _ends_early(image, window) and not _honours_length(req):
                data = streams.blocks(_Limited(data, window.length))
        resp.set_stream(data, window.length)


@dataclass
class _Limited:
    """At most `left` bytes of a file, for servers that would send it to its end."""

    file: io.IOBase
    left: int

    def read(self, size: int, /) -> bytes:
        block: bytes = self.file.read(min(size, self.left))
        self.left -= len(block)
        return block


def declared_size(req: falcon.Request) -> int | None:
    """The size the client promises: x-openstack-image-size, or else Content-Length.

    A header of 0 says that the size is not known, as Glance reads it. Raises Invalid when the
    header is no whole number of 0 or more.
    """
    header = req.get_header("X-OpenStack-Image-Size")
    if header is None:
        return req.content_length
    text = header.strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise errors.Invalid(
            f"x-openstack-image-size: must be a whole number of bytes, 0 or more, not {header!r}"
        )
    return int(text) or req.content_length


def _etag(image: Image) -> str | None:
    digest = image.os_hash_value or image.checksum
    return f'"{digest}"' if digest else None


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
