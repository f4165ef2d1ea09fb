"""The one place that knows every part and puts them together.

`assemble` makes the parts from the settings, `build` makes the WSGI application of them. The
worker and the admin commands use the same parts.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import falcon

from calotype import errors
from calotype.api import failures, filters, identity, openapi, render, routes, schemas, versions
from calotype.api.bodies import Bodies
from calotype.api.discovery import DiscoveryApi
from calotype.api.image_data import ImageDataApi
from calotype.api.images import ImagesApi
from calotype.api.imports import ImportsApi
from calotype.api.members import MembersApi
from calotype.api.middleware import Application, Drain, Negotiation, ReadablePath
from calotype.api.stage import StageApi
from calotype.api.stores import StoresApi
from calotype.api.tasks import TasksApi
from calotype.caller import Caller
from calotype.db import schema
from calotype.db.copies import Copies
from calotype.db.deletes import Deletes
from calotype.db.digests import Digests
from calotype.db.engine import Database, Tuning, connect
from calotype.db.images import Images as ImageRows
from calotype.db.leases import Leases
from calotype.db.members import Members as MemberRows
from calotype.db.tasks import Tasks as TaskRows
from calotype.imports import plan
from calotype.imports.check import Step
from calotype.imports.convert import Conversion, converted
from calotype.imports.fetch import fetched, limits
from calotype.imports.leftovers import Leftovers
from calotype.imports.run import ImportJob
from calotype.imports.transform import LimitOf, decompressed, injected
from calotype.model.importing import WEB_DOWNLOAD
from calotype.policy.enforcer import Policy
from calotype.quota import Quota
from calotype.services import hashes, imports
from calotype.services.gate import Gate
from calotype.services.hashes import Hashes
from calotype.services.image_data import ImageData, IntakeRules
from calotype.services.images import Images
from calotype.services.imports import Imports, Offer
from calotype.services.info import Info
from calotype.services.members import Members
from calotype.services.stage import Stage
from calotype.services.staging import Staging
from calotype.services.stores import Stores
from calotype.services.tasks import Tasks
from calotype.services.uri_filter import UriFilter
from calotype.settings.tree import Backend, Settings
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.filesystem import FilesystemStore
from calotype.stores.filesystem_settings import FilesystemSettings
from calotype.stores.store import Store
from calotype.worker.hashing import HashJob
from calotype.worker.runner import Runner

LOG = logging.getLogger(__name__)

#: How a store of each type is made from its options.
STORES: Mapping[str, Callable[[Mapping[str, object]], Store]] = {
    "file": lambda options: FilesystemStore(FilesystemSettings.from_options(options)),
}


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
    for entry in parts.stores.entries():
        try:
            entry.store.check()
        except errors.StoreError as error:
            LOG.error("Store %s is not usable: %s", entry.id, error)
    parts.database.close()


def open_database(settings: Settings) -> Database:
    """The configured database, not yet connected. Raises BadSettings without a connection."""
    options = settings.database
    if not options.connection:
        raise errors.BadSettings("[database] connection: must be set, e.g. sqlite:///calotype.db")
    return connect(options.connection, Tuning.from_options(options))


def make_stores(settings: Settings) -> Catalog:
    """All configured stores. Raises BadSettings for a type that has no driver."""
    wanted = settings.stores
    entries = {backend.id: _entry(backend) for backend in wanted.backends if _usable(backend)}
    if wanted.default not in entries:
        raise errors.BadSettings(f"The default store {wanted.default!r} has no driver yet")
    return Catalog(entries, wanted.default, multi=wanted.multi)


def _usable(backend: Backend) -> bool:
    if backend.type not in STORES:
        LOG.debug("Store %s: the type %s has no driver yet", backend.id, backend.type)
    return backend.type in STORES


def _entry(backend: Backend) -> Entry:
    return Entry(
        id=backend.id,
        store=STORES[backend.type](backend.options),
        description=backend.description,
        weight=backend.weight,
    )


def build(parts: Parts, *, strategy: identity.Strategy | None = None) -> Application:
    """The WSGI application. `strategy` finds out who asks, in place of the configured way."""
    settings, service = parts.settings, parts.settings.service
    policy = Policy(settings.conf)
    gate = Gate(parts.images, policy)
    quota = _quota(parts)
    documents = schemas.documents(
        settings.image_format.disk_formats,
        settings.image_format.container_formats,
        schemas.custom_properties(settings.config_dirs),
    )
    shown = render.Shown(
        stores=parts.stores if parts.stores.multi else None,
        direct_url=service.show_image_direct_url,
        locations=service.show_multiple_locations,
    )
    bodies = Bodies(documents["image"])
    handlers = routes.Handlers(
        images=ImagesApi(
            images=Images(
                parts.images,
                parts.deletes,
                gate,
                policy,
                quota,
                parts.stores,
                parts.leases,
                _staging(settings),
            ),
            bodies=bodies,
            shown=shown,
            paging=filters.Paging(service.limit_param_default, service.api_limit_max),
            create_headers=_create_headers(parts),
        ),
        data=ImageDataApi(
            ImageData(parts.images, gate, quota, parts.stores, parts.leases, _rules(settings)),
            service.calotype_client_timeout,
        ),
        members=MembersApi(Members(parts.members, gate, policy, quota), bodies),
        tasks=TasksApi(
            Tasks(parts.tasks, gate),
            Hashes(parts.database, gate, service.hashing_algorithm),
        ),
        stores=StoresApi(Stores(Copies(parts.database), gate, parts.stores)),
        imports=ImportsApi(_imports(parts, gate, quota), bodies),
        stage=StageApi(_stage(parts, gate, quota), service.calotype_client_timeout),
        discovery=_discovery(parts, policy, documents),
    )
    known_by = strategy or settings.auth.strategy
    return _wrap(dispatcher(routes.table(handlers)), settings, policy, known_by)


def make_runner(parts: Parts) -> Runner:
    """What runs the tasks of this database, with a job for each kind."""
    settings = parts.settings
    hashing = HashJob(
        parts.images,
        Digests(parts.database),
        parts.tasks,
        parts.stores,
        retries=settings.service.http_retries,
        md5=settings.service.calotype_md5_checksum,
    )
    return Runner(
        parts.tasks,
        parts.leases,
        {hashes.TYPE: hashing, imports.TYPE: _import_job(parts)},
        attempts=settings.service.calotype_task_attempts,
        threads=settings.task.task_pool_threads,
    )


def make_leftovers(parts: Parts) -> Leftovers:
    """What puts right what crashes leave of stages and imports."""
    return Leftovers(parts.database, parts.images, parts.leases, _staging(parts.settings))


def dispatcher(table: dict[str, dict[str, routes.Handler]]) -> falcon.App[Any, Any]:
    """The application that calls the handlers of a route table and answers their errors."""
    application = falcon.App(middleware=[ReadablePath()])
    application.add_error_handler(Exception, failures.on_defect)
    application.add_error_handler(falcon.HTTPError, failures.on_http_error)
    application.add_error_handler(errors.Error, failures.on_error)
    for path, methods in table.items():
        application.add_route(path, routes.Resource(methods))
    return application


def _wrap(
    application: Any, settings: Settings, policy: Policy, strategy: str | identity.Strategy
) -> Application:
    """The layers around the route table, innermost first."""
    caching, multi = settings.caching, settings.stores.multi
    # Identity stands directly before the routes: all that they serve has a caller.
    guarded = identity.guard(
        application,
        strategy,
        settings.conf,
        settings.service.calotype_basic_auth_users,
        policy,
        allow_anonymous=settings.service.allow_anonymous_access,
        max_request_id_length=settings.service.max_request_id_length,
    )
    # Negotiation stands before identity: who looks for versions needs no token.
    route = partial(versions.route, caching=caching, multi_store=multi)
    negotiated: Application = Negotiation(guarded, route)
    if settings.front.proxy_headers:
        from oslo_middleware.http_proxy_to_wsgi import HTTPProxyToWSGI

        negotiated = HTTPProxyToWSGI(negotiated, settings.conf)
    if settings.front.cors:  # outermost: a preflight has no token
        from oslo_middleware.cors import CORS

        negotiated = CORS(negotiated, settings.conf)
    service = settings.service
    # Before all that may refuse: whoever does leaves the body of the request to this.
    return Drain(negotiated, service.calotype_drain_bytes, service.calotype_drain_seconds)


def _staging(settings: Settings) -> Staging:
    return Staging(settings.stores.staging_dir, _rules(settings))


def _stage(parts: Parts, gate: Gate, quota: Quota) -> Stage:
    methods = parts.settings.imports.enabled_import_methods
    staging = _staging(parts.settings)
    return Stage(parts.images, gate, quota, staging, parts.leases, methods)


def _imports(parts: Parts, gate: Gate, quota: Quota) -> Imports:
    wanted = parts.settings.imports
    offer = Offer(
        wanted.enabled_import_methods,
        check_uri=_uri_filter(parts.settings).check,
        exempt_roles=wanted.ignore_user_roles,
    )
    return Imports(parts.database, gate, quota, parts.stores, offer)


def _uri_filter(settings: Settings) -> UriFilter:
    wanted = settings.imports
    return UriFilter(
        allowed_schemes=wanted.allowed_schemes,
        disallowed_schemes=wanted.disallowed_schemes,
        allowed_hosts=wanted.allowed_hosts,
        disallowed_hosts=wanted.disallowed_hosts,
        allowed_ports=wanted.allowed_ports,
        disallowed_ports=wanted.disallowed_ports,
    )


def _import_job(parts: Parts) -> ImportJob:
    staging, quota = _staging(parts.settings), _quota(parts)

    def room(owner: str) -> tuple[int, str]:
        return quota.room(Caller(project_id=owner or None))

    limit_of = limits(room)
    fetch = {WEB_DOWNLOAD: fetched(staging, _uri_filter(parts.settings), limit_of)}
    return ImportJob(
        parts.images,
        parts.tasks,
        parts.leases,
        parts.stores,
        staging,
        fetch=fetch,
        plugins=_plugins(parts.settings, staging, limit_of),
    )


def _plugins(settings: Settings, staging: Staging, limit_of: LimitOf) -> list[Step]:
    wanted = settings.imports
    conversion = Conversion(wanted.output_format, settings.image_format.vmdk_allowed_types)
    known: dict[str, Step] = {
        "no_op": lambda journey: None,
        "inject_image_metadata": injected(wanted.inject),
        "image_decompression": decompressed(staging, limit_of),
        "image_conversion": converted(staging, conversion, limit_of),
    }
    return [known[name] for name in wanted.image_import_plugins]


def _quota(parts: Parts) -> Quota:
    service = parts.settings.service
    return Quota(
        usage=parts.images.usage,
        image_property_quota=service.image_property_quota,
        image_tag_quota=service.image_tag_quota,
        image_member_quota=service.image_member_quota,
        image_size_cap=service.image_size_cap,
        user_storage_quota=service.user_storage_quota,
    )


def _rules(settings: Settings) -> IntakeRules:
    return IntakeRules(
        hashing_algorithm=settings.service.hashing_algorithm,
        md5_checksum=settings.service.calotype_md5_checksum,
        require_format_match=settings.image_format.require_image_format_match,
        nonfatal_gpt_checks=settings.image_format.gpt_safety_checks_nonfatal,
    )


def _create_headers(parts: Parts) -> dict[str, str]:
    headers = {}
    if parts.settings.imports.enabled_import_methods:
        methods = ",".join(parts.settings.imports.enabled_import_methods)
        headers["OpenStack-image-import-methods"] = methods
    if parts.stores.multi:
        headers["OpenStack-image-store-ids"] = ",".join(parts.stores.names())
    return headers


def _discovery(parts: Parts, policy: Policy, documents: dict[str, dict[str, Any]]) -> DiscoveryApi:
    settings = parts.settings
    return DiscoveryApi(
        info=Info(parts.stores, policy, settings.imports.enabled_import_methods),
        schemas=documents,
        versions=partial(
            versions.document, caching=settings.caching, multi_store=settings.stores.multi
        ),
        openapi=cache(lambda: openapi.build(documents, settings.auth.strategy)),
        public_endpoint=settings.service.public_endpoint,
        disabled_by_files=settings.front.healthcheck_files,
    )
