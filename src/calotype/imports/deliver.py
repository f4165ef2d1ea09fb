"""Takes the data of an import into its stores, with as few bytes moved as can be.

A file that lies on the file system of a store just gets a second name there. What is copied from
file to file the kernel copies, and from store to store of one backend the backend itself; only the
rest is read here, once for all stores that need it.
Nothing counts before the image's row names it, so whatever a crash leaves is found under the
image's id and replaced.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from calotype import errors
from calotype.db.images import Images
from calotype.imports.sources import Source
from calotype.imports.tee import Branch, pour
from calotype.model.image import Image
from calotype.model.location import Location
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.store import CopiesWithin, Finds, OpensFiles, TakesFiles

LOG = logging.getLogger(__name__)

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came of bringing data to one store: where it lies now, or why it does not."""

    store_id: str
    place: Location | None = None
    error: errors.Error | None = None


class Delivery:
    """Brings data to stores, and takes away what has been brought in vain.

    `parallel`: how many stores at most are written at the same time; None: all there are.
    """

    def __init__(self, images: Images, stores: Catalog, *, parallel: int | None = None) -> None:
        self._images = images
        self._stores = stores
        self._parallel = parallel

    def bring(
        self, image: Image, source: Source, store_ids: Sequence[str], tell: Tell, *, together: bool
    ) -> Iterator[Arrival]:
        """Keep the data in each of these stores; says of each what came of it, as it is done.

        Replaces what a crash left. `together`: when one fails, nothing is brought to the others any
        more. `tell` hears how many bytes there are, those of all stores counted together.
        Raises DatabaseUnavailable.
        """
        done, places = 0, list(source.places())

        def pace(size: int) -> None:
            tell(done + size)

        for arrivals in self._rounds(image, source, store_ids, places, pace, together=together):
            yield from arrivals
            if together and any(arrival.error for arrival in arrivals):
                return
            places += [arrival.place for arrival in arrivals if arrival.place]
            done += source.size * len(arrivals)

    def _rounds(
        self,
        image: Image,
        source: Source,
        store_ids: Sequence[str],
        places: Sequence[Location],
        tell: Tell,
        *,
        together: bool,
    ) -> Iterator[list[Arrival]]:
        """Bring the data to all stores, those at the same time that it is read for.

        `places`: where stores have it, which grows meanwhile. So first only one store of each
        backend is read for: from there the backend may copy it to the others.
        """
        left = list(store_ids)
        for choose in (self._one_of_each_backend, list[str]):
            far = []
            for store_id in left:
                arrival = self._move(image, source, store_id, places, tell)
                if arrival is None:
                    far.append(store_id)
                else:
                    yield [arrival]
            chosen = choose(far)
            left = [store_id for store_id in far if store_id not in chosen]
            while group := chosen[: self._parallel]:
                chosen = chosen[len(group) :]
                yield self._pour(image, source, group, tell, together=together)

    def _one_of_each_backend(self, store_ids: Sequence[str]) -> list[str]:
        ones: dict[object, str] = {}
        for store_id in store_ids:
            store = self._stores.entry(store_id).store
            copies = isinstance(store, CopiesWithin)
            ones.setdefault(
                (store.traits.type, store.traits.backend) if copies else store, store_id
            )
        return list(ones.values())

    def _move(
        self,
        image: Image,
        source: Source,
        store_id: str,
        places: Sequence[Location],
        tell: Tell,
    ) -> Arrival | None:
        """Bring the data to a store without reading it; None where that cannot be done."""
        for move in self._moves(image.id, source, store_id, places, tell):
            try:
                return Arrival(store_id, self._placed(image, source.size, store_id, move))
            except errors.Unsupported:
                continue
            except errors.DatabaseUnavailable:
                raise
            except errors.Error as error:
                return Arrival(store_id, error=error)
        return None

    def _moves(
        self, key: str, source: Source, store_id: str, places: Sequence[Location], tell: Tell
    ) -> Iterator[Callable[[], Location]]:
        """The ways to get the data to a store without reading it. Each raises Unsupported."""
        store = self._stores.entry(store_id).store
        if isinstance(store, TakesFiles):
            yield partial(_move, store, key, source, tell)
        if isinstance(store, CopiesWithin):
            for place in places:
                yield partial(self._copy_within, store, key, place, tell)

    def _copy_within(self, store: CopiesWithin, key: str, place: Location, tell: Tell) -> Location:
        try:
            return store.copy_within(key, self._stores.holding(place), place, tell)
        except (errors.Unsupported, errors.DataExists, errors.StoreFull):
            raise
        except errors.StoreError as error:  # the data may be had from elsewhere, or by reading it
            LOG.warning("The backend does not copy %s, so it is read: %s", key, error)
            raise errors.Unsupported() from error

    def _pour(
        self, image: Image, source: Source, store_ids: Sequence[str], tell: Tell, *, together: bool
    ) -> list[Arrival]:
        """Bring the data to several stores in one read."""
        branches = [
            Branch(store_id, partial(self._take, image, source.size, store_id))
            for store_id in store_ids
        ]
        try:
            with source.reading() as body:
                pour(body, branches, tell, together=together)
        except errors.DatabaseUnavailable:
            raise
        except errors.Error as error:
            return [Arrival(store_id, error=error) for store_id in store_ids]
        return [arrival for branch in branches if (arrival := _arrival(branch))]

    def _take(self, image: Image, size: int, store_id: str, branch: Branch) -> Location:
        store = self._stores.entry(store_id).for_owner(image.owner)
        return self._placed(image, size, store_id, lambda: store.put(image.id, branch, size))

    def _placed(
        self, image: Image, size: int, store_id: str, put: Callable[[], Location]
    ) -> Location:
        """Where the data lies after `put`, as the image's row is to say it."""
        entry = self._stores.entry(store_id)
        try:
            place = put()
        except errors.DataExists as found:
            if not found.url or not self._is_leftover(entry, image, Location(found.url)):
                raise
            LOG.warning("Image %s: replacing what a crash left in store %s", image.id, store_id)
            entry.store.delete(Location(found.url))
            place = put()
        kept = entry.store.size(place)
        if kept != size:
            entry.store.delete(place)
            raise errors.StoreError(f"The store kept {kept} bytes of {size}")
        return self._labelled(place, entry)

    def take_away(self, image_id: str, image: Image | None, store_ids: Sequence[str]) -> None:
        """Remove what lies in stores for an image and no row names. What fails is logged."""
        for store_id in store_ids:
            try:
                self._take_away(self._stores.entry(store_id), image_id, image)
            except errors.DatabaseUnavailable:
                raise
            except errors.Error as error:
                LOG.error("Image %s: data is left in store %s: %s", image_id, store_id, error)

    def _take_away(self, entry: Entry, image_id: str, image: Image | None) -> None:
        if not isinstance(entry.store, Finds):
            return
        found = entry.store.find(image_id)
        if found is not None and self._is_leftover(entry, image, found):
            entry.store.delete(found)

    def _is_leftover(self, entry: Entry, image: Image | None, found: Location) -> bool:
        """Whether data under the image's id is none that any row names, by whatever path."""
        if self._images.named([found.url]):
            return False
        mine = Location(found.url, {"store": entry.id})
        return not any(self._same(mine, it) for it in (image.locations if image else ()))

    def _same(self, one: Location, other: Location) -> bool:
        """Whether two urls are, or may be, those of the same data."""
        if one.url == other.url:
            return True
        first, second = self._stores.holding(one), self._stores.holding(other)
        if not (isinstance(first, OpensFiles) and isinstance(second, OpensFiles)):
            return first is second
        try:
            with first.open(one) as here, second.open(other) as there:
                return os.path.sameopenfile(here.fileno(), there.fileno())
        except errors.StoreError:
            return True

    def _labelled(self, place: Location, entry: Entry) -> Location:
        if not self._stores.multi:
            return place
        return Location(place.url, {**place.metadata, "store": entry.id})


def _move(store: TakesFiles, key: str, source: Source, tell: Tell) -> Location:
    """Raises Unsupported, and what the store does."""
    if source.path is not None:
        with suppress(errors.Unsupported):
            place = store.adopt(key, source.path)
            source.path = None  # further stores get copies of their own
            return place
    file = source.file()
    if file is None:
        raise errors.Unsupported("The data is no file")
    with file:
        return store.copy_file(key, file, tell)


def _arrival(branch: Branch) -> Arrival | None:
    """What came of a branch; None when it was cut off. Raises what is no failure of the store."""
    error = branch.error
    if isinstance(error, errors.DatabaseUnavailable):
        raise error
    if error is not None and not isinstance(error, errors.Error):
        raise error
    if error is None and branch.place is None:
        return None
    return Arrival(branch.store_id, branch.place, error)
