"""The backends that uploads to them are measured with, and the two servers that have stores there.

Each backend is a private real one, started for its measurement. Calotype and Glance read the same
configuration and use the same database and the same backend.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.backends.ceph import Ceph
from tests.backends.cinder import Cinder
from tests.backends.glance_beside import glance_beside
from tests.backends.kinds import S3, Backend, Objects, Rbd, Volumes
from tests.backends.scene import make_service
from tests.backends.swift import STORE as SWIFT_USER
from tests.backends.swift import Swift
from tests.keystone import Keystone
from tests.service import environment
from tools.bench.peers import PROCESSES, Peer

#: Names of the two, before that of the backend.
OURS, THEIRS = "calotype-", "glance-"
#: What Swift takes as one object as a rule, in bytes.
_LARGEST = 5 << 30


@contextmanager
def servers(
    kind: str, home: Path, address: Callable[[str], str], *, alone: bool
) -> Iterator[dict[str, Peer]]:
    """The two servers by name, configured and not started; the backend runs. Raises Missing."""
    with ExitStack() as ends:
        backend = _BACKENDS[kind](home, ends)
        service = make_service(home / kind, backend, database=address(f"{kind}"))
        synced = service.run("db", "sync")
        if synced.returncode:
            raise RuntimeError(f"calotype db sync failed: {synced.stderr}")
        ours = Peer(OURS + kind, service.folder, environment=environment())
        # Its worker would take Glance's uploads for some of its own that died.
        serve = ("serve", "--port", str(ours.port), "--workers", str(PROCESSES), "--no-worker")
        ours.command = service.command(*serve)
        found = [ours]
        if not alone:
            theirs = glance_beside(service)
            theirs.name = THEIRS + kind
            found.append(theirs)
        yield {peer.name: peer for peer in found}


def _ceph(ends: ExitStack) -> Ceph:
    ceph = Ceph()
    ends.callback(ceph.remove)
    return ceph.start()


def _rbd(home: Path, ends: ExitStack) -> Backend:
    return Rbd(_ceph(ends))


def _s3(home: Path, ends: ExitStack) -> Backend:
    gateway = _ceph(ends).start_radosgw()
    defaults = {"s3_store_large_object_size": 100, "s3_store_large_object_chunk_size": 10}
    return S3(gateway.url, gateway.access_key, gateway.secret_key, **defaults)


def _swift(home: Path, ends: ExitStack) -> Backend:
    keystone = Keystone(home / "keystone").start()
    ends.callback(keystone.stop)
    swift = Swift(keystone, largest=_LARGEST)
    ends.callback(swift.remove)
    keystone.add({SWIFT_USER: "admin"})
    keystone.serve("object-store", "swift", f"{swift.url}/v1/AUTH_$(project_id)s")
    swift.start()
    return Objects(swift, home, large=5120, part=200)


def _cinder(home: Path, ends: ExitStack) -> Backend:
    cinder = Cinder(_ceph(ends))
    ends.callback(cinder.remove)
    return Volumes(cinder.start())


_BACKENDS: dict[str, Callable[[Path, ExitStack], Backend]] = {
    "rbd": _rbd,
    "s3": _s3,
    "swift": _swift,
    "cinder": _cinder,
}
