"""The connection to a Ceph cluster: one for each process, made when it is first needed.

Librados runs threads of its own, which a fork does not copy: the connection of the parent is dead
in the child, and to close it there would wait for those threads for ever.
"""

import ctypes
import errno
import json
import logging
import os
import threading
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from calotype import errors
from calotype.stores.rbd_library import rados, rbd
from calotype.stores.rbd_settings import RbdSettings

LOG = logging.getLogger(__name__)

#: Seconds after which a trial gives up.
PATIENCE = 10

_NEXT = "See that the monitors of the cluster run and that rbd_store_ceph_conf names them"

#: How the connection differs from what ceph.conf says.
_OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        # A write counts when the disks have it, and several are under way at a time anyway.
        "rbd_cache": "false",
        # What is written is never changed meanwhile: no need for a copy of it.
        "rbd_disable_zero_copy_writes": "false",
    }
)
_TRIAL: Mapping[str, str] = MappingProxyType(
    {
        "client_mount_timeout": str(PATIENCE),
        "rados_mon_op_timeout": str(PATIENCE),
        "rados_osd_op_timeout": str(PATIENCE),
    }
)

_KINDS: Mapping[int, type[errors.StoreError]] = MappingProxyType(
    {
        errno.ENOENT: errors.DataNotFound,
        errno.EEXIST: errors.DataExists,
        errno.EBUSY: errors.DataInUse,
        errno.ENOTEMPTY: errors.DataInUse,
        errno.ENOSPC: errors.StoreFull,
        errno.EDQUOT: errors.StoreFull,
        errno.EPERM: errors.StoreUnavailable,
        errno.EACCES: errors.StoreUnavailable,
        errno.ETIMEDOUT: errors.StoreUnavailable,
        errno.ENOTCONN: errors.StoreUnavailable,
        errno.ESHUTDOWN: errors.StoreUnavailable,
    }
)
#: The cluster has shut this client out, or was shut down: only a new connection helps.
_LOST = frozenset({errno.ENOTCONN, errno.ESHUTDOWN})


