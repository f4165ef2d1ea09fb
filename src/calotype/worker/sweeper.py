"""Removes bytes that lie in a store though no image names them: what crashes leave behind.

Deleting the wrong file is the worst this service can do, so everything must speak for it:

Rule 1: the bytes are older than the grace period, and their image is not being written.
Rule 2: no location of any image names them.
Rule 3: this database has, or had, an image of that id. Bytes of images it never heard of may be
those of another service, or the database may be the wrong one.
Rule 4: their image has no other location of the same kind. That could be the same file under
another name, e.g. after the path of a folder was changed.

Data that was never completed needs only rule 1, since nothing can name it. The questions to the
database are asked in an order that loses no race with an upload that ends: first what lies there,
then what is being written, then what is named.
"""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import UNFINISHED, Store, Sweeps

LOG = logging.getLogger(__name__)

#: Most values in one question to the database.
BATCH = 500
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class Records(Protocol):
    """What the database says; each method is asked for at most BATCH values at a time."""

    def busy(self, image_ids: Sequence[str]) -> Collection[str]:
        """Those whose data is being written now: saving, uploading, importing, or leased."""
        ...

    def known(self, urls: Sequence[str]) -> Collection[str]:
        """Those that a location of any image names, also one whose data is still to be removed."""
        ...

    def located(self, image_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
        """The URLs of the locations of each image that has a row, be it of a deleted image.

        An id that this database has never heard of is missing from the answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Swept:
    """What a pass did. `count` things of together `bytes` were removed.

    `doubtful` things were left alone though no image names them; `errors` times something failed.
    """

    count: int = 0
    bytes: int = 0
    doubtful: int = 0
    errors: int = 0

    def __add__(self, other: "Swept") -> "Swept":
        return Swept(
            self.count + other.count,
            self.bytes + other.bytes,
            self.doubtful + other.doubtful,
            self.errors + other.errors,
        )


def sweep(stores: Mapping[str, Store], records: Records, older_than: float) -> Swept:
    """Remove from each store that can be swept what no image names, older than a moment.

    `stores` by id; `older_than` in epoch seconds. What fails is counted and left for the next
    pass.
    """
    done = Swept()
    for name, store in stores.items():
        if isinstance(store, Sweeps):
            mine = _sweep_store(name, store, records, older_than)
            if mine.doubtful:
                LOG.warning(
                    "Store %s holds %d things that no image names, left alone since it is not "
                    "certain that they are ours to remove",
                    name,
                    mine.doubtful,
                )
            done += mine
    return done


def _sweep_store(name: str, store: Store, records: Records, older_than: float) -> Swept:
    done = Swept()
    assert isinstance(store, Sweeps)
    found = store.leftovers(older_than)
    try:
        while batch := list(islice(found, BATCH)):
            doomed, doubtful = _judge(batch, records)
            done += Swept(doubtful=doubtful)
            for location in doomed:
                done += _remove(name, store, location)
    except errors.Error as error:
        LOG.error("Sweeping store %s stopped: %s", name, error)
        done += Swept(errors=1)
    return done


def _judge(batch: Sequence[Location], records: Records) -> tuple[list[Location], int]:
    """What is to be removed, and how many things are in doubt."""
    ids = sorted({image_id for image_id in map(_image_id, batch) if image_id})
    busy = set(records.busy(ids))
    known = set(records.known([location.url for location in batch]))
    located = records.located(ids)
    doomed, doubtful = [], 0
    for location in batch:
        image_id = _image_id(location)
        if location.url in known or image_id in busy:
            continue
        if image_id is not None and _is_ours(location, image_id, located):
            doomed.append(location)
        else:
            doubtful += 1
    return doomed, doubtful


def _is_ours(location: Location, image_id: str, located: Mapping[str, Collection[str]]) -> bool:
    if location.status == UNFINISHED:
        return True
    if image_id not in located:
        return False
    return all(_kind(url) != _kind(location.url) for url in located[image_id])


def _remove(name: str, store: Store, location: Location) -> Swept:
    try:
        size = store.size(location)
        store.delete(location)
    except errors.DataNotFound:
        return Swept()
    except errors.Error as error:
        LOG.error("Cannot sweep data of %s from store %s: %s", _image_id(location), name, error)
        return Swept(errors=1)
    state = "unfinished" if location.status == UNFINISHED else "unnamed"
    LOG.info("Swept %s data of %s from store %s: %d bytes", state, _image_id(location), name, size)
    return Swept(count=1, bytes=size)


def _image_id(location: Location) -> str | None:
    """The image that bytes were meant for: their last UUID, since pools and projects have some."""
    return next(reversed(UUID.findall(location.url)), None)


def _kind(url: str) -> str:
    """Which kind of store a URL belongs to; some have several schemes."""
    scheme = url.partition("://")[0].partition("+")[0]
    return "file" if scheme == "filesystem" else scheme
