"""How the data of images goes: not before the last location that names it.

One way for all: a delete, the removal of one copy, what cleans up after crashes, and the scrubber.
"""

import logging
from collections.abc import Callable, Sequence

from calotype import errors
from calotype.db.copies import Copies
from calotype.db.deletes import Deletes
from calotype.model.image import Status
from calotype.model.location import Location
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)


def remove_copy(removal: "Removal", copies: Copies, image_id: str, location: Location) -> None:
    """Delete the data of a copy that is hidden while its image stays; else show the copy again.

    Raises InUse and what else a store may raise.
    """
    try:
        removal.remove(image_id, location)
    except errors.StoreError:
        copies.cancel(location)
        raise
    copies.finish(location)
    LOG.info("Image %s: its copy in store %s is removed", image_id, location.store)


class Removal:
    """Removes data from stores."""

    def __init__(self, deletes: Deletes, stores: Catalog) -> None:
        self._deletes = deletes
        self._stores = stores

    def finish(
        self,
        image_id: str,
        locations: Sequence[Location],
        confirm: Callable[[], object] = lambda: None,
        *,
        whole: bool = False,
    ) -> bool:
        """Delete the data at these locations, all that an image still has; then it is deleted.

        False when a store failed: what is left stays pending_delete for the next attempt. `confirm`
        is asked before each delete and may refuse by raising. `whole`: raise DataInUse at the first
        data that is in use, and go no further. Raises ChangedMeanwhile when it is pending no more.
        """
        gone: list[Location] = []
        for location in locations:
            confirm()
            try:
                self.remove(image_id, location)
            except errors.StoreError as error:
                if whole and isinstance(error, errors.DataInUse):
                    self._deletes.lost(gone)
                    raise
                LOG.info("Image %s: data is left in its store: %s", image_id, error.message)
            else:
                gone.append(location)
        if len(gone) < len(locations):
            self._deletes.lost(gone)
            return False
        self._deletes.finish(image_id, Status.PENDING_DELETE)
        return True

    def remove(self, image_id: str, location: Location) -> None:
        """Delete the data of a location that is hidden already, if no other location names it.

        Data that is not there, or lies where nothing can be deleted, is no trouble. Raises InUse
        and what else a store may raise.
        """
        shared = self._deletes.is_shared(location)
        if shared:
            # Of two who go at the same time, each may find the other one. Both stop counting and
            # look again, so the last one to do so deletes the data.
            self._deletes.let_go(location)
            if self._deletes.is_shared(location):
                LOG.info("Image %s: other images have the same data, which stays", image_id)
                return
        try:
            self._stores.holding(location).delete(location)
        except (errors.DataNotFound, errors.Unsupported):
            LOG.info("Image %s: nothing to delete in store %s", image_id, location.store)
        except errors.StoreError:
            if shared:
                self._deletes.take_back(location)
            raise
