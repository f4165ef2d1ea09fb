"""Images as records: create, list, show, update, delete, deactivate, reactivate, tag."""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from calotype import errors
from calotype.caller import Caller
from calotype.db.deletes import Deletes
from calotype.db.images import Images as Rows
from calotype.db.images import now
from calotype.db.leases import PATIENCE, Leases
from calotype.model import changes as patching
from calotype.model.changes import Change, Op
from calotype.model.filter import Filter, Viewer
from calotype.model.image import Image, Status, Visibility
from calotype.model.properties import READ_ONLY, WRITABLE, refuse_reason
from calotype.policy.enforcer import Policy
from calotype.quota import Quota
from calotype.services.gate import Gate
from calotype.services.relocation import Relocation
from calotype.services.removal import Removal
from calotype.services.staging import Staging

LOG = logging.getLogger(__name__)


class Images:
    """The use cases around an image record."""

    def __init__(
        self,
        images: Rows,
        deletes: Deletes,
        gate: Gate,
        policy: Policy,
        quota: Quota,
        removal: Removal,
        leases: Leases,
        staging: Staging,
        relocation: Relocation | None = None,
        *,
        delayed_delete: bool,
        forget: Callable[[str], None] | None = None,
    ) -> None:
        """`relocation`: what changes locations; None where nobody may.

        `forget`: told the id of each image that is deleted, for the cache of this node.
        """
        self._images = images
        self._deletes = deletes
        self._gate = gate
        self._policy = policy
        self._quota = quota
        self._removal = removal
        self._leases = leases
        self._staging = staging
        self._relocation = relocation
        self._delayed = delayed_delete
        self._forget = forget or (lambda image_id: None)

    def create(self, caller: Caller, fields: Mapping[str, Any]) -> Image:
        """A new image in status queued. Raises Denied, Duplicate, OverLimit."""
        image = self.plan(caller, fields)
        self._images.add(image)
        LOG.info("Created image %s", image.id)
        return image

    def plan(self, caller: Caller, fields: Mapping[str, Any]) -> Image:
        """A new image that the caller may create, not saved yet. Raises Denied, OverLimit."""
        image = _new_image(caller, fields)
        self._gate.allow(caller, "add_image", image)
        self._gate.allow_visibility(caller, image)
        self._quota.check_image(image)
        return image

    def list(self, caller: Caller, wanted: Filter) -> tuple[list[Image], str | None]:
        """One page of the images the caller sees, and the id the next page begins after, if any."""
        target = {"project_id": caller.project_id, "owner": caller.project_id}
        self._policy.check(caller, "get_images", target)
        found = self._images.find(wanted, Viewer(caller.project_id, caller.is_admin))
        allowed = self._policy.allowing(caller, "get_image")
        shown = [i for i in found if allowed(self._policy.image_target(i, caller))]
        return shown, found[-1].id if found and len(found) == wanted.limit else None

    def show(self, caller: Caller, image_id: str) -> Image:
        """The image. Raises ImageNotFound."""
        return self._gate.image(caller, image_id)

    def update(self, caller: Caller, image_id: str, changes: Sequence[Change]) -> Image:
        """The image with all changes made, or none of them. Raises Denied, Conflict, OverLimit."""
        return self._change(caller, self._gate.image(caller, image_id), changes)

    def _change(self, caller: Caller, image: Image, changes: Sequence[Change]) -> Image:
        self._gate.allow(caller, "modify_image", image)
        moves = [it for it in changes if self._relocation and it.name == "locations"]
        changed = patching.apply(image, [it for it in changes if it not in moves])
        if changed.owner != image.owner and not caller.is_admin:
            raise errors.Denied("owner: only an admin may give an image to another project")
        if changed.visibility != image.visibility:
            self._gate.allow_visibility(caller, changed)
        self._quota.check_change(image, changed)
        if self._relocation and moves:
            return self._relocation.change(caller, image, changed, moves)
        if changed == image:
            return image
        return self._images.swap(image, changed)

    def tag(self, caller: Caller, image_id: str, tag: str) -> None:
        """Put a tag on an image; nothing happens when it has it already."""
        image = self._gate.image(caller, image_id)
        self._change(caller, image, [Change(Op.REPLACE, "tags", [*image.tags, tag])])

    def untag(self, caller: Caller, image_id: str, tag: str) -> None:
        """Take a tag off an image. Raises NotFound when it has no such tag."""
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "modify_image", image)
        if tag not in image.tags:
            raise errors.NotFound(f"Image {image_id} has no tag {tag!r}")
        left = [other for other in image.tags if other != tag]
        self._change(caller, image, [Change(Op.REPLACE, "tags", left)])

    def deactivate(self, caller: Caller, image_id: str) -> None:
        """Close an active image to downloads by others than admins. Idempotent."""
        self._switch(caller, image_id, "deactivate", Status.ACTIVE, Status.DEACTIVATED)

    def reactivate(self, caller: Caller, image_id: str) -> None:
        """Open a deactivated image again. Idempotent."""
        self._switch(caller, image_id, "reactivate", Status.DEACTIVATED, Status.ACTIVE)

    def delete(self, caller: Caller, image_id: str) -> None:
        """Delete an image and its data; where deletes are delayed the data is left to the scrubber.

        The row goes first, to pending_delete, so that no crash leaves an active image without its
        bytes. Raises Denied when it is protected, InUse when a store says its data is used.
        """
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "delete_image", image)
        if image.protected:
            raise errors.Denied(f"Image {image_id} is protected: set protected to false first")
        if not image.locations:
            self._deletes.finish(image.id, image.status)
            self._staging.discard(image.id)
            return
        # The lease keeps the worker from finishing what it takes for a delete that was cut off.
        with self._leases.hold(f"image:{image.id}", patience=PATIENCE):
            if self._delayed and image.may_become(Status.PENDING_DELETE):
                self._deletes.delay(image)
            else:
                self._delete_now(image)
        self._forget(image.id)

    def _delete_now(self, image: Image) -> None:
        self._deletes.begin(image)
        try:
            done = self._removal.finish(image.id, image.locations, whole=True)
        except errors.DataInUse:
            self._deletes.cancel(image)
            raise
        if not done:
            LOG.warning("Image %s: some of its data is left; a worker tries again", image.id)

    def _switch(
        self, caller: Caller, image_id: str, rule: str, wanted: Status, target: Status
    ) -> None:
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, rule, image)
        if image.status is target:
            return
        if image.status is not wanted:
            raise errors.Denied(
                f"Image {image_id} is {image.status.value}; only an image that is "
                f"{wanted.value} can become {target.value}"
            )
        self._images.swap(image, image.moved_to(target))


def _new_image(caller: Caller, fields: Mapping[str, Any]) -> Image:
    """The image a create request describes. Raises Denied for fields a caller may not set."""
    for name in fields:
        reason = refuse_reason(name) if name != "id" else None
        if reason:
            raise errors.Denied(reason)
    owner = fields.get("owner", caller.project_id)
    if owner != caller.project_id and not caller.is_admin:
        raise errors.Denied("owner: only an admin may create an image for another project")
    own = {name: value for name, value in fields.items() if name in WRITABLE}
    moment = now()
    return Image(
        id=fields.get("id") or str(uuid.uuid4()),
        status=Status.QUEUED,
        created_at=moment,
        updated_at=moment,
        properties={n: v for n, v in fields.items() if n not in WRITABLE | READ_ONLY},
        **{
            **own,
            "owner": owner,
            "visibility": Visibility(fields.get("visibility") or Visibility.SHARED),
            "tags": tuple(dict.fromkeys(fields.get("tags") or ())),
        },
    )
