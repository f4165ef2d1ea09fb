"""The job that imports: walks the steps, and puts everything back when one of them fails.

Whatever moment the process dies, the task is begun again from the start: staged data keeps its
name until the end, what lies in a store without a row is replaced, and what a row names is done.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from sqlalchemy import Connection

from calotype import errors
from calotype.db import import_lock
from calotype.db.deletes import mark_deleted
from calotype.db.images import Images
from calotype.db.leases import Leases
from calotype.db.tasks import Run, Tasks
from calotype.imports import plan
from calotype.imports.check import Step, checked
from calotype.imports.deliver import Delivery
from calotype.imports.journey import Attempt, Journey, change_row, fresh
from calotype.imports.sources import Source, StagedSource, StoredSource
from calotype.model.image import Image, Status
from calotype.model.importing import ImportOrder, done, ended
from calotype.model.location import Location
from calotype.model.task import TaskStatus
from calotype.services.staging import Staging
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)

#: Seconds between two looks whether the image is free.
WAIT = 0.2


class ImportJob:
    """Imports images. `fetch`: how data comes to be staged, by method; `plugins` in order.

    `parallel`: how many stores are written at the same time; None: all that an import names.
    """

    def __init__(
        self,
        images: Images,
        tasks: Tasks,
        leases: Leases,
        stores: Catalog,
        staging: Staging,
        *,
        fetch: Mapping[str, Step],
        plugins: Sequence[Step],
        parallel: int | None = None,
    ) -> None:
        self._images = images
        self._tasks = tasks
        self._leases = leases
        self._stores = stores
        self._staging = staging
        self._fetch = fetch
        self._plugins = plugins
        self._delivery = Delivery(images, stores, parallel=parallel)

    def do(self, work: Attempt) -> None:
        """Import the image and end the task."""
        order = ImportOrder.load(work.run.undo)
        image = fresh(self._images, work.run.task.image_id or "")
        steps = plan.steps(
            order,
            fetch=self._fetch,
            plugins=self._plugins,
            check=checked(self._staging),
            deliver=self._deliver,
            copy=self._copy,
        )
        with self._alone(work, image.id, order):
            try:
                self._walk(work, order, image.id, steps)
            except errors.DataExists as error:
                if error.url:
                    raise
                # A worker that was taken for dead had not ended: it has just completed what it
                # was writing. It goes no further, so now there is nobody else.
                LOG.warning("Image %s: beginning again, somebody was faster", image.id)
                work.save(lambda connection: None)
                self._walk(work, order, image.id, steps)
            if not order.copies:
                self._staging.discard(image.id)

    def give_up(self, run: Run, reason: str) -> None:
        """The image as it was, no bytes, no lock, and the task failed."""
        order, image_id = ImportOrder.load(run.undo), run.task.image_id or ""
        try:
            image = self._images.get(image_id)
        except errors.ImageNotFound:
            image = None
        self._tasks.transaction(run.guard)
        # Bytes go first: once the lock is away, an upload may write to the same place.
        self._delivery.take_away(image_id, image, order.targets)
        if not order.copies:
            self._staging.discard(image_id)

        def save(connection: Connection) -> None:
            run.guard(connection)
            self._tasks.end(connection, run.task.id, TaskStatus.FAILURE, reason)
            import_lock.release(connection, image_id, run.task.id)
            if image is not None:
                _put_back(connection, image, order)

        self._tasks.transaction(save)

    def _walk(
        self, work: Attempt, order: ImportOrder, image_id: str, steps: Sequence[Step]
    ) -> None:
        journey = Journey(work, order, self._images, fresh(self._images, image_id))
        for step in steps:
            step(journey)

    # -- steps -----------------------------------------------------------------------------------

    def _deliver(self, journey: Journey) -> None:
        staged = journey.data
        active = {
            "size": staged.size,
            "checksum": staged.checksum,
            "os_hash_algo": staged.os_hash_algo,
            "os_hash_value": staged.os_hash_value,
            "virtual_size": staged.virtual_size,
            **journey.becomes,
        }
        journey.becomes = active
        self._bring_all(journey, StagedSource(self._staging, journey.key, staged.size))

    def _copy(self, journey: Journey) -> None:
        self._bring_all(journey, StoredSource(self._stores, journey.image))

    def _bring_all(self, journey: Journey, source: Source) -> None:
        order, image = journey.order, journey.image
        having = {self._stores.id_of(location) for location in image.locations}
        missing = [store_id for store_id in order.targets if store_id not in having]
        arrived = len(missing) < len(order.targets)  # by an attempt before this one
        brought: list[Location] = []
        trouble: errors.Error | None = None
        for it in self._delivery.bring(
            image, source, missing, journey.tell, together=order.must_succeed
        ):
            if isinstance(it.error, errors.DataExists) and not it.error.url:
                raise it.error
            if it.place is None:
                LOG.warning("Image %s, store %s: %s", image.id, it.store_id, it.error)
                trouble = it.error
                self._note(journey, it.store_id, failed=True)
                continue
            arrived = True
            if order.must_succeed:
                brought.append(it.place)
            else:
                journey.save(partial(self._with, journey, places=[it.place]))
            self._note(journey, it.store_id)
        if trouble and (order.must_succeed or not arrived):
            raise trouble
        if not arrived:
            raise errors.StoreError("There is no store to bring the data to")
        self._end(journey, brought)

    def _note(self, journey: Journey, store_id: str, *, failed: bool = False) -> None:
        if self._stores.multi:
            journey.save(
                lambda it: it.with_(properties=done(it.properties, store_id, failed=failed)),
            )

    def _end(self, journey: Journey, brought: Sequence[Location]) -> None:
        """Save what came of it together with the end of the task."""
        image, task = journey.now(), journey.work.run.task
        new = self._with(journey, image, brought) if brought else image
        new = new.with_(properties=ended(new.properties))
        message = f"Imported {new.size} bytes"

        def save(connection: Connection) -> None:
            change_row(connection, image, new)
            import_lock.release(connection, image.id, task.id)
            self._tasks.end(
                connection, task.id, TaskStatus.SUCCESS, message, {"image_id": image.id}
            )

        journey.work.save(save)
        LOG.info("Image %s: %s", image.id, message)

    @staticmethod
    def _with(journey: Journey, image: Image, places: Sequence[Location]) -> Image:
        """The image with new copies, active with all that was learned if it was not yet."""
        new = image.with_(locations=(*image.locations, *places))
        if image.status is not Status.IMPORTING:
            return new
        properties = {**image.properties, **journey.properties}
        return new.moved_to(Status.ACTIVE, properties=properties, **journey.becomes)

    @contextmanager
    def _alone(self, work: Attempt, image_id: str, order: ImportOrder) -> Iterator[None]:
        """Hold the image, as an upload does, so that nobody cleans up behind us.

        A copy does not: its image can be deleted, and its data is safe from the sweeper.
        """
        with ExitStack() as held:
            while not order.copies:
                try:
                    held.enter_context(self._leases.hold(f"image:{image_id}"))
                    break
                except errors.Conflict:  # perhaps the worker that died with this task
                    work.pause(WAIT)
            yield


def _put_back(connection: Connection, image: Image, order: ImportOrder) -> None:
    """The image as it was before the import; gone, if it was made for it."""
    if order.was == Status.DELETED and image.status is Status.IMPORTING:
        mark_deleted(connection, image.id, image.status)
        return
    new = image.with_(properties=ended(image.properties))
    if image.status is Status.IMPORTING:
        new = new.moved_to(Status.QUEUED, size=None, virtual_size=None)
    if new != image:
        change_row(connection, image, new)
