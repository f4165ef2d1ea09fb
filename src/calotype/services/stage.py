"""Staging the data of an image: it arrives now, and a later import puts it into stores."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from calotype import errors
from calotype.caller import Caller
from calotype.db.images import Images
from calotype.db.leases import PATIENCE, Lease, Leases
from calotype.model.image import Image, Status
from calotype.quota import Quota
from calotype.services.gate import Gate
from calotype.services.staging import Limit, Staged, Staging
from calotype.streams import Body

LOG = logging.getLogger(__name__)

#: The import method that needs staged data.
METHOD = "glance-direct"


class Stage:
    """The use case of `PUT /v2/images/{id}/stage`. `methods`: those that are on offer."""

    def __init__(
        self,
        images: Images,
        gate: Gate,
        quota: Quota,
        staging: Staging,
        leases: Leases,
        methods: Sequence[str],
    ) -> None:
        self._images = images
        self._gate = gate
        self._quota = quota
        self._staging = staging
        self._leases = leases
        self._methods = methods

    def stage(
        self, caller: Caller, image_id: str, body: Body, *, declared: int | None = None
    ) -> None:
        """Keep `body` for the import of a queued image, which becomes uploading and has its size.

        `declared` is the size the client promised, in bytes; a body of another size is refused with
        SizeMismatch. On any error nothing of the data remains and the image is queued again.
        Raises NotFound when nothing could import it, Conflict (not queued), Gone, OverLimit.
        """
        if METHOD not in self._methods:
            raise errors.NotFound(f"{METHOD} is not one of enabled_import_methods here")
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "modify_image", image)
        room, name = self._quota.room(caller)
        if declared is not None and declared > room:
            raise errors.OverLimit(f"{declared} bytes are more than {name} allows, {room}")
        if image.status is not Status.QUEUED:
            raise errors.Conflict(
                f"Image {image_id} is {image.status.value}: data can be staged for a queued image "
                "only"
            )
        with (
            self._leases.hold(f"image:{image_id}", patience=PATIENCE) as lease,
            self._staged(image, lease) as staging,
        ):
            staged = self._keep(staging, body, Limit(room, name), declared)
            self._images.swap(staging, staging.with_(size=staged.size), lease.confirm)
        LOG.info("Image %s: %d bytes are staged", image_id, staged.size)

    def _keep(self, image: Image, body: Body, limit: Limit, declared: int | None) -> Staged:
        try:
            return self._staging.keep(image, body, limit, declared=declared)
        except errors.SizeMismatch as error:
            LOG.warning("Refused the data of image %s: %s", image.id, error)
            raise

    @contextmanager
    def _staged(self, image: Image, lease: Lease) -> Iterator[Image]:
        """The image in status uploading while the block runs; queued when the block fails."""
        self._images.swap(image, image.moved_to(Status.UPLOADING))
        try:
            # As it is now that nobody may change its formats any more.
            yield self._images.get(image.id)
        except errors.ImageNotFound as error:
            self._staging.discard(image.id)
            raise errors.Gone(f"Image {image.id} was deleted while its data came") from error
        except BaseException:
            self._undo(image, lease)
            raise

    def _undo(self, image: Image, lease: Lease) -> None:
        """Remove the data and queue the image again; never replaces the first error."""
        try:
            now = self._images.get(image.id)
            if now.status is Status.UPLOADING and now.size is None:
                self._images.swap(now, now.moved_to(Status.QUEUED), lease.confirm)
                self._staging.discard(image.id)
        except errors.ImageNotFound:
            self._staging.discard(image.id)
        except Exception:
            LOG.exception("Image %s is left to the worker as it is, and so is its data", image.id)
