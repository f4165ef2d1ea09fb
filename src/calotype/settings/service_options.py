"""The options of [DEFAULT]: those that Glance's operators know, and our own, `calotype_*`."""

from oslo_config import cfg, types

from calotype.settings.kinds import (
    ByteAmount,
    FileUrl,
    HashAlgorithm,
    bracketed,
    flag,
    number,
    text,
    words,
)

IMPORT_METHODS = ("glance-direct", "web-download", "copy-image", "glance-download")

API = (
    flag(
        "allow_anonymous_access",
        False,
        "With a keystone flavor: let callers without a token read what is public.",
    ),
    number("max_request_id_length", 64, "Longest request id taken over from a caller.", min=0),
    text(
        "public_endpoint",
        None,
        "The address under which clients reach the service, for the links in the list of API"
        " versions. Unset: the address of the request.",
    ),
    text(
        "worker_self_reference_url",
        None,
        "The address under which the other nodes reach this one. Unset: public_endpoint.",
    ),
    number("limit_param_default", 25, "Length of a page when the caller names no limit.", min=1),
    number("api_limit_max", 1000, "The longest page a caller may ask for.", min=1),
    flag("show_image_direct_url", False, "Show where an image lies, as direct_url."),
    flag(
        "show_multiple_locations",
        False,
        "Show all locations of an image and let them be changed by PATCH. Deprecated: use the"
        " locations API.",
    ),
    flag(
        "do_secure_hash",
        True,
        "Hash the data behind a location that is added through the locations API.",
    ),
    number("http_retries", 3, "How often reading is tried again while digests are calculated."),
    cfg.Opt(
        "hashing_algorithm",
        type=HashAlgorithm(),
        default="sha512",
        help="The digest that os_hash_value holds for new images.",
    ),
    text(
        "metadata_encryption_key",
        None,
        "AES key with which location addresses are encrypted in the database. Deprecated.",
        secret=True,
    ),
    text("digest_algorithm", "sha256", "Digest of signatures of the oldest kind. Deprecated."),
    text("property_protection_file", None, "File with the rules that protect image properties."),
    text(
        "property_protection_rule_format",
        "roles",
        "Whether the rules in that file name roles or policies.",
        choices=["roles", "policies"],
    ),
)

LIMITS = (
    number("image_member_quota", 128, "Most members of an image; negative: no limit."),
    number(
        "image_property_quota", 128, "Most additional properties of an image; negative: any number."
    ),
    number("image_tag_quota", 128, "Most tags of an image; negative: no limit."),
    number("image_location_quota", 10, "Most locations of an image; negative: no limit."),
    number(
        "image_size_cap",
        1 << 40,
        "The largest image that may be uploaded, in bytes.",
        min=1,
        max=1 << 63,
    ),
    cfg.Opt(
        "user_storage_quota",
        type=ByteAmount(),
        default="0",
        help="Most bytes that a project may store, for example 500GB; 0: no limit.",
    ),
    flag("use_keystone_limits", False, "Ask Keystone for the limits of a project."),
)

IMPORTS = (
    cfg.Opt(
        "node_staging_uri",
        type=FileUrl(),
        default="file:///tmp/staging/",
        help="Where staged data lies, as long as enabled_backends is not set.",
    ),
    bracketed(
        "enabled_import_methods",
        IMPORT_METHODS[:3],
        "The ways of importing that are on offer; [] switches importing off.",
        types.String(quotes=True, choices=IMPORT_METHODS),
    ),
)

STORES = (
    cfg.DictOpt(
        "enabled_backends",
        help="The stores by name and type, for example fast:file, ceph:rbd. Each has a section"
        " of its name. Unset: the single store of [glance_store].",
    ),
)

CACHE = (
    text(
        "image_cache_dir",
        None,
        "Directory of the image cache. Unset: no cache, whatever the flavor.",
    ),
    text(
        "image_cache_driver",
        "centralized_db",
        "Where the cache keeps its books.",
        choices=["centralized_db", "sqlite", "xattr"],
    ),
    text("image_cache_sqlite_db", "cache.db", "File name of the sqlite driver. Deprecated."),
    number("image_cache_max_size", 10 << 30, "What pruning leaves of the cache, in bytes.", min=0),
    number(
        "image_cache_stall_time",
        86400,
        "Seconds after which an unfinished cache entry counts as abandoned.",
        min=0,
    ),
)

NOTIFICATIONS = (
    text("default_publisher_id", "image.localhost", "The publisher named in notifications."),
    words("disabled_notifications", (), "Event types, or groups of them, that are not sent."),
)

SCRUBBER = (
    flag("delayed_delete", False, "Only mark deleted images; the scrubber removes their data."),
    number("scrub_time", 0, "Seconds from the delete of an image to the end of its data.", min=0),
    number("scrub_pool_size", 1, "How many images the scrubber removes at once.", min=1),
    number(
        "wakeup_time",
        300,
        "Seconds between two passes of the scrubber; 0: the worker leaves it to `glance-scrubber`.",
    ),
    flag("daemon", False, "Run `glance-scrubber` until it is stopped."),
)

UNUSED = (
    cfg.HostAddressOpt("pydev_worker_debug_host", help="Host of a remote debugger."),
    cfg.PortOpt("pydev_worker_debug_port", default=5678, help="Port of a remote debugger."),
)

OURS = (
    cfg.HostAddressOpt(
        "calotype_bind_host", default="127.0.0.1", help="Address that `calotype serve` listens on."
    ),
    cfg.PortOpt("calotype_bind_port", default=9292, help="Port that `calotype serve` listens on."),
    number("calotype_workers", 2, "API processes of `calotype serve`.", min=1),
    number("calotype_threads", 16, "Requests that one API process serves at once.", min=1),
    number(
        "calotype_client_timeout",
        300,
        "Seconds after which a client that sends or takes nothing is dropped.",
        min=1,
    ),
    number(
        "calotype_drain_bytes",
        64 << 20,
        "Most bytes of a refused upload that are read and dropped, so that the client gets to see"
        " the reason.",
        min=0,
    ),
    number("calotype_drain_seconds", 5, "Most seconds spent on that.", min=0),
    flag(
        "calotype_md5_checksum",
        True,
        "Compute the md5 that the field checksum holds. Without it the field is null, and uploads"
        " are faster; clients then verify by os_hash_value.",
    ),
    text(
        "calotype_basic_auth_users",
        None,
        "With an http_basic flavor: path of the YAML file that gives each user a project and"
        " roles.",
    ),
    number(
        "calotype_task_lease",
        60,
        "Seconds that a process may be silent before others take over its uploads and tasks.",
        min=1,
    ),
    number("calotype_task_attempts", 3, "How often a task is started before it fails.", min=1),
    number(
        "calotype_sweep_interval",
        3600,
        "Seconds between two searches for bytes without an image; 0: never.",
        min=0,
    ),
    number(
        "calotype_sweep_grace",
        3600,
        "Seconds for which bytes without an image are left alone.",
        min=0,
    ),
    number(
        "calotype_cache_node_timeout",
        600,
        "Seconds that a node may be silent before its cached images are no longer listed.",
        min=1,
    ),
)

DEFAULT = (
    *API,
    *LIMITS,
    *IMPORTS,
    *STORES,
    *CACHE,
    *NOTIFICATIONS,
    *SCRUBBER,
    *OURS,
    *UNUSED,
)
