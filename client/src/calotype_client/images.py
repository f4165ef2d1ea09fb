"""Images: list, show, create, change, delete."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote
from uuid import UUID

from calotype_client.calls import Calls
from calotype_client.errors import Ambiguous, NotFound, WrongUse
from calotype_client.model import Image

#: Where to look for a name: what is listed, what one has hidden; then what others offer.
LISTED: Sequence[Mapping[str, str]] = ({}, {"os_hidden": "true"})
OFFERED = tuple({**more, "visibility": "all", "member_status": "all"} for more in LISTED)

PATCH = "application/openstack-images-v2.1-json-patch"


@dataclass(frozen=True)
class Images:
    """The images that the caller may see."""

    _calls: Calls

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[Image]:
        """Images, page by page as they are asked for; `limit` ends it.

        Filters are those of the API: `name`, `status`, `visibility`, `tag` (one or a list),
        `sort`, `size_min`, any property of an image…
        """
        params = {name: _word(value) for name, value in filters.items()}
        params = {"limit": min(limit or 1000, 1000), **params}
        return islice(self._calls.pages("/v2/images", Image.page, params), limit)

    def get(self, image_id: str) -> Image:
        """The image of an id. Raises NotFound."""
        return self._calls.json("GET", path(image_id), Image.of)

    def find(self, name_or_id: str, *, offered: bool = False) -> Image:
        """The image of an id or, if there is none, of a name. Raises NotFound, Ambiguous.

        Names are those of listed images, or else of hidden ones. `offered`: or else of those that
        others offer and everybody could give a name to: community images, and shares that are not
        accepted.
        """
        if _is_id(name_or_id):
            try:
                return self.get(name_or_id)
            except NotFound:
                pass  # somebody may have given such a name
        for where in (*LISTED, *(OFFERED if offered else ())):
            if found := self._named(name_or_id, where):
                return found
        raise NotFound(f"There is no image with the name or id {name_or_id!r}", 404)

    def _named(self, name: str, where: Mapping[str, str]) -> Image | None:
        # What is before a colon would be read as the operator of the filter.
        wanted = f"eq:{name}" if ":" in name else name
        found = [it for it in self.list(name=wanted, limit=20, **where) if it.name == name]
        if len(found) > 1:
            ids = ", ".join(image.id for image in found)
            raise Ambiguous(f"{len(found)} images are named {name!r}; say which id: {ids}")
        return found[0] if found else None

    def create(self, **fields: Any) -> Image:
        """Make an image without data: `name`, `disk_format`, `tags`, properties…"""
        return self._calls.json("POST", "/v2/images", Image.of, fields)

    def update(
        self, image_id: str, changes: Mapping[str, Any], remove: Sequence[str] = ()
    ) -> Image:
        """Set fields and properties, and remove properties; all of it or nothing."""
        patch: list[dict[str, Any]] = [
            {"op": "add", "path": f"/{_pointer(name)}", "value": value}
            for name, value in changes.items()
        ]
        patch += [{"op": "remove", "path": f"/{_pointer(name)}"} for name in remove]
        headers = {"Content-Type": PATCH}
        return self._calls.json("PATCH", path(image_id), Image.of, patch, headers=headers)

    def delete(self, image_id: str, *, store: str | None = None) -> None:
        """Delete an image, or only its data in one store."""
        if store is None:
            self._calls.call("DELETE", path(image_id))
        else:
            self._calls.call("DELETE", f"/v2/stores/{segment(store)}/{_id(image_id)}")

    def deactivate(self, image_id: str) -> None:
        """Let nobody but admins download it."""
        self._calls.call("POST", path(image_id, "actions", "deactivate"))

    def reactivate(self, image_id: str) -> None:
        """Let everybody download it again."""
        self._calls.call("POST", path(image_id, "actions", "reactivate"))

    def add_tag(self, image_id: str, tag: str) -> None:
        """Give a tag, if it has not got it."""
        self._calls.call("PUT", path(image_id, "tags", tag))

    def remove_tag(self, image_id: str, tag: str) -> None:
        """Take a tag away. Raises NotFound."""
        self._calls.call("DELETE", path(image_id, "tags", tag))


def path(image_id: str, *more: str) -> str:
    """The path of an image, or of something of it."""
    return "/".join(["/v2/images", _id(image_id), *map(segment, more)])


def segment(text: str) -> str:
    """A name as a part of a path. Raises WrongUse where the path would become another one."""
    if text in ("", ".", ".."):
        raise WrongUse(f"{text!r} cannot be asked for: it is no part of an address")
    return quote(text, safe="")


def _id(image_id: str) -> str:
    if not image_id:
        raise WrongUse("The id of the image is empty")
    return segment(image_id)


def _word(value: Any) -> Any:
    """A value of a filter, as the API spells it."""
    return str(value).lower() if isinstance(value, bool) else value


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
