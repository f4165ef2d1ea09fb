"""The API, put together: the WSGI application made of the parts (`parts.py`)."""

from functools import cache, partial
from typing import Any

import falcon

from calotype import errors
from calotype.api import failures, filters, identity, openapi, render, routes, schemas, versions
from calotype.api.bodies import Bodies
from calotype.api.cache import CacheApi
from calotype.api.discovery import DiscoveryApi
from calotype.api.image_data import ImageDataApi
from calotype.api.images import ImagesApi
from calotype.api.imports import ImportsApi
from calotype.api.locations import LocationsApi
from calotype.api.members import MembersApi
from calotype.api.middleware import Application, Drain, Negotiation, ReadablePath
from calotype.api.old_cache import OldCacheApi
from calotype.api.stage import StageApi
from calotype.api.stores import StoresApi
from calotype.api.tasks import TasksApi
from calotype.db.copies import Copies
from calotype.parts import (
    Parts,
    make_addresses,
    make_quota,
    make_removal,
    make_rules,
    make_staging,
    make_uri_filter,
)
from calotype.policy import loading
from calotype.policy.enforcer import Policy
from calotype.quota import Quota
from calotype.services.cache import Cache
from calotype.services.gate import Gate
from calotype.services.hashes import Hashes
from calotype.services.image_data import ImageData
from calotype.services.images import Images
from calotype.services.imports import Imports, Offer
from calotype.services.info import Info
from calotype.services.locations import Locations
from calotype.services.members import Members
from calotype.services.old_cache import OldCache
from calotype.services.relocation import Relocation
from calotype.services.stage import Stage
from calotype.services.stores import Stores
from calotype.services.tasks import Tasks
from calotype.settings.tree import Settings


def build(parts: Parts, *, strategy: identity.Strategy | None = None) -> Application:
    """The WSGI application. `strategy` finds out who asks, in place of the configured way."""
    settings, service = parts.settings, parts.settings.service
    policy = loading.configured(settings.conf)
    gate = Gate(parts.images, policy)
    quota = make_quota(parts)
    documents = schemas.documents(
        settings.image_format.disk_formats,
        settings.image_format.container_formats,
        schemas.custom_properties(settings.config_dirs),
    )
    shown = _shown(parts)
    bodies = Bodies(documents["image"], locations=service.show_multiple_locations)
    paging = filters.Paging(service.limit_param_default, service.api_limit_max)
    images = Images(
        parts.images,
        parts.deletes,
        gate,
        policy,
        quota,
        make_removal(parts),
        parts.leases,
        make_staging(settings),
        _relocation(parts, gate, quota) if service.show_multiple_locations else None,
        forget=parts.cache.forget if parts.cache else None,
        delayed_delete=settings.scrubber.delayed_delete,
    )
    imports = _imports(parts, gate, quota)
    caching = Cache(parts.cache, parts.images, gate, policy, parts.stores)
    handlers = routes.Handlers(
        images=ImagesApi(
            images=images,
            bodies=bodies,
            shown=shown,
            paging=paging,
            create_headers=_create_headers(parts),
        ),
        data=ImageDataApi(_data(parts, gate, quota), service.calotype_client_timeout),
        members=MembersApi(Members(parts.members, gate, policy, quota), bodies),
        tasks=TasksApi(
            Tasks(parts.tasks, gate, policy, images, imports),
            Hashes(parts.database, gate, service.hashing_algorithm),
            bodies,
            paging,
        ),
        stores=StoresApi(Stores(Copies(parts.database), make_removal(parts), gate, parts.stores)),
        imports=ImportsApi(imports, bodies),
        locations=LocationsApi(_locations(parts, gate, quota), bodies, shown),
        stage=StageApi(_stage(parts, gate, quota), service.calotype_client_timeout),
        cache=CacheApi(caching),
        old_cache=OldCacheApi(
            OldCache(caching, parts.images, on_offer=settings.auth.cache_management)
        ),
        discovery=_discovery(parts, policy, documents),
    )
    known_by = strategy or settings.auth.strategy
    return _wrap(dispatcher(routes.table(handlers)), settings, policy, known_by)


def _shown(parts: Parts) -> render.Shown:
    service = parts.settings.service
    return render.Shown(
        stores=parts.stores if parts.stores.multi else None,
        direct_url=service.show_image_direct_url,
        locations=service.show_multiple_locations,
    )


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


def _data(parts: Parts, gate: Gate, quota: Quota) -> ImageData:
    rules = make_rules(parts.settings)
    cache = parts.cache.reader if parts.cache and parts.settings.auth.caching else None
    return ImageData(parts.images, gate, quota, parts.stores, parts.leases, rules, cache)


def _stage(parts: Parts, gate: Gate, quota: Quota) -> Stage:
    methods = parts.settings.imports.enabled_import_methods
    staging = make_staging(parts.settings)
    return Stage(parts.images, gate, quota, staging, parts.leases, methods)


def _imports(parts: Parts, gate: Gate, quota: Quota) -> Imports:
    wanted = parts.settings.imports
    offer = Offer(
        wanted.enabled_import_methods,
        check_uri=make_uri_filter(parts.settings).check,
        exempt_roles=wanted.ignore_user_roles,
    )
    return Imports(parts.database, gate, quota, parts.stores, offer)


def _locations(parts: Parts, gate: Gate, quota: Quota) -> Locations:
    service = parts.settings.service
    secure, default = service.do_secure_hash, service.hashing_algorithm
    addresses = make_addresses(parts)
    return Locations(parts.database, gate, quota, addresses, secure=secure, default=default)


def _relocation(parts: Parts, gate: Gate, quota: Quota) -> Relocation:
    copies, algorithm = Copies(parts.database), parts.settings.service.hashing_algorithm
    return Relocation(gate, quota, make_addresses(parts), copies, make_removal(parts), algorithm)


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
