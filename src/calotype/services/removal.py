"""How the data of hidden images goes: for a delete, for what cleans up, and for the scrubber."""

import logging
from collections.abc import Callable, Sequence

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.model.image import Status
from calotype.model.location import Location
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)


class Removal:
    """Removes the data of images that are pending_delete."""

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
                self._delete(image_id, location)
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

    def _delete(self, image_id: str, location: Location) -> None:
        try:
            self._stores.holding(location).delete(location)
        except (errors.DataNotFound, errors.Unsupported):
            LOG.info("Image %s: nothing to delete in store %s", image_id, location.store)
