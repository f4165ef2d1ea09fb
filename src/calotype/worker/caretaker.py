"""Looking after the image cache of this node: what is queued comes, what is too much goes."""

import logging
import threading

from calotype import errors
from calotype.db.images import Images
from calotype.services.cache import NodeCache, Prefetch
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)


class Caretaker:
    """Fetches, prunes and cleans, as long as it runs."""

    def __init__(self, cache: NodeCache, images: Images, stores: Catalog) -> None:
        self._space = cache.space
        self._images = images
        self._prefetch = Prefetch(cache, images, stores)

    def run(self, stop: threading.Event, often: float) -> None:
        """Look after it every `often` seconds until `stop` is set."""
        while not stop.wait(often):
            try:
                self.once(stop)
            except (errors.Error, OSError) as error:
                LOG.warning("The image cache could not be looked after; trying again: %s", error)
            except Exception:  # the thread must outlive any trouble
                LOG.exception("The image cache could not be looked after; trying again")

    def once(self, stop: threading.Event | None = None) -> None:
        """One round. Raises OSError, Error."""
        self._space.clean(self._images.living)
        self._prefetch.fetch_all(stop)
        self._space.prune()
