"""The image cache of the node that answers, and the nodes that have an image. For admins."""

from dataclasses import dataclass

from calotype_client.calls import Calls
from calotype_client.images import segment
from calotype_client.model import CachedImage, Image


@dataclass(frozen=True)
class Cache:
    """The cache of a node. Nodes have one each: the endpoint must be the node meant."""

    _calls: Calls

    def entries(self) -> list[CachedImage]:
        """What is in the cache, and what is wanted there."""
        return self._calls.json("GET", "/v2/cache", CachedImage.all_of)

    def queue(self, image: Image) -> None:
        """Have an image brought here."""
        self._calls.call("PUT", _path(image.id))

    def delete(self, image_id: str) -> None:
        """Take an image out, and off the queue; there need be no such image any more."""
        self._calls.call("DELETE", _path(image_id))

    def clear(self, target: str | None = None) -> None:
        """Take out everything: `cache`, `queue`, or both."""
        headers = {"x-image-cache-clear-target": target} if target else {}
        self._calls.call("DELETE", "/v2/cache", headers=headers)

    def nodes(self, image: Image) -> list[str]:
        """The addresses of all nodes that have the image in their cache; any node knows."""
        where = f"/v2/cache/nodes/{segment(image.id)}"
        return self._calls.json("GET", where, lambda found: list(found["cached_nodes"]))


def _path(image_id: str) -> str:
    return f"/v2/cache/{segment(image_id)}"
