"""The settings as the rest of the code sees them: frozen values under the names of the options.

Sizes are in bytes and times in seconds unless the option says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from oslo_config import cfg

Strategy = Literal["keystone", "http_basic", "none"]


@dataclass(frozen=True, slots=True)
class Service:
    """What the service is and does: most of [DEFAULT]."""

    allow_anonymous_access: bool
    max_request_id_length: int
    public_endpoint: str | None
    worker_self_reference_url: str | None
    limit_param_default: int
    api_limit_max: int
    show_image_direct_url: bool
    show_multiple_locations: bool
    do_secure_hash: bool
    http_retries: int
    hashing_algorithm: str
    metadata_encryption_key: str | None = field(repr=False)
    digest_algorithm: str
    property_protection_file: str | None
    property_protection_rule_format: str
    image_member_quota: int
    image_property_quota: int
    image_tag_quota: int
    image_location_quota: int
    image_size_cap: int
    user_storage_quota: int
    use_keystone_limits: bool
    calotype_bind_host: str
    calotype_bind_port: int
    calotype_workers: int
    calotype_threads: int
    calotype_client_timeout: int
    calotype_drain_bytes: int
    calotype_drain_seconds: int
    calotype_md5_checksum: bool
    calotype_basic_auth_users: str | None
    calotype_task_lease: int
    calotype_task_attempts: int
    calotype_sweep_interval: int
    calotype_sweep_grace: int
    calotype_cache_node_timeout: int


@dataclass(frozen=True, slots=True)
class ImageFormat:
    """Which formats images may have: [image_format]."""

    container_formats: tuple[str, ...]
    disk_formats: tuple[str, ...]
    vmdk_allowed_types: tuple[str, ...]
    require_image_format_match: bool
    gpt_safety_checks_nonfatal: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Database:
    """How the database is reached: [database]. `connection` is None when it is not configured."""

    connection: str | None = field(repr=False)
    connection_parameters: str = field(repr=False)
    max_pool_size: int
    max_overflow: int
    pool_timeout: int | None
    connection_recycle_time: int
    max_retries: int
    retry_interval: int
    mysql_sql_mode: str
    mysql_wsrep_sync_wait: int | None
    sqlite_synchronous: bool


@dataclass(frozen=True, slots=True)
class Task:
    """How tasks run: [task], [taskflow_executor], [wsgi]. `task_time_to_live` is in hours."""

    task_time_to_live: int
    work_dir: str | None
    max_workers: int
    conversion_format: str | None
    task_pool_threads: int


@dataclass(frozen=True, slots=True)
class Imports:
    """How images are imported: the sections of glance-image-import.conf and what is on offer."""

    enabled_import_methods: tuple[str, ...]
    image_import_plugins: tuple[str, ...]
    max_parallel_stores: int | None
    allowed_schemes: tuple[str, ...]
    disallowed_schemes: tuple[str, ...]
    allowed_hosts: tuple[str, ...]
    disallowed_hosts: tuple[str, ...]
    allowed_ports: tuple[int, ...]
    disallowed_ports: tuple[int, ...]
    extra_properties: tuple[str, ...]
    ignore_user_roles: tuple[str, ...]
    inject: Mapping[str, str]
    output_format: str


@dataclass(frozen=True, slots=True)
class Auth:
    """What `[paste_deploy] flavor` asks for. `cache_management` implies `caching`."""

    strategy: Strategy
    caching: bool
    cache_management: bool


@dataclass(frozen=True, slots=True)
class Backend:
    """One store: its name, its type, and all options of that type, those not set as defaults."""

    id: str
    type: str
    description: str | None
    weight: int
    options: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores. `multi`: the operator named them; else each goes by the name of its type."""

    multi: bool
    default: str
    backends: tuple[Backend, ...]
    staging_dir: str
    tasks_dir: str


@dataclass(frozen=True, slots=True)
class Scrubber:
    """When and how deleted images lose their data."""

    delayed_delete: bool
    scrub_time: int
    scrub_pool_size: int
    wakeup_time: int
    daemon: bool


@dataclass(frozen=True, slots=True)
class Cache:
    """The image cache on this node; `image_cache_dir` None: there is none."""

    image_cache_dir: str | None
    image_cache_driver: str
    image_cache_sqlite_db: str
    image_cache_max_size: int
    image_cache_stall_time: int


@dataclass(frozen=True, slots=True)
class Notifications:
    """What is told on the message bus. `drivers` empty: nothing, so the bus need not be loaded."""

    default_publisher_id: str
    disabled_notifications: tuple[str, ...]
    drivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Front:
    """What stands before the API. The service is disabled while one of `healthcheck_files` exists.

    `cors`, `proxy_headers`: whether oslo.middleware is needed for that; its options are in `conf`.
    """

    cors: bool
    proxy_headers: bool
    healthcheck_files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything configured. `conf` is for libraries only, which read their own options from it.

    `files` were read, later ones win; `config_dirs` are where files that belong to them may lie,
    the best place first; `warnings` are lines to log at start.
    """

    service: Service
    image_format: ImageFormat
    database: Database
    task: Task
    imports: Imports
    auth: Auth
    stores: Stores
    scrubber: Scrubber
    cache: Cache
    notifications: Notifications
    front: Front
    files: tuple[str, ...]
    config_dirs: tuple[str, ...]
    warnings: tuple[str, ...]
    conf: cfg.ConfigOpts = field(repr=False, compare=False)

    @property
    def caching(self) -> bool:
        """Whether this node has an image cache."""
        return bool(self.cache.image_cache_dir)
