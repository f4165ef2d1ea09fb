"""Fetches data from the web into the staging area, past the filter of addresses."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from calotype.imports.check import Step, is_fetched
from calotype.imports.journey import Journey
from calotype.remote.client import Answer, WebClient
from calotype.remote.uri_filter import UriFilter
from calotype.services.staging import Limit, Staging

#: How many bytes a project may still bring, and the name of the limit that says so.
Room = Callable[[str], tuple[int, str]]


def limits(room: Room) -> Callable[[Journey], Limit]:
    """How much data an import may bring, in as many copies as there are stores."""

    def limit_of(journey: Journey) -> Limit:
        size, name = room(journey.work.run.task.owner)
        copies = 1 if name == "image_size_cap" else len(journey.order.targets)
        return Limit(size // copies, name)

    return limit_of


def fetched(staging: Staging, uri_filter: UriFilter, limit_of: Callable[[Journey], Limit]) -> Step:
    """The step that stages what an address gives."""

    def fetch(journey: Journey) -> None:
        if is_fetched(staging, journey):
            return
        with opened(journey.order.uri or "", uri_filter) as answer:
            staging.keep(
                journey.image,
                answer,
                limit_of(journey),
                declared=answer.length,
                tell=journey.tell,
                origin=journey.work.run.task.id,
            )

    return fetch


@contextmanager
def opened(uri: str, uri_filter: UriFilter) -> Iterator[Answer]:
    """The answer to a request for an address; redirects are followed, each past the filter.

    Raises Invalid and Denied for an address that may not be used, StoreUnavailable.
    """
    with closing(WebClient(uri_filter).ask(uri)) as answer:
        if not 200 <= answer.status < 300:
            raise answer.refusal()
        yield answer
