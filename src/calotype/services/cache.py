"""The cache of this node: what is in it and queued for it, and which nodes have an image."""

import logging
import os
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from calotype import errors
from calotype.cache.folder import Folder
from calotype.cache.reader import Reader
from calotype.cache.space import Pruned, Space
from calotype.cache.sqlite_books import SqliteBooks
from calotype.caller import Caller
from calotype.db.cached import CachedImages
from calotype.db.images import Images as Rows
from calotype.model.cached import CachedImage
from calotype.model.image import Image, Status
from calotype.policy.enforcer import Policy
from calotype.services.gate import Gate
from calotype.services.image_data import Origin
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class NodeCache:
    """The image cache of this node. `nodes`: None unless its driver is the centralised one.

    `before`: where the driver `sqlite` had its notes, if this node has used that.
    """

    folder: Folder
    reader: Reader
    space: Space
    nodes: CachedImages | None
    before: SqliteBooks

    def look_around(self) -> None:
        """At start: take over the notes of an earlier driver, and note what has none."""
        try:
            if self.nodes is not None and os.path.exists(self.before.path):
                self.space.take_over(self.before.entries())
            self.space.compare()
        except (errors.Error, OSError) as error:
            LOG.error("The image cache could not be looked through: %s", error)

    def forget(self, image_id: str) -> None:
        """Drop an image that is gone; what fails is left to the next cleaning."""
        try:
            self.folder.unqueue(image_id)
            self.space.remove(image_id)
        except (errors.Error, OSError) as error:
            LOG.warning("Image %s is left in the cache: %s", image_id, error)


class Prefetch:
    """Brings queued images into the cache."""

    def __init__(self, cache: NodeCache, images: Rows, stores: Catalog) -> None:
        self._cache = cache
        self._images = images
        self._stores = stores

    def begin(self, image: Image) -> None:
        """Begin to bring one image here, in the background; what fails stays queued."""
        try:
            self._cache.reader.begin(image, self._origin(image))
        except errors.Error as error:
            LOG.warning("Image %s stays queued for the cache: %s", image.id, error)

    def fetch_all(self, stop: threading.Event | None = None) -> tuple[int, int]:
        """Bring all queued images here, one after the other; how many came, and how many did not.

        Images that are gone or not active are taken off the queue.
        """
        come = failed = 0
        for image_id in self._cache.folder.queued():
            if stop is not None and stop.is_set():
                break
            image = self._active(image_id)
            if image is None:
                self._cache.folder.unqueue(image_id)
            elif self._fetch(image):
                come += 1
            else:
                failed += 1
        return come, failed

    def _fetch(self, image: Image) -> bool:
        try:
            arrived = self._cache.reader.fetch(image, self._origin(image))
        except errors.Error as error:
            LOG.warning("Image %s stays queued for the cache: %s", image.id, error)
            return False
        if arrived:
            self._cache.folder.unqueue(image.id)
        return arrived

    def _active(self, image_id: str) -> Image | None:
        try:
            image = self._images.get(image_id)
        except errors.ImageNotFound:
            return None
        return image if image.status is Status.ACTIVE else None

    def _origin(self, image: Image) -> Origin:
        return Origin(self._images, self._stores, image)


class Cache:
    """The use cases of `/v2/cache` and of what came before it."""

    def __init__(
        self,
        cache: NodeCache | None,
        images: Rows,
        gate: Gate,
        policy: Policy,
        stores: Catalog,
    ) -> None:
        self._cache = cache
        self._images = images
        self._gate = gate
        self._policy = policy
        self._prefetch = Prefetch(cache, images, stores) if cache else None

    def list(self, caller: Caller, rule: str = "cache_list") -> tuple[list[CachedImage], list[str]]:
        """What is here, and the ids of what is queued. Raises NotFound when there is no cache."""
        with self.allowed(caller, rule) as cache:
            return cache.space.entries(), cache.folder.queued()

    def queue(self, caller: Caller, image_id: str) -> None:
        """Bring an image here, in the background. Raises Invalid when it is not active."""
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "cache_image", image)
        with self._needed() as cache:
            self.bring(cache, image)

    def remove(self, caller: Caller, image_id: str) -> None:
        """Take an image out of the cache and the queue, if it is there. Raises ImageNotFound."""
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "cache_delete", image)
        with self._needed() as cache:
            cache.folder.unqueue(image.id)
            cache.space.remove(image.id)

    def clear(
        self,
        caller: Caller,
        *,
        cached: bool = True,
        queued: bool = True,
        rule: str = "cache_delete",
    ) -> int:
        """Take out everything that is here, or queued, or both; how many images that was."""
        with self.allowed(caller, rule) as cache:
            cleared = cache.space.clear() if cached else 0
            if queued:
                cleared += sum(cache.folder.unqueue(it) for it in cache.folder.queued())
            return cleared

    def clean(self, caller: Caller) -> int:
        """Remove what is invalid, stalled, or of images that are gone; how many that was."""
        with self.allowed(caller, "cache_clean") as cache:
            return cache.space.clean(self._images.living)

    def prune(self, caller: Caller) -> Pruned:
        """Take out what was used least recently, until the rest fits."""
        with self.allowed(caller, "cache_prune") as cache:
            return cache.space.prune()

    def nodes(self, caller: Caller, image_id: str) -> Collection[str]:
        """The addresses of the living nodes that have an image in their cache, sorted.

        Raises Conflict without a cache, or when its notes are not in the database.
        """
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "list_cached_nodes", image)
        if self._cache is None:
            raise errors.Conflict("The image cache is not enabled: image_cache_dir is not set")
        if self._cache.nodes is None:
            raise errors.Conflict(
                "Only the cache driver centralized_db knows of other nodes; image_cache_driver is "
                "another one here"
            )
        return self._cache.nodes.nodes(image.id)

    def bring(self, cache: NodeCache, image: Image) -> None:
        """Queue an image that is not here yet, and begin to bring it here. Raises Invalid."""
        assert self._prefetch is not None
        if image.status is not Status.ACTIVE:
            raise errors.Invalid(
                f"Image {image.id} is {image.status.value}: only an active image can be cached"
            )
        if cache.folder.has(image):
            return
        cache.folder.queue(image.id)
        self._prefetch.begin(image)

    @contextmanager
    def allowed(self, caller: Caller, rule: str) -> Iterator[NodeCache]:
        """The cache, if a rule allows the caller to look after it. Raises Denied, NotFound."""
        self._policy.check(caller, rule, {})
        with self._needed() as cache:
            yield cache

    @contextmanager
    def _needed(self) -> Iterator[NodeCache]:
        if self._cache is None:
            raise errors.NotFound("There is no image cache here: image_cache_dir is not set")
        try:
            yield self._cache
        except OSError as error:
            LOG.error("The image cache cannot be used: %s", error)
            raise errors.StoreUnavailable("The image cache of this node cannot be used") from error
