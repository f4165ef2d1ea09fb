"""An image in Ceph from the first to the last of its states: made, filled, sealed, removed.

While it is filled it bears a mark. Without one, images that have no snapshot are left alone: those
of the first years of Glance have none, and are whole.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from calotype import errors
from calotype.stores.rbd_address import SNAPSHOT
from calotype.stores.rbd_library import rbd

LOG = logging.getLogger(__name__)

#: The name of the image's metadata that says it is not complete.
MARK = "calotype.unfinished"


@contextmanager
def new_image(pool: Any, name: str, size: int, *, order: int, features: int) -> Iterator[Any]:
    """An empty image to be filled within; sealed by a protected snapshot, or gone, at the end.

    Raises rbd.ImageExists.
    """
    made = True
    try:
        try:
            rbd.RBD().create(pool, name, size, order=order, old_format=False, features=features)
        except rbd.Error:
            made = False
            raise
        with rbd.Image(pool, name) as image:
            image.metadata_set(MARK, "1")
            yield image
            image.create_snap(SNAPSHOT)
            image.protect_snap(SNAPSHOT)
            # Last, so that whatever is interrupted bears it. Clones would inherit it.
            image.metadata_remove(MARK)
    except BaseException:
        if made:
            _discard(pool, name)
        raise


def _discard(pool: Any, name: str) -> None:
    """Remove an image that nobody can have a use for."""
    try:
        with rbd.Image(pool, name) as image:
            for snapshot in image.list_snaps():
                _remove_snapshot(image, snapshot["name"])
        rbd.RBD().remove(pool, name)
    except rbd.ImageNotFound:
        with suppress(rbd.Error):
            rbd.RBD().remove(pool, name)  # what half a creation left
    except rbd.Error as error:
        LOG.error("An incomplete image is left in Ceph, to be swept: %s: %s", name, error)


def is_marked(image: Any) -> bool:
    """Whether an image was never completed."""
    try:
        image.metadata_get(MARK)
    except KeyError:
        return False
    return True


def remove_image(pool: Any, name: str, snapshot: str | None) -> None:
    """Remove an image with its snapshot. Raises DataInUse, and then it is whole as it was.

    The snapshot must go before the image can, so what speaks against it is looked for first.
    Raises rbd.ImageNotFound.
    """
    try:
        with rbd.Image(pool, name, read_only=True) as image:
            _refuse_if_used(image, snapshot)
        with rbd.Image(pool, name) as image:
            had = _has_snapshot(image, snapshot)
            if had:
                _remove_snapshot(image, snapshot)
    except rbd.ImageNotFound:
        had = False  # remove what half a creation left, or raise the same
    try:
        rbd.RBD().remove(pool, name)
    except rbd.ImageHasSnapshots:
        # Somebody cloned it in this very moment: the clone keeps the data, under no name.
        LOG.warning("The image %s was cloned while it was deleted: Ceph's trash has it", name)
        rbd.RBD().trash_move(pool, name, 0)
    except (rbd.ImageBusy, rbd.ImageNotFound) as error:
        if had and _put_back(pool, name, snapshot):
            raise errors.DataInUse(f"Ceph does not remove the image now: {error}") from error
        raise


def _refuse_if_used(image: Any, snapshot: str | None) -> None:
    # Opened for reading only, the image has no watcher of ours.
    if any(True for _ in image.watchers_list()):
        raise errors.DataInUse("Somebody has the image open in Ceph")
    if image.op_features() & rbd.RBD_OPERATION_FEATURE_CLONE_PARENT:
        raise errors.DataInUse("The image has clones in Ceph")
    mirrors = rbd.RBD_SNAP_NAMESPACE_TYPE_MIRROR
    others = [
        found["name"]
        for found in image.list_snaps()
        if found["name"] != snapshot and found["namespace"] != mirrors
    ]
    if others:
        raise errors.DataInUse(f"The image has other snapshots in Ceph, e.g. {others[0]}")


def _has_snapshot(image: Any, snapshot: str | None) -> bool:
    return any(found["name"] == snapshot for found in image.list_snaps())


def _remove_snapshot(image: Any, snapshot: str | None) -> None:
    protected = image.is_protected_snap(snapshot)
    if protected:
        try:
            image.unprotect_snap(snapshot)
        except rbd.ImageBusy as error:
            # It looks through all pools for clones of the older kind, and then changes nothing.
            raise errors.DataInUse("The image has clones in Ceph") from error
    try:
        image.remove_snap(snapshot)
    except rbd.Error:
        if protected:
            with suppress(rbd.Error):
                image.protect_snap(snapshot)
        raise


def _put_back(pool: Any, name: str, snapshot: str | None) -> bool:
    """Give an image its snapshot again, of which no byte has changed; False when it is gone."""
    try:
        with rbd.Image(pool, name) as image:
            image.create_snap(snapshot)
            image.protect_snap(snapshot)
    except rbd.ImageNotFound:
        return False
    except rbd.Error as error:
        LOG.error("The image %s has lost its snapshot %s: %s", name, snapshot, error)
    return True
