"""The bytes of an image: putting them behind a queued image, and getting them back."""

import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from calotype import errors, streams
from calotype.cache.reader import Reader
from calotype.caller import Caller
from calotype.db.images import Images as Rows
from calotype.db.leases import PATIENCE, Lease, Leases
from calotype.formats.detect import FormatWatcher
from calotype.model.image import Image, Status
from calotype.model.location import Location
from calotype.quota import Quota
from calotype.services.gate import Gate
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.store import OpensFiles, Store
from calotype.streams import Body, Intake

LOG = logging.getLogger(__name__)

#: The properties that together ask for the data's signature to be verified.
SIGNATURE = (
    "img_signature",
    "img_signature_hash_method",
    "img_signature_key_type",
    "img_signature_certificate_uuid",
)


@dataclass(frozen=True)
class IntakeRules:
    """What is done with data on its way in: digests to take, and how its format is judged."""

    hashing_algorithm: str = "sha512"
    md5_checksum: bool = True
    require_format_match: bool = True
    nonfatal_gpt_checks: tuple[str, ...] = ()

    def format_watcher(self, image: Image) -> FormatWatcher:
        """What judges the format of the data of an image."""
        return FormatWatcher(
            image.disk_format,
            image.container_format,
            require_match=self.require_format_match,
            nonfatal_gpt_checks=self.nonfatal_gpt_checks,
        )


@dataclass(frozen=True)
class Window:
    """The part of the data that is wanted, in bytes."""

    offset: int
    length: int


@dataclass(frozen=True)
class _Stored:
    """Data that lies in a store, and where."""

    store: Store
    place: Location


@dataclass
class _Attempt:
    """One upload on its way: the image, in status saving, and its data once that is stored."""

    image: Image
    stored: _Stored | None = None


