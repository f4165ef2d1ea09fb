"""JSON patches of an image, in both of the API's media types, as a list of changes."""

from typing import Any

import falcon

from calotype import errors
from calotype.model.changes import Change, Op

V21 = "application/openstack-images-v2.1-json-patch"
V20 = "application/openstack-images-v2.0-json-patch"

#: What a 415 answer tells the client to send.
ACCEPTED = f"{V21}, {V20}"


_LOCATIONS = "/locations/"


def media_type(req: falcon.Request) -> str:
    """The patch media type of a request. Raises UnsupportedMedia for any other."""
    given = (req.content_type or "").partition(";")[0].strip().lower()
    if given not in (V20, V21):
        raise errors.UnsupportedMedia(f"Content-Type: must be one of {ACCEPTED}")
    return given


def parse(body: Any, media: str) -> list[Change]:
    """The changes of a patch, in order. Raises Invalid saying which operation is wrong and how."""
    if not isinstance(body, list):
        raise errors.Invalid("The patch must be a list of operations")
    return [_change(number, entry, strict=media == V20) for number, entry in enumerate(body)]


def _change(number: int, entry: Any, *, strict: bool) -> Change:
    where = f"operation {number}"
    if not isinstance(entry, dict):
        raise errors.Invalid(f"{where}: must be an object")
    op, path = _op_and_path_v20(where, entry) if strict else _op_and_path(where, entry)
    if op is not Op.REMOVE and "value" not in entry:
        raise errors.Invalid(f"{where}: {op.value} needs a value")
    path, place = _place(path)
    return Change(op, _name(where, path), entry.get("value"), strict, place)


def _op_and_path(where: str, entry: dict[str, Any]) -> tuple[Op, Any]:
    op = entry.get("op")
    if op not in list(Op):
        raise errors.Invalid(f"{where}: op must be one of {', '.join(Op)}")
    if "path" not in entry:
        raise errors.Invalid(f"{where}: needs a path")
    return Op(op), entry["path"]


def _op_and_path_v20(where: str, entry: dict[str, Any]) -> tuple[Op, Any]:
    given = [op for op in Op if op.value in entry]
    if len(given) != 1:
        raise errors.Invalid(f"{where}: needs exactly one of {', '.join(Op)}")
    return given[0], entry[given[0].value]


def _place(path: Any) -> tuple[Any, str | None]:
    """A path without the place in the list of locations, the one field that has some."""
    if isinstance(path, str) and path.startswith(_LOCATIONS) and "/" not in path[len(_LOCATIONS) :]:
        return _LOCATIONS[:-1], path[len(_LOCATIONS) :]
    return path, None


def _name(where: str, path: Any) -> str:
    """The one name an RFC 6901 pointer of depth 1 holds."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise errors.Invalid(f"{where}: path must begin with '/'")
    if "/" in path[1:]:
        raise errors.Invalid(
            f"{where}: the path {path!r} goes too deep; name one field of the image"
        )
    if "~" in path.replace("~0", "").replace("~1", ""):
        raise errors.Invalid(f"{where}: in {path!r}, '~' must be written ~0 and '/' ~1")
    return path[1:].replace("~1", "/").replace("~0", "~")
