"""The whole URL map, and nothing else: path, method, handler.

What a path does not list is answered 405, with an Allow header made from this table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from calotype.api.cache import CacheApi
from calotype.api.discovery import DiscoveryApi
from calotype.api.image_data import ImageDataApi
from calotype.api.images import ImagesApi
from calotype.api.imports import ImportsApi
from calotype.api.locations import LocationsApi
from calotype.api.members import MembersApi
from calotype.api.old_cache import OldCacheApi
from calotype.api.stage import StageApi
from calotype.api.stores import StoresApi
from calotype.api.tasks import TasksApi

Handler = Callable[..., None]


@dataclass(frozen=True)
class Handlers:
    """One object of handlers for each noun."""

    images: ImagesApi
    data: ImageDataApi
    members: MembersApi
    tasks: TasksApi
    stores: StoresApi
    stage: StageApi
    imports: ImportsApi
    locations: LocationsApi
    cache: CacheApi
    old_cache: OldCacheApi
    discovery: DiscoveryApi


def table(on: Handlers) -> dict[str, dict[str, Handler]]:
    """Every path of the API with its methods."""
    return {
        "/": {"GET": on.discovery.show_root, "HEAD": on.discovery.show_root},
        "/versions": {"GET": on.discovery.show_versions},
        "/healthcheck": {
            "GET": on.discovery.check_health,
            "HEAD": on.discovery.check_health,
        },
        "/v2/openapi.json": {"GET": on.discovery.show_openapi},
        "/v2/schemas/{name}": {"GET": on.discovery.show_schema},
        "/v2/schemas/metadefs/{name}": {"GET": on.discovery.show_metadef_schema},
        "/v2/info/import": {"GET": on.discovery.list_import_methods},
        "/v2/info/stores": {"GET": on.discovery.list_stores},
        "/v2/info/stores/detail": {"GET": on.discovery.detail_stores},
        "/v2/info/usage": {"GET": on.discovery.show_usage},
        "/v2/images": {"GET": on.images.list, "POST": on.images.create},
        "/v2/images/{image_id}": {
            "GET": on.images.show,
            "PATCH": on.images.update,
            "DELETE": on.images.delete,
        },
        "/v2/images/{image_id}/actions/deactivate": {"POST": on.images.deactivate},
        "/v2/images/{image_id}/actions/reactivate": {"POST": on.images.reactivate},
        "/v2/images/{image_id}/file": {
            "GET": on.data.download,
            "HEAD": on.data.download,
            "PUT": on.data.upload,
        },
        "/v2/images/{image_id}/hash": {"POST": on.tasks.calculate_hash},
        "/v2/images/{image_id}/import": {"POST": on.imports.start},
        "/v2/images/{image_id}/locations": {"GET": on.locations.list, "POST": on.locations.add},
        "/v2/images/{image_id}/members": {"GET": on.members.list, "POST": on.members.add},
        "/v2/images/{image_id}/members/{member_id}": {
            "GET": on.members.show,
            "PUT": on.members.answer,
            "DELETE": on.members.remove,
        },
        "/v2/images/{image_id}/stage": {"PUT": on.stage.stage},
        "/v2/images/{image_id}/tags/{tag}": {
            "PUT": on.images.tag,
            "DELETE": on.images.untag,
        },
        "/v2/images/{image_id}/tasks": {"GET": on.tasks.list_of_image},
        "/v2/tasks": {"GET": on.tasks.list, "POST": on.tasks.create},
        "/v2/tasks/{task_id}": {"GET": on.tasks.show},
        "/v2/stores/{store_id}/{image_id}": {"DELETE": on.stores.delete},
        **_cache(on),
    }


def _cache(on: Handlers) -> dict[str, dict[str, Handler]]:
    return {
        "/v2/cache": {"GET": on.cache.show, "DELETE": on.cache.clear},
        "/v2/cache/clean": {"POST": on.cache.clean},
        "/v2/cache/nodes/{image_id}": {"GET": on.cache.nodes},
        "/v2/cache/prune": {"POST": on.cache.prune},
        "/v2/cache/{image_id}": {"PUT": on.cache.queue, "DELETE": on.cache.remove},
        "/v2/cached_images": {
            "GET": on.old_cache.list_cached,
            "DELETE": on.old_cache.clear_cached,
        },
        "/v2/cached_images/{image_id}": {"DELETE": on.old_cache.remove_cached},
        "/v2/queued_images": {
            "GET": on.old_cache.list_queued,
            "DELETE": on.old_cache.clear_queued,
        },
        "/v2/queued_images/{image_id}": {
            "PUT": on.old_cache.queue,
            "DELETE": on.old_cache.remove_queued,
        },
    }


class Resource:
    """The methods of one path, in the form Falcon wants them: `on_get`, `on_put`, …"""

    def __init__(self, methods: dict[str, Any]) -> None:
        for method, handler in methods.items():
            setattr(self, f"on_{method.lower()}", handler)
