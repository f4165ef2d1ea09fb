"""Where the data of an image lies: telling it to other services, and learning it from them."""

import logging
import string
import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from calotype import errors
from calotype.caller import Caller
from calotype.db import import_lock
from calotype.db import tasks as task_rows
from calotype.db.engine import Database
from calotype.db.images import now, write
from calotype.model.image import Image, Status
from calotype.model.location import Location, LocationOrder
from calotype.model.task import Task, TaskStatus
from calotype.quota import Quota
from calotype.services.addresses import Addresses
from calotype.services.gate import SERVICE, Gate
from calotype.services.image_data import need_formats, refuse_signed

LOG = logging.getLogger(__name__)

#: The type of the tasks, and the job that does them.
TYPE = "location_import"

#: The digests that may be given with a location, and how long each is in hex.
DIGESTS: Mapping[str, int] = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


class Locations:
    """The use cases of /v2/images/{id}/locations.

    `secure`: digests are calculated, and those that are given compared. `default`: the configured
    algorithm.
    """

    def __init__(
        self,
        database: Database,
        gate: Gate,
        quota: Quota,
        addresses: Addresses,
        *,
        secure: bool,
        default: str,
    ) -> None:
        self._db = database
        self._gate = gate
        self._quota = quota
        self._addresses = addresses
        self._secure = secure
        self._default = default

    def list(self, caller: Caller, image_id: str) -> Sequence[Location]:
        """The locations of an image. Raises ImageNotFound, Denied."""
        image = self._gate.image_for(caller, "fetch_image_location", image_id)
        self._gate.allow(caller, "fetch_image_location", image)
        return image.locations

    def add(
        self, caller: Caller, image_id: str, url: str, digest: Mapping[str, str] | None = None
    ) -> Task:
        """Write the task that makes a queued image active with the data that lies at `url`.

        `digest`: the `os_hash_algo` and `os_hash_value` that the data has. Raises Invalid, Denied,
        Conflict (not queued, another task is at it), OverLimit.
        """
        image = self._gate.image_for(caller, "add_image_location", image_id)
        if image.status is not Status.QUEUED:
            raise errors.Conflict(
                f"Image {image.id} is {image.status.value}: a location can be added to a queued "
                "image only"
            )
        self._gate.allow(caller, "add_image_location", image)
        self._need_service(caller, url)
        location = self._addresses.location(url)
        order = self._order(location, _checked(digest) if digest else None)
        need_formats(image)
        refuse_signed(image)
        self._quota.check_locations(1)  # what a task of Glance may have left is replaced
        task = _task(caller, image, digest)
        self._db.transaction(lambda connection: _save(connection, task, image, order))
        LOG.info("Image %s: its location is added by task %s", image_id, task.id)
        return task

    def _need_service(self, caller: Caller, url: str) -> None:
        """Only other services know what lies in the stores; anybody may name a page of the web."""
        if SERVICE in caller.roles | caller.service_roles or self._addresses.is_on_the_web(url):
            return
        raise errors.Denied(
            "url: only other services (role service) may add locations that are not on the web; "
            "those on the web need a store of type http"
        )

    def _order(self, location: Location, digest: tuple[str, str] | None) -> LocationOrder:
        url, metadata = location.url, location.metadata
        if digest is not None:
            return LocationOrder(url, metadata, *digest, reads=self._secure)
        algorithm = self._default if self._secure else None
        return LocationOrder(url, metadata, algorithm, reads=self._secure)


def _checked(digest: Mapping[str, str]) -> tuple[str, str]:
    """The algorithm and the value in lower case, if that can be one."""
    algorithm, value = digest["os_hash_algo"], digest["os_hash_value"]
    if len(value) != DIGESTS[algorithm] or not set(value) <= set(string.hexdigits):
        raise errors.Invalid(
            f"validation_data.os_hash_value: a {algorithm} digest has {DIGESTS[algorithm]} "
            "hexadecimal digits"
        )
    return algorithm, value.lower()


def _save(connection: Connection, task: Task, image: Image, order: LocationOrder) -> None:
    if import_lock.take(connection, image.id, task.id):
        LOG.warning("Image %s: the lock of an import that died is broken", image.id)
    task_rows.add(connection, task, job=TYPE, slot=f"import:{image.id}", undo=order.saved())
    importing = image.moved_to(Status.IMPORTING, updated_at=max(now(), image.updated_at))
    write(connection, image, importing)


def _task(caller: Caller, image: Image, digest: Mapping[str, str] | None) -> Task:
    moment = now()
    # Without the address: all who see the image see its tasks, but not where its data lies.
    given = {"validation_data": dict(digest)} if digest else {}
    return Task(
        id=str(uuid.uuid4()),
        type=TYPE,
        status=TaskStatus.PENDING,
        owner=caller.project_id or "",
        created_at=moment,
        updated_at=moment,
        image_id=image.id,
        request_id=caller.request_id or None,
        user_id=caller.user_id,
        input={"image_id": image.id, **given},
    )
