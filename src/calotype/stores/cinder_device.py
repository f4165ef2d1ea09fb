"""Volumes on this machine: os-brick makes them reachable, here they are read and written.

os-brick needs root for most kinds of volumes. When the service is root it works in this process;
else by a helper of its own, started with sudo (see docs/operate/stores/cinder.md). It is loaded
and set up when the first volume is attached.
"""

import contextlib
import importlib
import importlib.util
import logging
import os
import shutil
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

from calotype import errors
from calotype.stores.cinder_settings import CinderSettings

LOG = logging.getLogger(__name__)

#: How often os-brick looks for a device.
_SCANS = 5
_SET_UP = threading.Lock()


class Device(Protocol):
    """A volume within reach. May be used from several threads at once."""

    def read(self, offset: int, length: int) -> bytes:
        """What lies there; shorter only at the end of the volume."""
        ...

    def write(self, offset: int, data: bytes) -> None:
        """Write all of it there."""
        ...

    def flush(self) -> None:
        """Return when all that was written is durable."""
        ...

    def grown(self) -> None:
        """See that it has become larger."""
        ...

    def close(self) -> None:
        """Let go of it in this process; others may still use it."""
        ...

    def disconnect(self) -> None:
        """Take it away from this machine; nobody uses it any more."""
        ...


