"""Sees to it that staged data is there, whole and of the formats its image says."""

from collections.abc import Callable

from calotype import errors
from calotype.imports.journey import Journey
from calotype.model.image import Image
from calotype.services.staging import Staging

Step = Callable[[Journey], None]


def is_fetched(staging: Staging, journey: Journey) -> bool:
    """Whether an attempt before this one has fetched all of the data already."""
    try:
        staged = staging.find(journey.shape)
    except errors.DataNotFound:
        return False
    return staged is not None and staged.origin == journey.work.run.task.id


def checked(staging: Staging) -> Step:
    """The step that judges the data and saves its size, before any byte goes to a store."""

    def check(journey: Journey) -> None:
        shape = journey.shape
        staged = staging.find(shape, key=journey.key)
        staged = staged or staging.examine(shape, journey.tell, key=journey.key)
        staged.check()
        journey.staged = staged
        journey.save(lambda image: _sized(image, staged.size))

    return check


def _sized(image: Image, size: int) -> Image:
    # An import that goes on after a crash may have made the image active.
    return image if image.locations else image.with_(size=size)
