"""Images in a pool of Ceph, one block device each, which Nova and Cinder can clone.

A complete image has the protected snapshot `snap`, as Glance makes it.
"""

import datetime
import logging
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from calotype import errors
from calotype.model.location import Location
from calotype.stores import rbd_streams
from calotype.stores.rbd_address import SCHEME, SNAPSHOT, Address
from calotype.stores.rbd_cluster import Cluster, try_out
from calotype.stores.rbd_image import is_marked, new_image, remove_image
from calotype.stores.rbd_library import rbd
from calotype.stores.rbd_settings import RbdSettings
from calotype.stores.rbd_streams import Reader, Writer
from calotype.stores.store import UNFINISHED, Source, Store, Traits

__all__ = ["RbdSettings", "RbdStore"]

LOG = logging.getLogger(__name__)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


class RbdStore:
    """A store in one pool. Reads what lies in other pools of the same cluster, too."""

    def __init__(self, settings: RbdSettings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings)
        self._configured_fsid = settings.configured_fsid()
        fsid = {"fsid": self._configured_fsid} if self._configured_fsid else {}
        self.traits = Traits(
            type="rbd",
            schemes=(SCHEME,),
            sparse=settings.thin_provisioning,
            direct=True,
            backend=settings.ceph_conf,
            properties={
                "pool": settings.pool,
                "chunk_size": settings.object_size,
                "thin_provisioning": settings.thin_provisioning,
                **fsid,
            },
        )

    # -- the five methods of a store ------------------------------------------------------------

    def put(self, key: str, source: Source, size: int | None) -> Location:
        length = min(self._settings.object_size, rbd_streams.PIECE)
        with self._filling(key, size or 0, length, declared=size) as (writer, location):
            offset = 0
            for piece in rbd_streams.pieces(source, length):
                writer.write(piece, offset)
                offset += len(piece)
            writer.finish(offset)
        _tell_resizes(key, writer.resizes)
        return location

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        return _Blocks(self._cluster, self._address(location), offset, length)

    def size(self, location: Location) -> int:
        address = self._address(location)
        # What was never completed has no snapshot yet.
        at = None if location.status == UNFINISHED else address.snapshot
        with _open(self._cluster, address, at) as (_, image):
            return int(image.size())

    def delete(self, location: Location) -> None:
        address = self._address(location)
        with self._cluster.pool(address.pool or self._settings.pool) as pool:
            remove_image(pool, address.image, address.snapshot)

    def check(self) -> None:
        try_out(self._settings, self._settings.pool, f"calotype-check-{uuid.uuid4()}")

    # -- its powers ------------------------------------------------------------------------------

    def find(self, key: str) -> Location | None:
        address = self._new_address(key)
        try:
            with _open(self._cluster, address, None):
                return Location(address.url)
        except errors.DataNotFound:
            return None

    def recognizes(self, url: str) -> bool:
        try:
            address = Address.parse(url)
            if address.fsid is None or address.pool != self._settings.pool:
                return False
            return address.fsid == (self._configured_fsid or self._cluster.fsid())
        except errors.StoreError:
            return False

    def leftovers(self, older_than: float) -> Iterator[Location]:
        with self._cluster.pool(self._settings.pool) as pool:
            names = rbd.RBD().list(pool)
        for name in filter(UUID.fullmatch, names):
            try:
                with _open(self._cluster, self._new_address(name), None) as (_, image):
                    found = self._leftover(image, name, older_than)
            except errors.DataNotFound:
                continue
            if found is not None:
                yield found

    def copy_within(
        self, key: str, holder: Store, location: Location, tell: Callable[[int], None]
    ) -> Location:
        if not isinstance(holder, RbdStore) or holder._cluster.fsid() != self._cluster.fsid():
            raise errors.Unsupported("The data is not in this cluster")
        address = holder._address(location)
        with _open(holder._cluster, address, address.snapshot) as (pool, image):
            size = image.size()
            with self._filling(key, size, rbd_streams.READ) as (writer, copy):
                ranges = rbd_streams.allocated(image)
                failed = holder._cluster.failed
                reader = Reader(pool, image, address.snapshot, ranges, failed)
                with closing(reader):
                    for offset, piece in reader:
                        writer.write(piece, offset)
                        tell(offset + len(piece))
                writer.finish(size)
        tell(size)
        return copy

    # -- how -------------------------------------------------------------------------------------

    @contextmanager
    def _filling(
        self, key: str, size: int, piece: int, *, declared: int | None = None
    ) -> Iterator[tuple[Writer, Location]]:
        """A new image to be filled within, and where it then lies; gone again after a failure.

        `piece`: the length of its pieces. `declared`: bytes for which there must be room at once.
        Raises DataExists, StoreFull.
        """
        settings, cluster = self._settings, self._cluster
        location = Location(self._new_address(key).url)
        with cluster.pool(settings.pool) as pool:
            room = cluster.room(settings.pool)
            # Data with holes may need far less than its size: that is tried.
            if room is not None and not settings.thin_provisioning and (declared or 0) > room:
                raise errors.StoreFull(f"The pool {settings.pool} has no room for {declared} bytes")
            features = cluster.features()
            made = new_image(pool, key, size, order=settings.order, features=features)
            try:
                with made as image:
                    writer = Writer(
                        image,
                        size,
                        cluster.failed,
                        piece=piece,
                        room=room,
                        thin=settings.thin_provisioning,
                    )
                    try:
                        yield writer, location
                    finally:
                        writer.settle()
            except rbd.ImageExists as error:
                raise errors.DataExists(url=location.url) from error

    def _address(self, location: Location) -> Address:
        """What a location says. Raises StoreUnavailable when that is in another cluster."""
        address = Address.parse(location.url)
        if address.fsid not in (None, self._cluster.fsid()):
            raise errors.StoreUnavailable("The data lies in another Ceph cluster than its store")
        return address if address.pool else Address(address.image, pool=self._settings.pool)

    def _new_address(self, key: str) -> Address:
        return Address(key, self._cluster.fsid(), self._settings.pool, SNAPSHOT)

    def _leftover(self, image: Any, name: str, older_than: float) -> Location | None:
        """An image as a location, when it was made and written before a moment."""
        snapshots = [found["id"] for found in image.list_snaps() if found["name"] == SNAPSHOT]
        marked = is_marked(image)
        if not snapshots and not marked:
            # Of the first years of Glance, or of another service.
            return None
        times = [image.create_timestamp(), image.modify_timestamp()]
        times += [image.get_snap_timestamp(number) for number in snapshots]
        if max(map(_epoch, times)) >= older_than:
            return None
        url = self._new_address(name).url
        return Location(url, status=UNFINISHED) if marked else Location(url)


