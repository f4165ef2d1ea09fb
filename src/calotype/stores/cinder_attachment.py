"""Attached volumes: who holds an attachment, how several share one, and what the dead leave.

A volume that is not of a multiattach type can be attached but once. So all readers on a machine
share one attachment: each of them holds a shared lock on a file named by the attachment, and the
one who finds that nobody else holds it ends the attachment and removes the file. The kernel frees
the locks of a process that dies: an attachment whose file nobody has locked is one of a dead
process of this machine, and may be ended by whoever meets it. One without a file here belongs to
another machine, or to somebody else, and is left alone.
"""

import contextlib
import fcntl
import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from calotype import errors
from calotype.stores.cinder_api import CinderApi
from calotype.stores.cinder_device import Connector, Device
from calotype.stores.cinder_errors import Refused

LOG = logging.getLogger(__name__)


class Hold:
    """A lock on the file of an attachment: shared by its users, or of one who alone ends it."""

    def __init__(self, path: str, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def begin(cls, path: str) -> "Hold":
        """Make the file of a new attachment."""
        # It has its name when it is locked: without a lock it would be one of the dead.
        descriptor, unnamed = tempfile.mkstemp(prefix=".", dir=os.path.dirname(path))
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        os.rename(unnamed, path)
        return cls(path, descriptor)

    @classmethod
    def join(cls, path: str) -> "Hold | None":
        """A share in it; None when it is not of this machine, or is just being ended."""
        return cls._lock(path, fcntl.LOCK_SH)

    @classmethod
    def inherit(cls, path: str) -> "Hold | None":
        """All of it, when it is of this machine and its users are dead; else None."""
        return cls._lock(path, fcntl.LOCK_EX)

    @classmethod
    def _lock(cls, path: str, kind: int) -> "Hold | None":
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            # Whoever removed the file meanwhile has ended the attachment.
            if os.fstat(descriptor).st_nlink:
                return cls(path, descriptor)
        os.close(descriptor)
        return None

    def is_last(self) -> bool:
        """Whether nobody else holds it; if so nobody can join any more. Asked once, at the end."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def forget(self) -> None:
        """Remove the file: the attachment has ended."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def let_go(self) -> None:
        """Hold it no longer."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True)
class Attached:
    """A volume within reach."""

    id: str
    hold: Hold
    device: Device


class Attachments:
    """Attaches the volumes of one store to this machine."""

    def __init__(self, api: CinderApi) -> None:
        self._api = api
        self._connector = Connector(api.settings)
        self.folder = os.path.join(api.settings.mount_point_base, ".attachments")

    def prepare(self) -> None:
        """Make the folder of the locks. Raises StoreUnavailable."""
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            if not os.access(self.folder, os.W_OK):
                raise PermissionError("it is not writable")
        except OSError as error:
            raise errors.StoreUnavailable(
                f"The folder {self.folder} cannot be used: {error.strerror or error}. Let the user "
                "of this service write there, or change cinder_mount_point_base"
            ) from error

    @contextmanager
    def attached(self, volume_id: str, mode: str) -> Iterator[Device]:
        """The volume as a device, until the end of the block. `mode`: ro or rw."""
        self.prepare()
        attached = self._attach(volume_id, mode)
        try:
            yield attached.device
        except BaseException:
            self._release(attached, quiet=True)
            raise
        self._release(attached, quiet=mode == "ro")

    def bury(self, volume_id: str) -> None:
        """End what dead processes of this machine left attached to a volume."""
        for attachment in self._api.attachments(volume_id):
            hold = Hold.inherit(self._path(attachment.id))
            if hold is not None:
                LOG.warning("Ending attachment %s, whose process is dead", attachment.id)
                self._end(hold, attachment.id)

    def end_all(self, volume_id: str) -> None:
        """End all attachments of a volume that nobody but the caller can know."""
        for attachment in self._api.attachments(volume_id):
            self._api.detach(attachment.id)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._path(attachment.id))

    # -- how -------------------------------------------------------------------------------------

    def _path(self, attachment_id: str) -> str:
        return os.path.join(self.folder, attachment_id)

    def _attach(self, volume_id: str, mode: str) -> Attached:
        got: list[Attached] = []
        refusals: list[Refused] = []

        def ready() -> bool:
            try:
                attached = self._try(volume_id, mode)
            except Refused as refusal:
                # Somebody else was faster, be it by a moment.
                refusals.append(refusal)
                if len(refusals) >= self._api.settings.attachment_attempts:
                    raise
                return False
            got.extend([attached] if attached else [])
            return bool(got)

        if not self._api.wait(ready):
            raise errors.StoreUnavailable(
                f"The volume {volume_id} is in use elsewhere for more than "
                f"{self._api.settings.timeout} seconds (cinder_state_transition_timeout). With a "
                "multiattach volume type several machines can read an image at once"
            )
        return got[0]

    def _try(self, volume_id: str, mode: str) -> Attached | None:
        """The volume attached, if this can be done just now."""
        volume = self._api.volume(volume_id)
        _need_plain(volume)
        if volume.status == "available" or (volume.multiattach and volume.status == "in-use"):
            return self._begin(volume_id, mode)
        if volume.status.startswith("error"):
            raise errors.StoreError(f"The volume {volume_id} of Cinder is in state {volume.status}")
        attached = self._join(volume_id) if mode == "ro" and volume.status == "in-use" else None
        if attached is None:
            self.bury(volume_id)
        return attached

    def _begin(self, volume_id: str, mode: str) -> Attached:
        attachment_id = self._api.reserve(volume_id, mode)
        hold = None
        try:
            hold = Hold.begin(self._path(attachment_id))
            info = self._api.connect(attachment_id, self._connector.properties())
            device = self._connector.open(info, mode)
            try:
                self._api.complete(attachment_id)
            except BaseException:
                device.close()
                device.disconnect()
                raise
        except BaseException:
            self._undo(attachment_id, hold)
            raise
        return Attached(attachment_id, hold, device)

    def _undo(self, attachment_id: str, hold: Hold | None) -> None:
        try:
            self._api.detach(attachment_id)
            if hold is not None:
                hold.forget()
        except errors.StoreError as error:
            LOG.warning("Attachment %s could not be ended: %s", attachment_id, error)
        finally:
            if hold is not None:
                hold.let_go()

    def _join(self, volume_id: str) -> Attached | None:
        """A share in an attachment of another reader on this machine."""
        for attachment in self._api.attachments(volume_id):
            hold = Hold.join(self._path(attachment.id))
            if hold is None:
                continue
            try:
                found = self._api.attachment(attachment.id)
                if found.status == "attached":
                    device = self._connector.open(dict(found.connection_info), "ro")
                    return Attached(attachment.id, hold, device)
            except BaseException:
                self._leave(hold, attachment.id)
                raise
            self._leave(hold, attachment.id)
        return None

    def _leave(self, hold: Hold, attachment_id: str) -> None:
        """Take back a share that came to nothing; the attachment ends if the others have gone."""
        if hold.is_last():
            self._undo(attachment_id, hold)
        else:
            hold.let_go()

    def _release(self, attached: Attached, *, quiet: bool) -> None:
        try:
            attached.device.close()
            if attached.hold.is_last():
                attached.device.disconnect()
                self._api.detach(attached.id)
                attached.hold.forget()
        except errors.StoreError as error:
            # Its file stays, without a lock: who meets the attachment will end it.
            LOG.warning("Attachment %s could not be ended: %s", attached.id, error)
            if not quiet:
                raise
        finally:
            attached.hold.let_go()

    def _end(self, hold: Hold, attachment_id: str) -> None:
        try:
            with contextlib.suppress(errors.StoreError):
                self._connector.clear(dict(self._api.attachment(attachment_id).connection_info))
            self._api.detach(attachment_id)
            hold.forget()
        finally:
            hold.let_go()


def _need_plain(volume: Any) -> None:
    if getattr(volume, "encrypted", False):
        raise errors.StoreError(
            "Encrypted volumes cannot hold images: choose another type in cinder_volume_type"
        )
