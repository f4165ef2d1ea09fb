"""The copies of an image in the single stores: removing one."""

from collections.abc import Sequence

from calotype import errors
from calotype.caller import Caller
from calotype.db.copies import Copies
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.services.gate import Gate
from calotype.services.removal import Removal, remove_copy
from calotype.stores.catalog import Catalog


class Stores:
    """The use case of `DELETE /v2/stores/{store}/{image}`."""

    def __init__(self, copies: Copies, removal: Removal, gate: Gate, stores: Catalog) -> None:
        self._copies = copies
        self._removal = removal
        self._gate = gate
        self._stores = stores

    def delete_copy(self, caller: Caller, store_id: str, image_id: str) -> None:
        """Remove the data that one store holds of an image, never the last copy.

        The row goes first, so that no crash leaves a copy that names data which is gone; a delete
        that a crash has interrupted is finished by asking again.
        Raises NotFound, Conflict (no such store, not active), Denied (the only copy), InUse.
        """
        if not self._stores.multi:
            raise errors.NotFound("Stores have no names here: enabled_backends is not set")
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "get_image_location", image)
        self._gate.allow(caller, "delete_image_location", image)
        if store_id not in self._stores.names():
            raise errors.Conflict(
                f"There is no store {store_id!r}; the stores are: {', '.join(self._stores.names())}"
            )
        if image.status is not Status.ACTIVE:
            raise errors.Conflict(f"Image {image_id} is {image.status.value}, not active")
        self._delete(image, store_id)

    def _delete(self, image: Image, store_id: str) -> None:
        begun = self._in(store_id, self._copies.interrupted(image.id))
        for location in begun:
            remove_copy(self._removal, self._copies, image.id, location)
        if begun:
            return
        here = self._in(store_id, image.locations)
        if len(image.locations) <= 1:
            raise errors.Denied(
                f"Image {image.id} has no more than one copy: delete the image instead"
            )
        if not here:
            raise errors.NotFound(f"Store {store_id} has no copy of image {image.id}")
        for location in here:
            self._copies.begin(image, location)
            remove_copy(self._removal, self._copies, image.id, location)

    def _in(self, store_id: str, locations: Sequence[Location]) -> list[Location]:
        return [it for it in locations if self._stores.id_of(it) == store_id]
