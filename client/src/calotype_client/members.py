"""Members: the projects that an image is shared with."""

from dataclasses import dataclass

from calotype_client.calls import Calls
from calotype_client.images import path
from calotype_client.model import Image, Member


@dataclass(frozen=True)
class Members:
    """The members of shared images."""

    _calls: Calls

    def list(self, image: Image) -> list[Member]:
        """All members for the owner, oneself for a member."""
        where = path(image.id, "members")
        return self._calls.json(
            "GET", where, lambda found: [Member.of(it) for it in found["members"]]
        )

    def get(self, image: Image, project: str) -> Member:
        """One member. Raises NotFound."""
        return self._calls.json("GET", path(image.id, "members", project), Member.of)

    def add(self, image: Image, project: str) -> Member:
        """Share an image with a project, by id; it is `pending` until accepted."""
        body = {"member": project}
        return self._calls.json("POST", path(image.id, "members"), Member.of, body)

    def set(self, image: Image, project: str, status: str) -> Member:
        """Accept or reject, as the member: `accepted`, `rejected`, `pending`."""
        body = {"status": status}
        return self._calls.json("PUT", path(image.id, "members", project), Member.of, body)

    def remove(self, image: Image, project: str) -> None:
        """Share it no longer."""
        self._calls.call("DELETE", path(image.id, "members", project))
