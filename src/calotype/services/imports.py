"""Importing an image: the request. The work is a task that a worker does."""

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection

from calotype import errors
from calotype.caller import Caller
from calotype.db import import_lock
from calotype.db import tasks as task_rows
from calotype.db.engine import Database
from calotype.db.images import insert_image, now, write
from calotype.model.image import Image, Status
from calotype.model.importing import (
    COPY_IMAGE,
    GLANCE_DIRECT,
    GLANCE_DOWNLOAD,
    WEB_DOWNLOAD,
    ImportOrder,
    RemoteImage,
    begun,
)
from calotype.model.task import Task, TaskStatus
from calotype.quota import Quota
from calotype.services.gate import Gate
from calotype.services.image_data import SIGNATURE
from calotype.services.regions import image_endpoint
from calotype.stores.catalog import Catalog

LOG = logging.getLogger(__name__)

#: The type of the tasks, and the job that does them.
TYPE = "api_image_import"
#: The type of tasks that make their image.
CREATING = "import"

#: The status in which an image must be for each method.
NEEDS: Mapping[str, Status] = {
    GLANCE_DIRECT: Status.UPLOADING,
    WEB_DOWNLOAD: Status.QUEUED,
    GLANCE_DOWNLOAD: Status.QUEUED,
    COPY_IMAGE: Status.ACTIVE,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request for an import asks for. `store`: the one of the header.

    `remote_id`, `region`, `interface`: which image of which region, and by which endpoint.
    """

    method: str
    uri: str | None = None
    remote_id: str = ""
    region: str = ""
    interface: str = "public"
    stores: tuple[str, ...] | None = None
    store: str | None = None
    all_stores: bool = False
    must_succeed: bool = True
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """What is on offer: the methods, and how an address is judged that data shall come from.

    `exempt_roles`: callers with one of these get no injected properties.
    """

    methods: Sequence[str]
    check_uri: Callable[[str], object] = lambda uri: None
    exempt_roles: Sequence[str] = ()


class Imports:
    """The use cases of `POST /v2/images/{id}/import` and of imports that make their image."""

    def __init__(
        self, database: Database, gate: Gate, quota: Quota, stores: Catalog, offer: Offer
    ) -> None:
        self._db = database
        self._gate = gate
        self._quota = quota
        self._stores = stores
        self._offer = offer

    def start(self, caller: Caller, image_id: str, wanted: Wanted) -> Task | None:
        """Write the task that imports the image, lock the image, and show that it is importing.

        None when nothing is left to be copied. Raises Invalid, Denied, Conflict (wrong status,
        formats not set, unknown store, another import is at it), OverLimit.
        """
        self._check_request(wanted)
        remote = _remote(caller, wanted)
        image = self._gate.image(caller, image_id)
        copies = wanted.method == COPY_IMAGE
        self._gate.allow(caller, "copy_image" if copies else "modify_image", image)
        _check_image(image, wanted.method)
        targets = self._targets(image, wanted)
        if not targets:
            LOG.info("Image %s: all stores have it already", image_id)
            return None
        self._check_quota(caller, image, wanted.method, len(targets))
        order = ImportOrder(
            wanted.method,
            targets,
            wanted.must_succeed,
            image.status,
            wanted.uri,
            self._injects(caller),
            remote,
        )
        given = {"import_req": dict(wanted.request), "backend": list(targets)}
        task = _task(caller, image, TYPE, {"image_id": image.id, **given})
        self._db.transaction(lambda connection: self._save(connection, task, image, order))
        LOG.info("Image %s: its import (%s) is task %s", image_id, wanted.method, task.id)
        return task

    def start_new(self, caller: Caller, image: Image, uri: str, given: Mapping[str, Any]) -> Task:
        """Save a planned image and the task that fetches its data; it is gone if that fails.

        `given`: the input that the task shows. Raises Invalid (the address, or what cannot be
        imported), Duplicate (the id is taken), OverLimit.
        """
        self._offer.check_uri(uri)
        _check_image(image, WEB_DOWNLOAD)
        self._check_quota(caller, image, WEB_DOWNLOAD, 1)
        targets, inject = (self._stores.default,), self._injects(caller)
        order = ImportOrder(WEB_DOWNLOAD, targets, True, Status.DELETED, uri, inject)
        task = _task(caller, image, CREATING, given)

        def save(connection: Connection) -> None:
            insert_image(connection, image)
            self._save(connection, task, image, order)

        self._db.transaction(save)
        LOG.info("Image %s: it is made and imported by task %s", image.id, task.id)
        return task

    def _injects(self, caller: Caller) -> bool:
        return not caller.roles.intersection(self._offer.exempt_roles)

    def _check_request(self, wanted: Wanted) -> None:
        if wanted.method not in self._offer.methods or wanted.method not in NEEDS:
            offered = ", ".join(name for name in self._offer.methods if name in NEEDS)
            raise errors.Invalid(
                f"method.name: {wanted.method!r} is not on offer; the import methods are: {offered}"
            )
        # openstacksdk names its one store in both places.
        if wanted.store and wanted.stores not in (None, (wanted.store,)):
            raise errors.Invalid("stores: cannot be combined with the header x-image-meta-store")
        if wanted.all_stores and (wanted.stores or wanted.store):
            raise errors.Invalid("all_stores: cannot be combined with stores or x-image-meta-store")
        if not self._stores.multi:
            self._check_single(wanted)
        if wanted.uri is not None and wanted.method == WEB_DOWNLOAD:
            self._offer.check_uri(wanted.uri)

    def _check_single(self, wanted: Wanted) -> None:
        given = {
            "stores": wanted.stores is not None,
            "all_stores": wanted.all_stores,
            "method.name": wanted.method == COPY_IMAGE,
        }
        for name, used in given.items():
            if used:
                raise errors.Invalid(
                    f"{name}: stores have no names here: enabled_backends is not set"
                )

    def _targets(self, image: Image, wanted: Wanted) -> tuple[str, ...]:
        if not self._stores.multi:
            return (self._stores.default,)
        writable = [it.id for it in self._stores.entries() if it.store.traits.writable]
        named = wanted.stores or ((wanted.store,) if wanted.store else (self._stores.default,))
        asked = tuple(dict.fromkeys(writable if wanted.all_stores else named))
        for store_id in asked:
            if store_id not in self._stores.names():
                raise errors.Conflict(
                    f"There is no store {store_id!r}; the stores are: "
                    f"{', '.join(self._stores.names())}"
                )
        if wanted.method != COPY_IMAGE:
            return asked
        having = {self._stores.id_of(location) for location in image.locations}
        there = [store_id for store_id in asked if store_id in having]
        if there and not wanted.all_stores:
            raise errors.Invalid(f"stores: {there[0]} has this image already")
        return tuple(store_id for store_id in asked if store_id not in having)

    def _check_quota(self, caller: Caller, image: Image, method: str, copies: int) -> None:
        room, name = self._quota.room(caller)
        if method in (WEB_DOWNLOAD, GLANCE_DOWNLOAD):
            if room == 0:
                raise errors.OverLimit(f"{name} leaves no room")
        elif name != "image_size_cap" and (image.size or 0) * copies > room:
            raise errors.OverLimit(
                f"{image.size} bytes, {copies} times, are more than {name}, {room}"
            )

    def _save(self, connection: Connection, task: Task, image: Image, order: ImportOrder) -> None:
        if import_lock.take(connection, image.id, task.id):
            LOG.warning("Image %s: the lock of an import that died is broken", image.id)
        task_rows.add(connection, task, job=TYPE, slot=f"import:{image.id}", undo=order.saved())
        new = image.with_(updated_at=max(now(), image.updated_at))
        if self._stores.multi:
            new = new.with_(properties=begun(image.properties, order.targets))
        if not order.copies:
            new = new.moved_to(Status.IMPORTING)
        write(connection, image, new)


def _remote(caller: Caller, wanted: Wanted) -> RemoteImage | None:
    """The image of another region that is asked for, to be read in the name of the caller."""
    if wanted.method != GLANCE_DOWNLOAD:
        return None
    endpoint = image_endpoint(caller.catalog, wanted.region, wanted.interface)
    return RemoteImage(wanted.region, endpoint, wanted.remote_id, caller.token or "")


def _check_image(image: Image, method: str) -> None:
    needed = NEEDS[method]
    if image.status is not needed:
        raise errors.Conflict(
            f"Image {image.id} is {image.status.value}: {method} needs one that is {needed.value}"
        )
    if method == COPY_IMAGE:
        return
    for name in ("disk_format", "container_format"):
        if not getattr(image, name):
            raise errors.Conflict(f"{name}: must be set before an image can be imported")
    if all(image.properties.get(name) for name in SIGNATURE):
        # It must not become active unchecked.
        raise errors.Invalid(
            f"{SIGNATURE[0]}: signatures cannot be verified by this service yet; "
            "take the property away to import without verification"
        )


def _task(caller: Caller, image: Image, kind: str, given: Mapping[str, Any]) -> Task:
    moment = now()
    return Task(
        id=str(uuid.uuid4()),
        type=kind,
        status=TaskStatus.PENDING,
        owner=caller.project_id or "",
        created_at=moment,
        updated_at=moment,
        image_id=image.id,
        request_id=caller.request_id,
        user_id=caller.user_id,
        input=given,
    )
