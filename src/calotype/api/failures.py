"""What goes wrong, as HTTP: one table from error class to status, and one shape of body.

The status of an error is that of its class or the nearest class above it. What is in no table is a
defect of ours: it is logged with its traceback and answered with 500 and no details.
"""

import logging
from typing import Any
from wsgiref.types import WSGIEnvironment

import falcon
import orjson

from calotype import errors

LOG = logging.getLogger(__name__)

STATUS: dict[type[Exception], int] = {
    errors.Invalid: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.OverLimit: 413,
    errors.UnsupportedMedia: 415,
    errors.RangeNotSatisfiable: 416,
    errors.ClientGone: 400,
    errors.DataExists: 409,
    errors.DataInUse: 409,
    errors.StoreFull: 413,
    errors.StoreReadOnly: 410,
    errors.StoreUnavailable: 503,
    errors.DatabaseUnavailable: 503,
    errors.Unsupported: 400,
    errors.Error: 500,
}


def status_of(error: Exception) -> int:
    """The HTTP status of an error, by the nearest class in the table."""
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def body(status: int, message: str) -> bytes:
    """The JSON body of all errors: `{"message", "code", "title"}`."""
    line = falcon.code_to_http_status(status)
    return orjson.dumps({"message": message, "code": line, "title": line.partition(" ")[2]})


def readable(environ: WSGIEnvironment, status: int, message: str) -> tuple[str, bytes]:
    """Media type and body of an error, such that this client can read it."""
    if _takes_text(environ):
        text = f"{falcon.code_to_http_status(status)}: {message}"
        return "text/plain; charset=utf-8", text.encode()
    return falcon.MEDIA_JSON, body(status, message)


def _takes_text(environ: WSGIEnvironment) -> bool:
    """Whether the client is one that trips over a JSON error and did not ask for JSON.

    python-glanceclient expects an object in each field of a JSON error, and else shows (to Nova and
    Cinder too, who call it) an AttributeError in the place of the reason. Of a text it makes
    "HTTP 404 Not Found: …", as with Glance.
    """
    glanceclient = "python-glanceclient" in environ.get("HTTP_USER_AGENT", "")
    return glanceclient and "json" not in environ.get("HTTP_ACCEPT", "")


def answer(req: falcon.Request, resp: falcon.Response, status: int, message: str) -> None:
    """Make `resp` an error answer."""
    resp.status = status
    resp.content_type, resp.data = readable(req.env, status, message)
    resp.stream = None


def on_error(req: falcon.Request, resp: falcon.Response, error: errors.Error, _params: Any) -> None:
    """Answer one of our own errors."""
    status = status_of(error)
    if status == 500:
        LOG.error("%s %s failed", req.method, req.path, exc_info=error)
    elif status == 503:
        LOG.warning("%s %s: %s", req.method, req.path, error.__cause__ or error)
    answer(req, resp, status, error.message)


def on_http_error(
    req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _params: Any
) -> None:
    """Answer what Falcon found wrong: no such path, no such method, a malformed header."""
    status = error.status_code
    answer(req, resp, status, error.description or _DEFAULT.get(status, error.title or "Error"))
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)


def on_defect(req: falcon.Request, resp: falcon.Response, error: Exception, _params: Any) -> None:
    """Answer a defect of ours, without telling the caller what it was."""
    LOG.error("%s %s failed", req.method, req.path, exc_info=error)
    answer(req, resp, 500, "The server failed to answer this; its log tells the operator why")


_DEFAULT = {
    404: "There is nothing at this path.",
    405: "This path does not know that method.",
}
