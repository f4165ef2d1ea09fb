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
        return islice(self._pages({"limit": min(limit or 1000, 1000), **filters}), limit)

    def _pages(self, params: Mapping[str, Any]) -> Iterator[Image]:
        images, next_page = self._calls.json("GET", "/v2/images", Image.page, params=params)
        yield from images
        while next_page:
            images, next_page = self._calls.json("GET", next_page, Image.page)
            yield from images

    def get(self, image_id: str) -> Image:
        """The image of an id. Raises NotFound."""
        return self._calls.json("GET", path(image_id), Image.of)

    def find(self, name_or_id: str) -> Image:
        """The image of an id or, if there is none, of a name. Raises NotFound, Ambiguous."""
        if _is_id(name_or_id):
            try:
                return self.get(name_or_id)
            except NotFound:
                pass  # somebody may have given such a name
        # What is before a colon would be read as the operator of the filter.
        wanted = f"eq:{name_or_id}" if ":" in name_or_id else name_or_id
        found = [it for it in self.list(name=wanted, limit=20) if it.name == name_or_id]
        if len(found) > 1:
            ids = ", ".join(image.id for image in found)
            raise Ambiguous(f"{len(found)} images are named {name_or_id!r}; say which id: {ids}")
        if not found:
            raise NotFound(f"There is no image with the name or id {name_or_id!r}", 404)
        return found[0]

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
            self._calls.call("DELETE", f"/v2/stores/{quote(store, safe='')}/{_id(image_id)}")

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
    return "/".join(["/v2/images", _id(image_id), *(quote(part, safe="") for part in more)])


def _id(image_id: str) -> str:
    if not image_id:
        raise WrongUse("The id of the image is empty")
    return quote(image_id, safe="")


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
