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
then what is being written, then what is named. An upload that begins meanwhile may put its own data
in the place of what was found: so nobody else works on the image while its bytes are removed, and
whether they are named is asked once more.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice

from calotype import errors
from calotype.model.location import Location
from calotype.stores.store import KEY, UNFINISHED, Store, Sweeps

LOG = logging.getLogger(__name__)

#: Most values in one question to the database.
BATCH = 500
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


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


@dataclass(frozen=True, slots=True)
class _Questions:
    """What is asked of the database, in the words of `sweep`."""

    known: Callable[[Sequence[str]], Collection[str]]
    busy: Callable[[Sequence[str]], Collection[str]]
    located: Callable[[Sequence[str]], Mapping[str, Collection[str]]]
    alone: Callable[[str], AbstractContextManager[object]]


def sweep(
    stores: Iterable[tuple[str, Store]],
    *,
    known: Callable[[Sequence[str]], Collection[str]],
    busy: Callable[[Sequence[str]], Collection[str]],
    located: Callable[[Sequence[str]], Mapping[str, Collection[str]]] | None = None,
    alone: Callable[[str], AbstractContextManager[object]] = nullcontext,
    older_than: float,
) -> Swept:
    """Remove from each store that can be swept what no image names, older than a moment.

    `stores`: ids and stores; `older_than` in epoch seconds. The rest are questions to the database,
    each asked with at most BATCH values:
    `known`: which of these URLs a location of any image names, also when its data is yet to go.
    `busy`: for which of these image ids data is being written now.
    `located`: for each of these image ids that has a row, be it that of a deleted image, the URLs
    that its locations name as `known` means it; ids it has never heard of are missing. Without it
    rules 3 and 4 cannot be kept, and only data that was never completed is removed.

    What fails is counted and left for the next pass.
    """
    questions = _Questions(known, busy, located or _never_heard_of, alone)
    done = Swept()
    for name, store in stores:
        if not isinstance(store, Sweeps):
            continue
        mine = _sweep_store(name, store, store.leftovers(older_than), questions)
        if mine.doubtful:
            LOG.warning(
                "Store %s holds %d things that no image names, left alone: it is not certain that "
                "they are this service's to remove",
                name,
                mine.doubtful,
            )
        done += mine
    return done


def _never_heard_of(_image_ids: Sequence[str]) -> Mapping[str, Collection[str]]:
    return {}


def _sweep_store(
    name: str, store: Store, found: Iterator[Location], questions: _Questions
) -> Swept:
    done = Swept()
    try:
        while batch := list(islice(found, BATCH)):
            doomed, doubtful = _judge(batch, questions)
            done += Swept(doubtful=doubtful)
            for location in doomed:
                done += _remove(name, store, location, questions)
    except errors.Error as error:
        LOG.error("Sweeping store %s stopped: %s", name, error)
        done += Swept(errors=1)
    return done


def _judge(batch: Sequence[Location], questions: _Questions) -> tuple[list[Location], int]:
    """What is to be removed, and how many things are in doubt."""
    ids = sorted({image_id for image_id in map(_image_id, batch) if image_id})
    busy = set(questions.busy(ids))
    known = set(questions.known([location.url for location in batch]))
    located = questions.located(ids)
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


def _remove(name: str, store: Store, location: Location, questions: _Questions) -> Swept:
    try:
        with questions.alone(_image_id(location) or ""):
            if location.url in questions.known([location.url]):
                return Swept()
            return _remove_now(name, store, location)
    except errors.Conflict as error:
        LOG.info("Data in store %s is left for the next pass: %s", name, error)
        return Swept()


def _remove_now(name: str, store: Store, location: Location) -> Swept:
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
    """The image that bytes were meant for: what the store says.

    Else it is their last UUID, since pools and projects have some.
    """
    return location.metadata.get(KEY) or next(reversed(UUID.findall(location.url)), None)


def _kind(url: str) -> str:
    """Which kind of store a URL belongs to; some have several schemes."""
    scheme = url.partition("://")[0].partition("+")[0]
    return "file" if scheme == "filesystem" else scheme
