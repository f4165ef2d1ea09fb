"""Images as volumes of Cinder: `image-<image id>`, one for each, shared with Glance.

A volume is made at the declared size. It is an image when it is read-only: that is set last. Until
then it is unfinished, and belongs to the one who writes it.
"""

import calendar
import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from calotype import errors
from calotype.model.location import Location
from calotype.stores.cinder_api import PASSING, CinderApi
from calotype.stores.cinder_attachment import Attachments
from calotype.stores.cinder_errors import Refused
from calotype.stores.cinder_settings import CinderSettings
from calotype.stores.cinder_volume import GIB, VolumeWriter, gib, read_ahead
from calotype.stores.store import KEY, UNFINISHED, Source, Traits

__all__ = ["CinderSettings", "CinderStore"]

LOG = logging.getLogger(__name__)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_PREFIX = "image-"
#: The name in the metadata of a volume for the store that has made it.
_STORE = "calotype_store"
_GONE = frozenset(("deleting", "deleted"))


class CinderStore:
    """A store in one project of Cinder."""

    def __init__(self, store_id: str, settings: CinderSettings) -> None:
        """`store_id` is part of the addresses; empty where the stores have no names."""
        self._id = store_id
        self._api = CinderApi(settings)
        self._attachments = Attachments(self._api)
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self.traits = Traits(
            type="cinder",
            schemes=("cinder",),
            direct=True,
            properties={
                "volume_type": settings.volume_type,
                "use_multipath": settings.use_multipath,
            },
        )

    # -- the five methods of a store ------------------------------------------------------------

    def put(self, key: str, source: Source, size: int | None) -> Location:
        with self._alone(key):
            self._need_free(key)
            volume_id = self._create(key, size).id
            try:
                self._need_only(key, volume_id)
                self._fill(volume_id, source, size)
            except BaseException:
                self._discard(volume_id)
                raise
        return Location(self._url(volume_id))

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        volume = self._volume(location)
        end = _size(volume) if length is None else min(_size(volume), offset + length)
        if offset >= end:
            return
        with self._attachments.attached(volume.id, "ro") as device:
            yield from read_ahead(device, offset, end)

    def size(self, location: Location) -> int:
        return _size(self._volume(location))

    def delete(self, location: Location) -> None:
        volume = self._volume(location)
        if volume.status != "available":
            self._attachments.bury(volume.id)
            volume = self._settled(volume.id)
        try:
            self._api.remove(volume.id)
        except Refused as error:
            raise errors.DataInUse(f"The image data is in use: {error}") from error
        self._await_removal(volume.id)

    def check(self) -> None:
        self._attachments.prepare()
        self._api.try_out()

    # -- its powers ------------------------------------------------------------------------------

    def recognizes(self, url: str) -> bool:
        scheme, _, rest = url.partition("://")
        store_id, _, _ = rest.rpartition("/")
        # Without a store, as Glance wrote it when it had but one, it is a matter of the project.
        return scheme == "cinder" and (not store_id or not self._id or store_id == self._id)

    def find(self, key: str) -> Location | None:
        for volume in self._named(key):
            return Location(self._url(volume.id))
        return None

    def leftovers(self, older_than: float) -> Iterator[Location]:
        # By the clock of those who wrote the times down.
        moment = older_than - time.time() + self._api.clock()
        for volume in self._api.volumes():
            key = (volume.name or "").removeprefix(_PREFIX)
            if _is_of(volume, key) and UUID.fullmatch(key) and _touched(volume) < moment:
                status = "active" if _is_finished(volume) else UNFINISHED
                yield Location(self._url(volume.id), {KEY: key}, status=status)

    # -- how -------------------------------------------------------------------------------------

    def _url(self, volume_id: str) -> str:
        return f"cinder://{self._id}/{volume_id}" if self._id else f"cinder://{volume_id}"

    def _volume(self, location: Location) -> Any:
        """The volume that a location names. Raises DataNotFound."""
        scheme, _, rest = location.url.partition("://")
        volume_id = rest.rpartition("/")[2]
        if scheme != "cinder" or not UUID.fullmatch(volume_id):
            raise errors.StoreUnavailable("This is no location of a Cinder store")
        return self._api.volume(volume_id)

    def _settled(self, volume_id: str) -> Any:
        """The volume when nothing goes on with it; one that goes away has gone."""
        volume = self._api.await_state(volume_id, PASSING - _GONE)
        if volume.status in _GONE:
            self._await_removal(volume_id)
            raise errors.DataNotFound()
        return volume

    def _named(self, key: str) -> list[Any]:
        """What this store has made for a key; other stores may have volumes in the same project."""
        found = self._api.volumes(f"{_PREFIX}{key}")
        mine = [volume for volume in found if volume.metadata.get(_STORE, "") == self._id]
        return [volume for volume in mine if _is_of(volume, key)]

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Of the puts of one key in this process only one goes on; Cinder's names are not unique"""
        with self._lock:
            if key in self._busy:
                raise errors.DataExists("This is being written just now")
            self._busy.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._busy.remove(key)

    def _need_free(self, key: str) -> None:
        found = self.find(key)
        if found is not None:
            raise errors.DataExists(url=found.url)

    def _need_only(self, key: str, volume_id: str) -> None:
        # Whoever sees another one gives way, so there are never two; of two at the same moment
        # both may give way.
        if any(volume.id != volume_id for volume in self._named(key)):
            raise errors.DataExists()

    def _create(self, key: str, size: int | None) -> Any:
        metadata = {
            "glance_image_id": key,
            "image_size": str(size or 0),
            "image_owner": self._api.project_id(),
            **({_STORE: self._id} if self._id else {}),
        }
        return self._api.create(f"{_PREFIX}{key}", gib(size or 0), metadata)

    def _fill(self, volume_id: str, source: Source, size: int | None) -> None:
        volume = self._api.await_state(volume_id)
        if volume.status != "available":
            reason, full = self._api.reason(volume_id)
            kind = errors.StoreFull if full else errors.StoreError
            raise kind(f"Cinder could not make a volume of {volume.size} GiB: {reason}")
        with VolumeWriter(self._api, self._attachments, volume_id, volume.size) as writer:
            writer.take(source)
        if writer.extends:
            LOG.info("Extended the volume %s %d times", volume_id, writer.extends)
        if writer.written != size:
            self._api.describe(volume_id, {"image_size": str(writer.written)})
        self._api.await_state(volume_id)
        self._api.close_to_writers(volume_id)

    def _discard(self, volume_id: str) -> None:
        """Remove a volume that did not become an image; what fails is left for the sweeper."""
        try:
            self._attachments.end_all(volume_id)
            self._api.await_state(volume_id)
            self._api.remove(volume_id)
            self._await_removal(volume_id)
        except errors.DataNotFound:
            return
        except errors.StoreError as error:
            LOG.warning("The unfinished volume %s could not be removed: %s", volume_id, error)

    def _await_removal(self, volume_id: str) -> None:
        """Return when the volume has gone. Raises DataInUse, StoreError when it comes back."""
        try:
            volume = self._api.await_state(volume_id, _GONE)
        except errors.DataNotFound:
            return
        if volume.status == "available":
            raise errors.DataInUse("The image data is in use: others in the backend depend on it")
        reason, _ = self._api.reason(volume_id)
        raise errors.StoreError(f"Cinder could not remove the volume {volume_id}: {reason}")


def _is_of(volume: Any, key: str) -> bool:
    return bool(key) and volume.metadata.get("glance_image_id") == key


def _is_finished(volume: Any) -> bool:
    return str(volume.metadata.get("readonly", "")).lower() == "true"


def _size(volume: Any) -> int:
    text = str(volume.metadata.get("image_size", ""))
    return int(text) if text.isdecimal() else volume.size * GIB


def _touched(volume: Any) -> float:
    """When the volume last changed, in epoch seconds of Cinder's clock."""
    text = volume.updated_at or volume.created_at
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))