class _Blocks(Iterator[bytes]):
    """A part of an image, block by block; closes it at the end."""

    def __init__(self, cluster: Cluster, address: Address, offset: int, length: int | None) -> None:
        self._cluster = cluster
        self._open = ExitStack()
        with ExitStack() as opening:
            found = opening.enter_context(_open(cluster, address, address.snapshot, watch=True))
            pool, image = found
            rest = max(0, image.size() - offset)
            part = (offset, rest if length is None else min(rest, length))
            reader = Reader(pool, image, address.snapshot, iter([part]), cluster.failed)
            opening.callback(reader.close)
            self._reader: Iterator[tuple[int, bytes]] = reader
            self._open = opening.pop_all()

    def __next__(self) -> bytes:
        try:
            with self._cluster.translating():
                return next(self._reader)[1]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the image, also before the end."""
        self._reader = iter(())
        self._open.close()


@contextmanager
def _open(
    cluster: Cluster, address: Address, snapshot: str | None, *, watch: bool = False
) -> Iterator[tuple[Any, Any]]:
    """The pool and the image at an address, opened at a snapshot or as it is now.

    `watch`: without a snapshot, keep others from deleting it meanwhile. Raises DataNotFound.
    """
    assert address.pool is not None
    with cluster.pool(address.pool) as pool:
        read_only = snapshot is not None or not watch
        with rbd.Image(pool, address.image, snapshot=snapshot, read_only=read_only) as image:
            yield pool, image


def _epoch(moment: datetime.datetime) -> float:
    """Ceph's library gives the time of UTC, and does not say so."""
    return moment.replace(tzinfo=datetime.UTC).timestamp()


def _tell_resizes(key: str, resizes: int) -> None:
    if resizes:
        LOG.info("Image %s: its size was not known, so it was changed %d times", key, resizes)
