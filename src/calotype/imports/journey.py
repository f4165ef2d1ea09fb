"""One import on its way, as its steps see it."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy import Connection

from calotype import errors
from calotype.db.images import Images, now, write
from calotype.db.leases import Lease
from calotype.db.tasks import Run
from calotype.model.image import Image
from calotype.model.importing import ImportOrder
from calotype.services.staging import Staged

LOG = logging.getLogger(__name__)

MIB = 1 << 20
#: Seconds between two looks whether the image is still there.
LOOK = 1.0


class Attempt(Protocol):
    """What an import needs of the runner's `Work`, whose methods say more."""

    @property
    def run(self) -> Run:
        """The task."""
        ...

    @property
    def lease(self) -> Lease:
        """What proves that the task is ours."""
        ...

    def step(self, message: str) -> None:
        """Say how far the work is, at most once a second; ends the work when it is to stop."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
        ...

    def save(self, change: Callable[[Connection], None]) -> None:
        """Make a change in one transaction, if the task is still ours."""
        ...


@dataclass
class Journey:
    """One attempt at an import.

    `image`: as it is saved. `becomes`: the fields that it gets when it becomes active, beside
    those that follow from `staged`, which is known once its data is there. `key`: under which name
    the data lies in the staging area.
    """

    work: Attempt
    order: ImportOrder
    images: Images
    image: Image
    becomes: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    staged: Staged | None = None
    key: str = ""
    _looked: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.key = self.image.id

    def tell(self, size: int) -> None:
        """Say how many bytes are done. Raises Gone soon after the image was deleted."""
        self.work.step(f"Copied {size // MIB} MiB")
        if time.monotonic() > self._looked + LOOK:
            self._look()
            self._looked = time.monotonic()

    def _look(self) -> None:
        try:
            fresh(self.images, self.image.id)
        except errors.DatabaseUnavailable as error:
            # How long we go on without the database is decided by `Attempt.step`.
            LOG.info("Image %s: cannot see whether it is still there: %s", self.image.id, error)

    @property
    def data(self) -> Staged:
        """What is staged. Raises DataNotFound when nothing is."""
        if self.staged is None:
            raise errors.DataNotFound("There is no staged data")
        return self.staged

    @property
    def shape(self) -> Image:
        """The image with the formats that it will have."""
        return self.image.with_(**self.becomes)

    def now(self) -> Image:
        """The image as it is now, once the database tells. Raises Gone when it was deleted."""
        while True:
            try:
                return fresh(self.images, self.image.id)
            except errors.DatabaseUnavailable as error:
                LOG.info("Image %s: waiting for the database: %s", self.image.id, error)
                # Waits until the database answers, for as long as the task is surely ours.
                self.work.save(lambda connection: None)

    def save(self, change: Callable[[Image], Image]) -> None:
        """Change the saved image. Raises Gone when it was deleted."""
        image = self.now()

        def save(connection: Connection) -> None:
            self.image = change_row(connection, image, change(image))

        self.work.save(save)


def fresh(images: Images, image_id: str) -> Image:
    """The image as it is now. Raises Gone when it was deleted."""
    try:
        return images.get(image_id)
    except errors.ImageNotFound as error:
        raise gone() from error


def gone() -> errors.Gone:
    """The reason when the image of an import is no more."""
    return errors.Gone("The image was deleted while it was imported")


def change_row(connection: Connection, old: Image, new: Image) -> Image:
    """Save a changed image in a transaction. Raises Gone, ChangedMeanwhile."""
    try:
        return write(connection, old, new.with_(updated_at=max(now(), old.updated_at)))
    except errors.ImageNotFound as error:
        raise gone() from error
