"""The older way to look after the cache of a node, for sites whose flavor still asks for it."""

from calotype import errors
from calotype.cache.folder import UUID
from calotype.caller import Caller
from calotype.db.images import Images as Rows
from calotype.model.cached import CachedImage
from calotype.services.cache import Cache

RULE = "manage_image_cache"


class OldCache:
    """The use cases of `/v2/cached_images` and `/v2/queued_images`.

    All raise NotFound unless the flavor contains `cachemanagement`, and Denied.
    """

    def __init__(self, cache: Cache, images: Rows, *, on_offer: bool) -> None:
        self._cache = cache
        self._images = images
        self._on_offer = on_offer

    def list(self, caller: Caller) -> tuple[list[CachedImage], list[str]]:
        """What is here, and what is queued."""
        self._need_offer()
        return self._cache.list(caller, RULE)

    def clear(self, caller: Caller, *, cached: bool = False, queued: bool = False) -> int:
        """Take out everything that is here, or queued; how many images that was."""
        self._need_offer()
        return self._cache.clear(caller, cached=cached, queued=queued, rule=RULE)

    def take_out(
        self, caller: Caller, image_id: str, *, cached: bool = False, queued: bool = False
    ) -> None:
        """Take one image out, whether there is such an image or not."""
        self._need_offer()
        with self._cache.allowed(caller, RULE) as cache:
            if queued and UUID.fullmatch(image_id):
                cache.folder.unqueue(image_id)
            if cached and UUID.fullmatch(image_id):
                cache.space.remove(image_id)

    def queue(self, caller: Caller, image_id: str) -> None:
        """Bring an image here, in the background. Raises ImageNotFound, Invalid (not active)."""
        self._need_offer()
        with self._cache.allowed(caller, RULE) as cache:
            self._cache.bring(cache, self._images.get(image_id))

    def _need_offer(self) -> None:
        if not self._on_offer:
            raise errors.NotFound(
                "There is nothing at this path: the flavor does not contain cachemanagement"
            )
