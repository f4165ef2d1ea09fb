"""The static limits on what an image and a project may hold. A negative number means no limit."""

from collections.abc import Callable, Sized
from dataclasses import dataclass

from calotype import errors
from calotype.caller import Caller
from calotype.model.image import Image
from calotype.model.properties import OURS


@dataclass(frozen=True)
class Quota:
    """The configured limits; sizes in bytes. `usage` tells how many bytes a project stores."""

    usage: Callable[[str], int]
    image_property_quota: int = 128
    image_tag_quota: int = 128
    image_member_quota: int = 128
    image_location_quota: int = 10
    image_size_cap: int = 1 << 40
    user_storage_quota: int = 0

    def check_image(self, image: Image) -> None:
        """Raise OverLimit when the image has too many properties or tags."""
        self._check_properties(image)
        self._check_tags(image)

    def check_change(self, old: Image, new: Image) -> None:
        """Raise OverLimit when a change adds properties or tags beyond what an image may have.

        An image that has too many since the limits were lowered can still be changed otherwise.
        """
        if new.properties.keys() - old.properties.keys():
            self._check_properties(new)
        if set(new.tags).difference(old.tags):
            self._check_tags(new)

    def check_members(self, count: int) -> None:
        """Raise OverLimit when an image may not have `count` members."""
        self._check("members", range(count), self.image_member_quota)

    def check_locations(self, count: int) -> None:
        """Raise OverLimit when an image may not have `count` locations."""
        self._check("locations", range(count), self.image_location_quota)

    def check_stored(self, project_id: str | None, size: int) -> None:
        """Raise OverLimit when a project may not have `size` bytes more in the stores."""
        if not self.user_storage_quota or project_id is None:
            return
        free = max(0, self.user_storage_quota - self.usage(project_id))
        if size > free:
            raise errors.OverLimit(
                f"{size} bytes are more than user_storage_quota leaves to this project, {free}"
            )

    def room(self, caller: Caller) -> tuple[int, str]:
        """How many bytes one upload may bring, and the name of the limit that says so."""
        if not self.user_storage_quota or caller.project_id is None:
            return self.image_size_cap, "image_size_cap"
        free = max(0, self.user_storage_quota - self.usage(caller.project_id))
        if free < self.image_size_cap:
            return free, "what user_storage_quota leaves to this project"
        return self.image_size_cap, "image_size_cap"

    def _check_properties(self, image: Image) -> None:
        own = [name for name in image.properties if not name.startswith(OURS)]
        self._check("properties", own, self.image_property_quota)

    def _check_tags(self, image: Image) -> None:
        self._check("tags", image.tags, self.image_tag_quota)

    def _check(self, what: str, having: Sized, limit: int) -> None:
        if 0 <= limit < len(having):
            raise errors.OverLimit(
                f"{what}: at most {limit} are allowed on an image, this would make {len(having)}"
            )
