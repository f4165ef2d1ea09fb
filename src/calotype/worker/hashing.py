"""The job that calculates the digests of an image from its data.

All digests are taken in one read. When the image has a digest already it is computed too and must
be the same: data that does not match is never given a new digest.
"""

import logging
from collections.abc import Iterator

from sqlalchemy import Connection

from calotype import errors
from calotype.db.engine import Database
from calotype.db.images import Images, write
from calotype.db.tasks import Run, Tasks
from calotype.model.image import Image
from calotype.model.task import TaskStatus
from calotype.stores.catalog import Catalog
from calotype.streams import Hasher
from calotype.worker.runner import Work

LOG = logging.getLogger(__name__)
MIB = 1 << 20


class HashJob:
    """Calculates digests. `retries`: further attempts when the stores fail."""

    def __init__(
        self, database: Database, images: Images, tasks: Tasks, stores: Catalog, retries: int
    ) -> None:
        self._db = database
        self._images = images
        self._tasks = tasks
        self._stores = stores
        self._retries = retries

    def do(self, work: Work) -> None:
        """Read the data, compare, and save the digests with the end of the task."""
        task, old = work.run.task, work.run.undo
        image = self._image(task.image_id)
        algorithm = str((task.input or {})["os_hash_algo"])
        wanted = {"md5", algorithm}
        if old["os_hash_value"]:
            wanted.add(old["os_hash_algo"])
        digests = self._digests(work, image, wanted)
        self._compare(image, digests, old)
        image = self._image(task.image_id)
        new = image.with_(
            checksum=digests["md5"], os_hash_algo=algorithm, os_hash_value=digests[algorithm]
        )
        result = {"image_id": image.id, "os_hash_algo": algorithm, "checksum": digests["md5"]}

        def save(connection: Connection) -> None:
            work.lease.confirm(connection)
            write(connection, image, new)
            self._tasks.end(
                connection, task.id, TaskStatus.SUCCESS, "The digests are calculated", result
            )

        self._db.transaction(save)

    def give_up(self, run: Run, reason: str) -> None:
        """The digests as they were, the image as it is, and the task failed."""

        def save(connection: Connection) -> None:
            self._tasks.end(connection, run.task.id, TaskStatus.FAILURE, reason)
            try:
                image = self._images.get(run.task.image_id or "")
            except errors.ImageNotFound:
                return
            write(connection, image, image.with_(**run.undo))

        self._db.transaction(save)

    def _image(self, image_id: str | None) -> Image:
        try:
            return self._images.get(image_id or "")
        except errors.ImageNotFound as error:
            raise errors.Gone("The image was deleted while its digests were calculated") from error

    def _compare(self, image: Image, digests: dict[str, str], old: object) -> None:
        recorded = {"md5": image.checksum}
        if isinstance(old, dict) and old["os_hash_value"]:
            recorded[old["os_hash_algo"]] = old["os_hash_value"]
        for algorithm, digest in recorded.items():
            if digest and digest != digests[algorithm]:
                LOG.error("Image %s: its %s digest is not the recorded one", image.id, algorithm)
                raise errors.Conflict("stored data does not match its recorded hash")

    def _digests(self, work: Work, image: Image, wanted: set[str]) -> dict[str, str]:
        trouble: Exception = errors.DataNotFound("The image has no data")
        for attempt in range(self._retries + 1):
            for location in sorted(image.locations, key=lambda it: -self._stores.weight(it)):
                try:
                    blocks = self._stores.holding(location).read(location)
                    return self._read(work, image, blocks, wanted)
                except errors.StoreError as error:
                    self._image(image.id)  # a deleted image is no trouble of the store
                    LOG.warning("Image %s, attempt %d: %s", image.id, attempt + 1, error)
                    trouble = error
        raise errors.StoreError(
            f"The data could not be read in {self._retries + 1} attempts: {trouble}"
        ) from trouble

    def _read(
        self, work: Work, image: Image, blocks: Iterator[bytes], wanted: set[str]
    ) -> dict[str, str]:
        hashers = {algorithm: Hasher(algorithm) for algorithm in wanted}
        size = 0
        try:
            for block in blocks:
                size += len(block)
                for hasher in hashers.values():
                    hasher.see(block)
                self._image(image.id)
                work.step(f"Hashed {size // MIB} MiB")
            if image.size is not None and size != image.size:
                raise errors.StoreError(f"The store gave {size} bytes of {image.size}")
            return {algorithm: hasher.hexdigest() for algorithm, hasher in hashers.items()}
        finally:
            for hasher in hashers.values():
                hasher.close()