class Connector:
    """Makes volumes reachable for one store."""

    def __init__(self, settings: CinderSettings) -> None:
        """Raises ModuleNotFoundError without os-brick, which is not loaded yet."""
        if importlib.util.find_spec("os_brick") is None:
            raise ModuleNotFoundError("No module named 'os_brick'", name="os_brick")
        self._settings = settings
        self._properties: dict[str, Any] | None = None

    def properties(self) -> dict[str, Any]:
        """What Cinder must know of this machine."""
        if self._properties is None:
            brick, settings = _brick(self._settings), self._settings
            with _reaching("describe this machine to Cinder"):
                self._properties = dict(
                    brick.get_connector_properties(
                        root_helper(settings.rootwrap),
                        _address(),
                        settings.use_multipath,
                        settings.enforce_multipath,
                        host=socket.gethostname(),
                    )
                )
        return self._properties

    def open(self, info: dict[str, Any], mode: str) -> Device:
        """The volume that Cinder says can be reached like this."""
        if info.get("encrypted") or info.get("format") not in (None, "raw"):
            raise errors.StoreError("Only volumes that are neither encrypted nor qcow2 are used")
        connector, info = self._made_for(info)
        with _reaching("reach a volume"):
            found = connector.connect_volume(info)

        def grown() -> None:
            with (
                _reaching("see the new size of a volume"),
                contextlib.suppress(NotImplementedError),
            ):
                connector.extend_volume(info)

        def disconnect() -> None:
            with _reaching("let go of a volume"):
                connector.disconnect_volume(info, found)

        path = found["path"]
        if not isinstance(path, str | bytes):
            return _Image(path, disconnect)
        try:
            return _File(os.fsdecode(path), mode, grown, disconnect)
        except BaseException:
            with contextlib.suppress(errors.StoreError):
                disconnect()
            raise

    def clear(self, info: dict[str, Any]) -> None:
        """Take away from this machine what a dead process had connected, as far as can be."""
        if not info.get("driver_volume_type"):
            return
        connector, info = self._made_for(info)
        with _reaching("let go of a volume"):
            connector.disconnect_volume(info, None, force=True, ignore_errors=True)

    def _made_for(self, info: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        kind = info["driver_volume_type"]
        where = os.path.join(self._settings.mount_point_base, kind)
        info = {**info, "mount_point_base": where}
        brick = _brick(self._settings)
        with _reaching("reach volumes of this kind"):
            connector = brick.InitiatorConnector.factory(
                kind,
                root_helper(self._settings.rootwrap),
                use_multipath=self._settings.use_multipath,
                device_scan_attempts=_SCANS,
                conn=info,
            )
        return connector, info


class _File:
    """A volume as a block device or a file."""

    def __init__(
        self, path: str, mode: str, grown: Callable[[], None], disconnect: Callable[[], None]
    ) -> None:
        flags = os.O_RDWR if mode == "rw" else os.O_RDONLY
        with _reaching("open a volume"):
            self._descriptor = os.open(path, flags | os.O_CLOEXEC)
        self.grown = grown
        self.disconnect = disconnect

    def read(self, offset: int, length: int) -> bytes:
        with _reaching("read a volume"):
            return os.pread(self._descriptor, length, offset)

    def write(self, offset: int, data: bytes) -> None:
        left = memoryview(data)
        with _reaching("write to a volume"):
            while left:
                done = os.pwrite(self._descriptor, left, offset)
                offset, left = offset + done, left[done:]

    def flush(self) -> None:
        with _reaching("write to a volume"):
            os.fsync(self._descriptor)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class _Image:
    """A volume in Ceph, which os-brick opens in this process; nobody shares the handle."""

    def __init__(self, handle: Any, disconnect: Callable[[], None]) -> None:
        self._image = handle.rbd_image
        self._let_go = disconnect

    def read(self, offset: int, length: int) -> bytes:
        with _reaching("read a volume"):
            return bytes(self._image.read(offset, length))

    def write(self, offset: int, data: bytes) -> None:
        with _reaching("write to a volume"):
            self._image.write(data, offset)

    def flush(self) -> None:
        with _reaching("write to a volume"):
            self._image.flush()

    def grown(self) -> None:
        """Ceph tells those who have it open."""

    def close(self) -> None:
        self._let_go()

    def disconnect(self) -> None:
        """`close` has done it."""


def root_helper(rootwrap: str) -> str:
    """The command that os-brick puts before what only root may do."""
    if os.geteuid() == 0:
        return ""
    # Sites that come from Glance let its user do just this by sudo.
    wrapper = shutil.which("glance-rootwrap")
    return f"sudo -n {wrapper} {rootwrap}" if wrapper and os.path.exists(rootwrap) else "sudo -n"


def _brick(settings: CinderSettings) -> Any:
    """os-brick's module of connectors, set up once in a process."""
    with _SET_UP:
        _load()
        from os_brick.initiator import connector
        from os_brick.initiator.connectors import base

        # These are the settings of os-brick, which it has for itself.
        if base.CONF.os_brick.lock_path is None:
            _set_up(settings, base.CONF)
        return connector


def _load() -> None:
    """Load os-brick, in a thread that nobody joins.

    It brings eventlet along, which loads a `threading` of its own. That takes the thread it is
    loaded in for the main one, and whoever joins that thread waits for good.
    """
    if "os_brick.initiator.connector" not in sys.modules:
        loaded: Future[None] = Future()
        threading.Thread(target=_load_here, args=(loaded,), name="os-brick", daemon=True).start()
        loaded.result()


def _load_here(loaded: "Future[None]") -> None:
    try:
        with warnings.catch_warnings():
            # Eventlet says that it is old; it is not used here.
            warnings.simplefilter("ignore")
            # os-brick takes them when it is loaded, or never. Without Ceph they need not be there.
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module("calotype.stores.rbd_library")
            importlib.import_module("os_brick.initiator.connector")
    except BaseException as error:
        loaded.set_exception(error)
    else:
        loaded.set_result(None)


def _set_up(settings: CinderSettings, conf: Any) -> None:
    from os_brick import privileged
    from oslo_privsep import priv_context

    locks = os.path.join(settings.mount_point_base, ".locks")
    with _reaching("lock volumes"):
        os.makedirs(locks, mode=0o700, exist_ok=True)
    conf.set_default("lock_path", locks, "os_brick")
    if os.geteuid() == 0:
        for context in (privileged.default, privileged.brick_privsep_hide_output):
            context.set_client_mode(False)
    else:
        priv_context.init(root_helper=root_helper(settings.rootwrap).split())


def _address() -> str:
    try:
        return socket.gethostbyname(socket.gethostname())
    except OSError:
        return "127.0.0.1"


def _failures() -> tuple[type[Exception], ...]:
    """What os-brick, the programs that it calls and Ceph raise: they have nothing in common."""
    from os_brick.exception import BrickException
    from oslo_concurrency.processutils import ProcessExecutionError

    ceph = [sys.modules[name].Error for name in ("rados", "rbd") if name in sys.modules]
    return OSError, BrickException, ProcessExecutionError, *ceph


@contextmanager
def _reaching(doing: str) -> Iterator[None]:
    """Turn the errors of os-brick, of librbd and of the system into ours."""
    try:
        yield
    except _failures() as error:
        LOG.warning("Cannot %s: %s", doing, error)
        raise errors.StoreUnavailable(f"The service cannot {doing}: its log says why") from error
