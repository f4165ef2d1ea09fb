"""What the Cinder store asks of Cinder, with Cinder's errors turned into ours.

A process has a connection of its own: those of a parent are not used by its children.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from cinderclient import client as cinder_client
from cinderclient import exceptions as refused
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from calotype import errors
from calotype.stores.cinder_errors import API_VERSION, translated
from calotype.stores.cinder_settings import CinderSettings

LOG = logging.getLogger(__name__)

#: States in which a volume is on its way into another one.
PASSING = frozenset(
    {
        *("creating", "deleting", "attaching", "detaching", "reserved", "extending", "retyping"),
        *("downloading", "uploading", "backing-up", "maintenance", "restoring-backup"),
    }
)
_SHORTEST, _LONGEST = 0.1, 2.0
#: Seconds that `check` gives a server to answer.
_PATIENCE = 8


class CinderApi:
    """Cinder, as the user of one store sees it. Raises StoreError and its subclasses."""

    def __init__(self, settings: CinderSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._pid = 0
        self._session: Session | None = None
        self._client: Any = None

    # -- volumes ---------------------------------------------------------------------------------

    def create(self, name: str, gib: int, metadata: dict[str, str]) -> Any:
        """Ask for a new volume; returned while it is being made."""
        with translated("make a volume"):
            return self._now().volumes.create(
                gib, name=name, metadata=metadata, volume_type=self.settings.volume_type
            )

    def volume(self, volume_id: str) -> Any:
        """A volume as it is now. Raises DataNotFound."""
        with translated("show a volume"):
            return self._now().volumes.get(volume_id)

    def volumes(self, name: str | None = None) -> list[Any]:
        """The volumes of the project, or those of a name."""
        wanted = {"name": name} if name else {}
        with translated("list volumes"):
            return list(self._now().volumes.list(detailed=True, search_opts=wanted))

    def remove(self, volume_id: str) -> None:
        """Ask for a volume to be removed."""
        with translated("remove a volume"):
            self._now().volumes.delete(volume_id)

    def extend(self, volume_id: str, gib: int) -> None:
        """Ask for a volume to become larger."""
        with translated("extend a volume"):
            self._now().volumes.extend(volume_id, gib)

    def describe(self, volume_id: str, metadata: dict[str, str]) -> None:
        """Set metadata of a volume."""
        with translated("describe a volume"):
            self._now().volumes.set_metadata(volume_id, metadata)

    def close_to_writers(self, volume_id: str) -> None:
        """Make a volume read-only."""
        with translated("make a volume read-only"):
            self._now().volumes.update_readonly_flag(volume_id, True)

    def reason(self, volume_id: str) -> tuple[str, bool]:
        """Why something failed with a volume, as far as Cinder tells; and whether room is short."""
        with translated("ask for messages"):
            found = self._now().messages.list(search_opts={"resource_uuid": volume_id})
        texts = [message.user_message for message in found]
        # By their numbers, which do not change: no backend has room, or none is there at all.
        full = any(message.event_id.endswith(("_003", "_007")) for message in found)
        return "; ".join(texts) or "Cinder gives no reason", full

    def await_state(self, volume_id: str, passing: frozenset[str] = PASSING) -> Any:
        """The volume when it is in none of the states `passing`. Raises StoreUnavailable when late.

        And DataNotFound when it has gone.
        """
        found: list[Any] = []

        def settled() -> bool:
            found[:] = [self.volume(volume_id)]
            return found[0].status not in passing

        if not self.wait(settled):
            raise errors.StoreUnavailable(
                f"A volume of Cinder is still {found[0].status} after {self.settings.timeout} "
                "seconds (cinder_state_transition_timeout)"
            )
        return found[0]

    def wait(self, ready: Callable[[], bool]) -> bool:
        """Ask `ready` again and again, soon at first; whether it came true in time."""
        deadline, pause = time.monotonic() + self.settings.timeout, _SHORTEST
        while not ready():
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(_LONGEST, pause * 1.4)
        return True

    # -- attachments -----------------------------------------------------------------------------

    def reserve(self, volume_id: str, mode: str) -> str:
        """Begin an attachment, not yet to any machine; returns its id."""
        with translated("reserve a volume"):
            made = self._now().attachments.create(volume_id, None, mode=mode)
        return str(made["id"])

    def connect(self, attachment_id: str, connector: dict[str, Any]) -> dict[str, Any]:
        """Let the machine that `connector` describes reach the volume; returns how it does."""
        with translated("attach a volume"):
            updated = self._now().attachments.update(attachment_id, connector)
        return dict(updated.connection_info)

    def complete(self, attachment_id: str) -> None:
        """Say that the volume is attached."""
        with translated("attach a volume"):
            self._now().attachments.complete(attachment_id)

    def attachment(self, attachment_id: str) -> Any:
        """An attachment as it is now. Raises DataNotFound."""
        with translated("show an attachment"):
            return self._now().attachments.show(attachment_id)

    def attachments(self, volume_id: str) -> list[Any]:
        """The attachments of a volume."""
        with translated("list attachments"):
            found = self._now().attachments.list(search_opts={"volume_id": volume_id})
        return [one for one in found if one.volume_id == volume_id]

    def detach(self, attachment_id: str) -> None:
        """End an attachment; one that is not there has ended."""
        try:
            with translated("detach a volume"):
                self._now().attachments.delete(attachment_id)
        except errors.DataNotFound:
            LOG.debug("Attachment %s is gone already", attachment_id)

    # -- the rest --------------------------------------------------------------------------------

    def project_id(self) -> str:
        """The project that owns the volumes."""
        with translated("log in"):
            return str(self._now().client.get_project_id())

    def clock(self) -> float:
        """The time of Cinder's clock, in epoch seconds."""
        with translated("list volumes"):
            answer, _ = self._now().client.get("/volumes?limit=1")
        said = answer.headers.get("Date")
        return parsedate_to_datetime(said).timestamp() if said else time.time()

    def try_out(self) -> None:
        """Return when Cinder answers and has the volume type; leaves no connection behind."""
        session = self._log_in(_PATIENCE)
        try:
            with translated("list volumes"):
                client = self._make_client(session, retries=0)
                _list_one(client)
                types = {kind.name: kind for kind in client.volume_types.list()}
            wanted = self.settings.volume_type
            known = set(types) | {kind.id for kind in types.values()}
            if wanted and wanted not in known:
                raise errors.StoreUnavailable(
                    f"cinder_volume_type: Cinder has no volume type {wanted!r} for this project; "
                    f"it has {', '.join(sorted(types)) or 'none'}"
                )
        finally:
            session.close()

    def _now(self) -> Any:
        """The client of this process."""
        with self._lock:
            if self._pid != os.getpid():
                self._session = self._log_in(max(60, self.settings.timeout))
                self._client = self._make_client(self._session, self.settings.http_retries)
                self._pid = os.getpid()
            return self._client

    def _log_in(self, timeout: float) -> Session:
        login = self.settings.login
        address = login.address.rstrip("/")
        address = address if address.endswith("/v3") else f"{address}/v3"
        who: Any
        if login.application_credential_id:
            who = v3.ApplicationCredential(
                auth_url=address,
                application_credential_id=login.application_credential_id,
                application_credential_secret=login.application_credential_secret or "",
            )
        else:
            who = v3.Password(
                auth_url=address,
                username=login.user_name,
                user_domain_name=login.user_domain_name,
                password=login.password or "",
                project_name=login.project_name,
                project_domain_name=login.project_domain_name,
            )
        return Session(auth=who, verify=self.settings.verify, timeout=timeout)

    def _make_client(self, session: Session, retries: int) -> Any:
        settings = self.settings
        return cinder_client.Client(
            API_VERSION,
            session=session,
            service_type=settings.service_type,
            service_name=settings.service_name,
            endpoint_type=settings.interface,
            os_endpoint=settings.endpoint,
            region_name=settings.region,
            retries=retries,
            connect_retries=retries,
        )


def _list_one(client: Any) -> None:
    try:
        client.volumes.list(limit=1)
    except refused.NotFound as error:
        raise errors.StoreUnavailable(
            "There is no Cinder at the address of the catalogue, or that of "
            "cinder_endpoint_template"
        ) from error