class ImageData:
    """Upload and download."""

    def __init__(
        self,
        images: Rows,
        gate: Gate,
        quota: Quota,
        stores: Catalog,
        leases: Leases,
        rules: IntakeRules,
        cache: Reader | None = None,
    ) -> None:
        self._images = images
        self._gate = gate
        self._quota = quota
        self._stores = stores
        self._leases = leases
        self._rules = rules
        self._cache = cache

    def upload(
        self,
        caller: Caller,
        image_id: str,
        body: Body,
        *,
        declared: int | None = None,
        store_id: str | None = None,
    ) -> None:
        """Put `body` behind a queued image and make it active.

        `declared` is the size the client promised, in bytes; a body of another size is refused with
        SizeMismatch. On any error nothing of the data remains and the image is queued again.
        Raises Conflict (not queued), Gone (deleted meanwhile), OverLimit, UnsupportedMedia.
        """
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "upload_image", image)
        room, limit = self._quota.room(caller)
        if declared is not None and declared > room:
            raise errors.OverLimit(f"{declared} bytes are more than {limit} allows, {room}")
        target = self._stores.entry(store_id if self._stores.multi else None)
        _need_queued(image)
        need_formats(image)
        refuse_signed(image)
        with (
            self._leases.hold(f"image:{image.id}", patience=PATIENCE) as lease,
            self._saving(image, lease) as attempt,
        ):
            watcher = self._rules.format_watcher(attempt.image)
            with self._intake(body, declared, room, limit, watcher) as intake:
                attempt.stored = self._put(target, image, intake, declared)
                facts = intake.facts()
                active = attempt.image.moved_to(
                    Status.ACTIVE,
                    size=facts.size,
                    checksum=facts.checksum,
                    os_hash_algo=facts.os_hash_algo,
                    os_hash_value=facts.os_hash_value,
                    virtual_size=watcher.virtual_size if facts.size else None,
                    locations=(*image.locations, self._labelled(attempt.stored.place, target)),
                )
                self._activate(attempt.image, active, lease)
        LOG.info("Image %s is active: %d bytes in store %s", image.id, facts.size, target.id)

    def download(self, caller: Caller, image_id: str, prefer: Sequence[str] = ()) -> Image:
        """The image, if the caller may have its data. Raises ImageNotFound, Denied.

        `prefer`: the stores from which it should come, the best one first. Raises Invalid when
        there is no such store.
        """
        image = self._gate.image(caller, image_id)
        self._gate.allow(caller, "download_image", image)
        if prefer:
            self._gate.allow(caller, "download_from_store", image)
            self._need_stores(prefer)
        if image.status is Status.DEACTIVATED and not caller.is_admin:
            raise errors.Denied(f"Image {image_id} is deactivated: its data is not available")
        return image

    def read(
        self, image: Image, window: Window, prefer: Sequence[str] = ()
    ) -> BinaryIO | Iterator[bytes] | None:
        """The data of an image from its best copy; None when no copy has any.

        A file comes at its beginning, whatever the window; an iterator gives just the window.
        It comes from the cache of this node if there is one, and through it if it can be kept
        there. Raises StoreUnavailable when no copy can be reached.
        """
        origin = Origin(self._images, self._stores, image, prefer)
        if self._cache is not None:
            file = self._cache.open(image)
            if file is not None:
                return file
            # A part is not worth the wait for all that lies before it.
            if window.length == image.size and image.status is Status.ACTIVE:
                followed = self._cache.follow(image, origin)
                if followed is not None:
                    return followed
        return origin.read(window)

    def _need_stores(self, prefer: Sequence[str]) -> None:
        if not self._stores.multi:
            raise errors.Invalid("prefer: stores have no names here: enabled_backends is not set")
        for store_id in prefer:
            self._stores.entry(store_id)

    def _labelled(self, location: Location, target: Entry) -> Location:
        if not self._stores.multi:
            return location
        return Location(location.url, {**location.metadata, "store": target.id})

    def _intake(
        self, body: Body, declared: int | None, room: int, limit: str, watcher: FormatWatcher
    ) -> Intake:
        return Intake(
            body,
            algorithm=self._rules.hashing_algorithm,
            md5=self._rules.md5_checksum,
            declared=declared,
            limit=room,
            limit_name=limit,
            watchers=(watcher,),
        )

    def _put(self, target: Entry, image: Image, intake: Intake, declared: int | None) -> _Stored:
        store = target.for_owner(image.owner)
        try:
            try:
                return _Stored(store, store.put(image.id, intake, declared))
            except errors.DataExists as error:
                self._clear_away(store, image, error)
                return _Stored(store, store.put(image.id, intake, declared))
        except errors.SizeMismatch as error:
            LOG.warning("Refused the data of image %s: %s", image.id, error)
            raise

    def _clear_away(self, store: Store, image: Image, found: errors.DataExists) -> None:
        """Remove what an upload of this image left that died between its data and its row.

        Raises `found` unless everything says so: nobody else may be at it, since we hold the lease;
        no image names the data, and this one never had any.
        """
        url = found.url
        if url is None or self._images.named([url]) or self._images.located([image.id])[image.id]:
            raise found
        LOG.warning("Image %s: replacing the data that a crashed upload left behind", image.id)
        try:
            store.delete(Location(url))
        except errors.DataNotFound as error:
            raise found from error  # it is there, but it is no data

    def _activate(self, saving: Image, active: Image, lease: Lease) -> None:
        try:
            self._images.swap(saving, active, lease.confirm)
        except errors.ImageNotFound as error:
            raise errors.Gone(f"Image {saving.id} was deleted during the upload") from error

    @contextmanager
    def _saving(self, image: Image, lease: Lease) -> Iterator[_Attempt]:
        """The image in status saving while the block runs; as before when the block fails."""
        attempt = _Attempt(self._images.swap(image, image.moved_to(Status.SAVING)))
        try:
            attempt.image = self._unchanged(attempt.image)
            yield attempt
        except BaseException:
            self._undo(attempt, lease)
            raise

    def _unchanged(self, image: Image) -> Image:
        """The image as it is now that nobody may change its formats any more.

        Raises ChangedMeanwhile when what was checked before has been changed since.
        """
        fresh = self._images.get(image.id)
        if _checked(fresh) != _checked(image):
            raise errors.ChangedMeanwhile()
        return fresh

    def _undo(self, attempt: _Attempt, lease: Lease) -> None:
        """Queue the image again, and only then remove its data; never replaces the first error.

        Queueing proves that the image is not active after all, e.g. because just the answer of the
        database was lost, and that no other process has taken over.
        """
        image, stored = attempt.image, attempt.stored
        try:
            self._images.swap(image, image.moved_to(Status.QUEUED, size=None), lease.confirm)
        except errors.ImageNotFound:
            LOG.info("Image %s was deleted during the upload", image.id)
        except Exception:
            LOG.exception("Image %s is left to the worker as it is, and so is its data", image.id)
            return
        if stored is not None:
            try:
                stored.store.delete(stored.place)
            except Exception:
                LOG.exception("Image %s: refused data is left for the sweeper", image.id)


