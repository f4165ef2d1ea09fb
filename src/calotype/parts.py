"""The parts that the API and the worker have in common, made from the settings."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass

from calotype import errors
from calotype.cache.books import Books
from calotype.cache.folder import Folder
from calotype.cache.reader import Reader
from calotype.cache.space import Space
from calotype.cache.sqlite_books import SqliteBooks
from calotype.cache.xattr_books import XattrBooks
from calotype.db import schema
from calotype.db.cached import CachedImages
from calotype.db.deletes import Deletes
from calotype.db.engine import Database, Tuning, connect
from calotype.db.images import Images as ImageRows
from calotype.db.leases import Leases
from calotype.db.members import Members as MemberRows
from calotype.db.tasks import Tasks as TaskRows
from calotype.imports import plan
from calotype.quota import Quota
from calotype.remote.uri_filter import UriFilter
from calotype.services.addresses import Addresses
from calotype.services.cache import NodeCache
from calotype.services.image_data import IntakeRules
from calotype.services.removal import Removal
from calotype.services.staging import Staging
from calotype.settings.tree import Backend, Settings
from calotype.stores import checking, drivers
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.http import HttpStore
from calotype.stores.http_settings import HttpSettings

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """Everything that outlives a request."""

    settings: Settings
    database: Database
    images: ImageRows
    deletes: Deletes
    members: MemberRows
    leases: Leases
    tasks: TaskRows
    stores: Catalog
    cache: NodeCache | None


def assemble(settings: Settings) -> Parts:
    """The parts, as the settings say. Raises BadSettings."""
    refuse_what_would_be_unsafe(settings)
    plan.refuse_unknown_plugins(settings.imports.image_import_plugins)
    database = open_database(settings)
    return Parts(
        settings=settings,
        database=database,
        images=ImageRows(database),
        deletes=Deletes(database),
        members=MemberRows(database),
        leases=Leases(database, settings.service.calotype_task_lease),
        tasks=TaskRows(database, settings.task.task_time_to_live),
        stores=make_stores(settings),
        cache=make_cache(settings, database),
    )


def refuse_what_would_be_unsafe(settings: Settings) -> None:
    """Raise BadSettings for options that protect something and that we cannot honour yet.

    To pass over them, as over others, would show or let change what the operator has closed.
    """
    closed = {
        "property_protection_file": settings.service.property_protection_file,
        "metadata_encryption_key": settings.service.metadata_encryption_key,
    }
    lines = [
        f"[DEFAULT] {name}: Calotype cannot honour this yet, and serving without it would not be "
        "safe. Unset it only if nothing depends on it"
        for name, value in closed.items()
        if value
    ]
    if lines:
        raise errors.BadSettings("\n".join(lines))


def prepare(parts: Parts, *, create: bool = False) -> None:
    """Make sure that the tables are there and say how the stores are. Raises BadSettings."""
    for line in parts.settings.warnings:
        LOG.warning(line)
    parts.database.await_server()
    if create:
        schema.sync(parts.database)
    schema.require_current(parts.database)
    if parts.cache is not None:
        parts.cache.look_around()
    parts.database.close()  # before anything forks
    for store_id, trouble in checking.troubles(parts.stores.entries()).items():
        LOG.error("Store %s is not usable: %s", store_id, trouble)


def open_database(settings: Settings) -> Database:
    """The configured database, not yet connected. Raises BadSettings without a connection."""
    options = settings.database
    if not options.connection:
        raise errors.BadSettings("[database] connection: must be set, e.g. sqlite:///calotype.db")
    return connect(options.connection, Tuning.from_options(options))


def make_stores(settings: Settings) -> Catalog:
    """All configured stores. Raises BadSettings for a type that has no driver."""
    wanted, known = settings.stores, makers(settings)
    entries = {
        backend.id: _entry(backend, known[backend.type], named=wanted.multi)
        for backend in wanted.backends
        if _usable(backend, known)
    }
    if wanted.default not in entries:
        raise errors.BadSettings(f"The default store {wanted.default!r} has no driver yet")
    return Catalog(entries, wanted.default, multi=wanted.multi)


def make_cache(settings: Settings, database: Database) -> NodeCache | None:
    """The image cache of this node, if it has one. Raises BadSettings."""
    wanted = settings.cache
    if not wanted.image_cache_dir or not _has_address(settings):
        return None
    folder = Folder(wanted.image_cache_dir)
    try:
        folder.prepare()
    except OSError as error:
        LOG.error("image_cache_dir cannot be used, downloads go on without it: %s", error)
    books, nodes = _books(settings, folder, database)
    space = Space(
        folder,
        books,
        max_size=wanted.image_cache_max_size,
        stall_time=wanted.image_cache_stall_time,
    )
    before = SqliteBooks(_sqlite_file(settings))
    return NodeCache(folder, Reader(folder, books), space, nodes, before)


def _has_address(settings: Settings) -> bool:
    """Whether the node has the address that the centralised driver needs; or else BadSettings.

    Without a flavor that caches, nothing needs the cache so much that the service would not start.
    """
    if settings.cache.image_cache_driver != "centralized_db":
        return True
    if settings.service.worker_self_reference_url:
        return True
    text = (
        "[DEFAULT] worker_self_reference_url: must be set for image_cache_driver centralized_db: "
        "it is how the other nodes know this one"
    )
    if settings.auth.caching:
        raise errors.BadSettings(text)
    LOG.warning("There is no image cache. %s", text)
    return False


def _books(
    settings: Settings, folder: Folder, database: Database
) -> tuple[Books, CachedImages | None]:
    """The driver of the cache; the second is the same again, if it is the centralised one."""
    wanted, service = settings.cache, settings.service
    if wanted.image_cache_driver == "centralized_db":
        central = CachedImages(
            database,
            service.worker_self_reference_url or "",
            service.calotype_cache_node_timeout,
        )
        return central, central
    if wanted.image_cache_driver == "xattr":
        on_files = XattrBooks(folder)
        try:
            on_files.check()
            return on_files, None
        except OSError as error:
            LOG.warning("image_cache_driver: xattr does not work here, using sqlite: %s", error)
    return SqliteBooks(_sqlite_file(settings)), None


def _sqlite_file(settings: Settings) -> str:
    wanted = settings.cache
    return os.path.join(wanted.image_cache_dir or "", wanted.image_cache_sqlite_db)


def makers(settings: Settings) -> Mapping[str, drivers.Maker]:
    """How a store of each type is made."""
    uri_filter = make_uri_filter(settings, "url")
    return {
        **drivers.MAKERS,
        "http": lambda _, options: HttpStore(HttpSettings.from_options(options), uri_filter),
    }


def _usable(backend: Backend, known: Mapping[str, drivers.Maker]) -> bool:
    if backend.type not in known:
        LOG.debug("Store %s: the type %s has no driver yet", backend.id, backend.type)
    return backend.type in known


def _entry(backend: Backend, make: drivers.Maker, *, named: bool) -> Entry:
    return Entry(
        id=backend.id,
        store=make(backend.id if named else "", backend.options),
        description=backend.description,
        weight=backend.weight,
    )


def make_staging(settings: Settings) -> Staging:
    """The staging area."""
    return Staging(settings.stores.staging_dir, make_rules(settings))


def make_uri_filter(settings: Settings, name: str = "uri") -> UriFilter:
    """What judges the addresses that users give; `name`: what the API calls them."""
    wanted = settings.imports
    return UriFilter(
        allowed_schemes=wanted.allowed_schemes,
        disallowed_schemes=wanted.disallowed_schemes,
        allowed_hosts=wanted.allowed_hosts,
        disallowed_hosts=wanted.disallowed_hosts,
        allowed_ports=wanted.allowed_ports,
        disallowed_ports=wanted.disallowed_ports,
        name=name,
    )


def make_addresses(parts: Parts) -> Addresses:
    """What judges the addresses of locations."""
    return Addresses(parts.stores, make_uri_filter(parts.settings, "url"))


def make_removal(parts: Parts) -> Removal:
    """What removes data from the stores."""
    return Removal(parts.deletes, parts.stores)


def make_quota(parts: Parts) -> Quota:
    """The limits, and how their use is counted."""
    service = parts.settings.service
    return Quota(
        usage=parts.images.usage,
        image_property_quota=service.image_property_quota,
        image_tag_quota=service.image_tag_quota,
        image_member_quota=service.image_member_quota,
        image_location_quota=service.image_location_quota,
        image_size_cap=service.image_size_cap,
        user_storage_quota=service.user_storage_quota,
    )


def make_rules(settings: Settings) -> IntakeRules:
    """What is done with data on its way in."""
    return IntakeRules(
        hashing_algorithm=settings.service.hashing_algorithm,
        md5_checksum=settings.service.calotype_md5_checksum,
        require_format_match=settings.image_format.require_image_format_match,
        nonfatal_gpt_checks=settings.image_format.gpt_safety_checks_nonfatal,
    )