class Cluster:
    """The cluster of one store, for all threads of this process."""

    def __init__(self, settings: RbdSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._handle: Any = None
        _CLUSTERS.add(self)

    def fsid(self) -> str:
        """The id of the cluster. Raises StoreUnavailable."""
        with self.translating():
            return str(self._connected().get_fsid())

    @contextmanager
    def pool(self, name: str) -> Iterator[Any]:
        """A pool of the cluster, opened; what Ceph raises within is translated."""
        if not self._is_alive(name):
            self._forget()
        with self.translating(), _opened(self._connected(), name) as pool:
            # Without this a write to a full pool does not fail: it waits for room.
            pool.set_osdmap_full_try()
            yield pool

    def features(self) -> int:
        """The features of new images, as the configuration of the cluster wants them."""
        wanted = self._connected().conf_get("rbd_default_features") or "0"
        value = int(wanted) if wanted.isdigit() else rbd.RBD().features_from_string(wanted)
        return int(value) or int(rbd.RBD_FEATURE_LAYERING)

    def room(self, name: str) -> int | None:
        """How many bytes a pool may still take, by its quota and its disks; None: nobody knows.

        The cluster notices some seconds later that a pool is full: long enough to overfill it.
        """
        question = json.dumps({"prefix": "df", "detail": "detail", "format": "json"})
        code, answer, _ = self._connected().mon_command(question, b"")
        if code:
            return None
        for pool in json.loads(answer).get("pools", ()):
            if pool["name"] == name:
                return _room(pool["stats"])
        return None

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Translate the errors of Ceph, and forget the connection when it is lost."""
        try:
            yield
        except (rados.Error, rbd.Error) as error:
            code = getattr(error, "errno", None)
            if code in _LOST:
                self._forget()
            raise self._error(code, str(error)) from error

    def failed(self, code: int) -> errors.StoreError:
        """The error for an operation that ended with an error number."""
        return self._error(code, os.strerror(code))

    def _error(self, code: int | None, text: str) -> errors.StoreError:
        kind = _KINDS.get(code or 0, errors.StoreError)
        if kind is errors.StoreFull:
            return kind(f"The pool {self._settings.pool} or its cluster is full: {text}")
        if code in (errno.EPERM, errno.EACCES):
            text = f"{text}. {_permissions(self._settings)}"
        return kind(f"Ceph says: {text}")

    def _is_alive(self, name: str) -> bool:
        """Whether the cluster still answers this connection. It tells only those who ask."""
        with self.translating(), _opened(self._connected(), name) as pool:
            try:
                pool.stat("rbd_info")
            except rados.ObjectNotFound:
                return True
            except rados.Error as error:
                return getattr(error, "errno", None) not in _LOST
        return True

    def _connected(self) -> Any:
        with self._lock:
            if self._handle is None:
                self._handle = connect(self._settings)
            return self._handle

    def _forget(self) -> None:
        # Not shut down: other threads may be using it, and the last of them closes it.
        LOG.warning("The connection to Ceph was lost: the next use makes a new one")
        with self._lock:
            self._handle = None

    def left_behind(self) -> None:
        """Begin anew in the child of a fork."""
        self._lock = threading.Lock()
        if self._handle is not None:
            # Never to be freed in this process, not even at its end.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._handle))
            self._handle = None


def connect(settings: RbdSettings, options: Mapping[str, str] = MappingProxyType({})) -> Any:
    """A new connection. Raises StoreUnavailable with what to do about it."""
    timeout = settings.connect_timeout
    limits = {"client_mount_timeout": str(timeout)} if timeout else {}
    where = settings.ceph_conf or "ceph.conf"
    try:
        handle = rados.Rados(
            conffile=settings.ceph_conf,
            rados_id=settings.user,
            conf={**_OPTIONS, **limits, **options},
        )
    except rados.Error as error:
        raise errors.StoreUnavailable(
            f"Ceph's configuration {where} cannot be used: {error}. See rbd_store_ceph_conf"
        ) from error
    try:
        handle.connect()
    except rados.Error as error:
        handle.shutdown()
        raise _not_connected(error, settings) from error
    return handle


def try_out(settings: RbdSettings, pool: str, name: str) -> None:
    """Make and remove an empty image on a connection of its own, which is closed again.

    Raises StoreUnavailable with what to do about it.
    """
    handle = connect(settings, _TRIAL)
    try:
        with _opened(handle, pool) as opened:
            opened.set_osdmap_full_try()
            rbd.RBD().create(opened, name, 0, old_format=False, features=rbd.RBD_FEATURE_LAYERING)
            rbd.RBD().remove(opened, name)
    except (rados.Error, rbd.Error) as error:
        code = getattr(error, "errno", None)
        hint = _permissions(settings) if code in (errno.EPERM, errno.EACCES) else _NEXT
        raise errors.StoreUnavailable(
            f"The pool {pool} does not take images: {error}. {hint}"
        ) from error
    finally:
        handle.shutdown()


@contextmanager
def _opened(handle: Any, name: str) -> Iterator[Any]:
    try:
        pool = handle.open_ioctx(name)
    except rados.ObjectNotFound as error:
        raise errors.StoreUnavailable(
            f"The cluster has no pool {name}: make it, or change rbd_store_pool"
        ) from error
    try:
        yield pool
    finally:
        pool.close()


def _room(stats: Mapping[str, int]) -> int | None:
    rooms = []
    if stats["quota_bytes"]:
        rooms.append(max(0, stats["quota_bytes"] - stats["stored"]))
    if stats["max_avail"]:  # 0 also while the cluster does not know it
        rooms.append(stats["max_avail"])
    return min(rooms) if rooms else None


def _not_connected(error: Exception, settings: RbdSettings) -> errors.StoreUnavailable:
    code = getattr(error, "errno", None)
    user = f"client.{settings.user}" if settings.user else "the default user"
    if code in (errno.EPERM, errno.EACCES, errno.ENOENT, errno.EINVAL):
        hint = "See that rbd_store_user and its keyring, which ceph.conf names, are right"
    else:
        hint = _NEXT
    return errors.StoreUnavailable(f"Cannot connect to Ceph as {user}: {error}. {hint}")


def _permissions(settings: RbdSettings) -> str:
    return (
        f"See that rbd_store_user ({settings.user or 'the default'}) has the capabilities mon "
        f"'profile rbd' and osd 'profile rbd pool={settings.pool}'"
    )


_CLUSTERS: "weakref.WeakSet[Cluster]" = weakref.WeakSet()


def _begin_anew() -> None:
    for cluster in list(_CLUSTERS):
        cluster.left_behind()


os.register_at_fork(after_in_child=_begin_anew)