def _checked(image: Image) -> object:
    return image.disk_format, image.container_format, image.properties


def _need_queued(image: Image) -> None:
    if image.status is not Status.QUEUED:
        raise errors.Conflict(
            f"Image {image.id} is {image.status.value}: data can be uploaded to a queued image only"
        )


def need_formats(image: Image) -> None:
    """Raise Invalid when an image has no formats and so may not become active."""
    for name in ("disk_format", "container_format"):
        if not getattr(image, name):
            raise errors.Invalid(f"{name}: must be set before an image can have data")


def refuse_signed(image: Image) -> None:
    """An image whose signature was to be checked must not become active unchecked."""
    if all(image.properties.get(name) for name in SIGNATURE):
        raise errors.Invalid(
            f"{SIGNATURE[0]}: signatures cannot be verified by this service yet; "
            "take the property away to do without verification"
        )


@dataclass(frozen=True)
class Origin:
    """The stores of one image as a source of its data. `prefer`: those to try first."""

    images: Rows
    stores: Catalog
    image: Image
    prefer: Sequence[str] = ()

    def read(self, window: Window) -> BinaryIO | Iterator[bytes] | None:
        """The data from the best copy; None when no copy has any.

        A file comes at its beginning, whatever the window; an iterator gives just the window.
        Raises StoreUnavailable when no copy can be reached.
        """
        image, trouble = self.image, None
        for location in self.stores.ordered(image.locations, self.prefer):
            try:
                return _open(self.stores.holding(location), location, image, window)
            except errors.DataNotFound as error:
                LOG.error("Image %s: a copy is missing or damaged: %s", image.id, error)
            except errors.StoreError as error:
                LOG.error("Image %s: a copy cannot be read: %s", image.id, error)
                trouble = error
        if trouble is not None:
            raise errors.StoreUnavailable("The store of this image cannot be reached") from trouble
        return None

    def stream(self, offset: int) -> Iterator[bytes] | None:
        """The data from there to its end, block by block. Raises as `read` does."""
        data = self.read(Window(offset, (self.image.size or 0) - offset))
        return _Blocks(data, offset) if isinstance(data, io.IOBase) else data

    def wanted(self) -> bool:
        """Whether the image is still one that a cache may keep."""
        try:
            return self.images.get(self.image.id).status is Status.ACTIVE
        except errors.ImageNotFound:
            return False


class _Blocks(Iterator[bytes]):
    """A file from there to its end."""

    def __init__(self, file: io.IOBase, offset: int) -> None:
        self._file = file
        file.seek(offset)

    def __next__(self) -> bytes:
        block: bytes = self._file.read(streams.BLOCK)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open(
    store: Store, location: Location, image: Image, window: Window
) -> BinaryIO | Iterator[bytes]:
    if isinstance(store, OpensFiles):
        return _whole_file(store.open(location), image)
    return store.read(location, window.offset, window.length)


def _whole_file(file: BinaryIO, image: Image) -> BinaryIO:
    """The file, if it is as long as the image: what was damaged on disk is not served."""
    length = file.seek(0, 2)
    if length != image.size:
        file.close()
        raise errors.DataNotFound(f"a file has {length} bytes where {image.size} are recorded")
    file.seek(0)
    return file
