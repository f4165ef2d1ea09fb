"""The options of the sections that are not [DEFAULT], a store or a library."""

from oslo_config import cfg, types

from calotype.settings.kinds import bracketed, flag, number, text, words

PORT = types.Integer(min=1, max=65535)
CONVERTIBLE = ("qcow2", "raw", "vmdk")

#: What `[paste_deploy] flavor` may be: how callers are known, and what of the cache is in use.
STRATEGIES = ("", "keystone", "http_basic")
CACHING = ("", "caching", "cachemanagement")
FLAVORS = tuple("+".join(filter(None, (who, cache))) for who in STRATEGIES for cache in CACHING)

IMAGE_FORMAT = (
    words(
        "container_formats",
        ("ami", "ari", "aki", "bare", "ovf", "ova", "docker", "compressed"),
        "What container_format may be.",
        deprecated_group="DEFAULT",
        deprecated_name="container_formats",
    ),
    words(
        "disk_formats",
        ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop"),
        "What disk_format may be.",
        deprecated_group="DEFAULT",
        deprecated_name="disk_formats",
    ),
    words(
        "vmdk_allowed_types",
        ("streamOptimized", "monolithicSparse"),
        "The kinds of vmdk that may be converted.",
    ),
    flag("require_image_format_match", True, "Refuse data that is not of the image's disk_format."),
    words(
        "gpt_safety_checks_nonfatal",
        (),
        "Safety checks of partition tables that only warn.",
    ),
)

TASK = (
    number(
        "task_time_to_live",
        48,
        "Hours for which a task is shown after its end.",
        deprecated_group="DEFAULT",
        deprecated_name="task_time_to_live",
    ),
    text("task_executor", "taskflow", "There is but one choice.", choices=["taskflow"]),
    text("work_dir", None, "Directory for what tasks write meanwhile."),
)

TASKFLOW = (
    text("engine_mode", "parallel", "How Glance runs a task.", choices=["serial", "parallel"]),
    number("max_workers", 10, "How many parts of one task run at once.", min=1),
    text(
        "conversion_format",
        None,
        "The format to which tasks of type import convert.",
        choices=CONVERTIBLE,
    ),
)

WSGI = (
    number("task_pool_threads", 16, "How many tasks one worker process runs at once.", min=1),
    text("python_interpreter", None, "The python that Glance starts helper processes with."),
)

PASTE_DEPLOY = (
    text(
        "flavor",
        None,
        "How callers are known and whether images are cached. Nothing: no authentication, everyone"
        " is an admin.",
        choices=FLAVORS,
    ),
    text("config_file", None, "Glance's pipeline file. Here the flavor alone decides."),
)

PROFILER = (
    flag(
        "enabled",
        False,
        "Trace requests.",
        deprecated_group="DEFAULT",
        deprecated_name="profiler_enabled",
    ),
    flag("trace_sqlalchemy", False, "Trace the database."),
    flag("trace_requests", False, "Trace HTTP requests to other services."),
    text("hmac_keys", "SECRET_KEY", "Keys that sign the headers of a trace.", secret=True),
    text("connection_string", "messaging://", "Where traces go."),
    text("es_doc_type", "notification", "Document type in Elasticsearch."),
    text("es_scroll_time", "2m", "How long an Elasticsearch scroll lives."),
    number("es_scroll_size", 10000, "Length of an Elasticsearch page."),
    cfg.FloatOpt("socket_timeout", default=0.1, help="Seconds to wait for Redis."),
    text("sentinel_service_name", "mymaster", "Name of the service at a Redis sentinel."),
    flag("filter_error_trace", False, "Keep the traces of errors apart."),
)

IMAGE_IMPORT = (
    bracketed("image_import_plugins", (), "What is done with data on import, in this order."),
    number(
        "max_parallel_stores",
        None,
        "How many stores an import writes to at once, in one read of the data; unless set, all.",
        min=1,
    ),
)

IMPORT_FILTERING = (
    bracketed(
        "allowed_schemes",
        ("http", "https"),
        "Schemes that web-download takes. Unless empty, disallowed_schemes is not looked at.",
    ),
    bracketed("disallowed_schemes", (), "Schemes that web-download refuses."),
    bracketed(
        "allowed_hosts",
        (),
        "Hosts that web-download takes, also when they are local. Unless empty, disallowed_hosts is"
        " not looked at.",
    ),
    bracketed("disallowed_hosts", (), "Hosts that web-download refuses."),
    bracketed(
        "allowed_ports",
        (80, 443),
        "Ports that web-download takes. Unless empty, disallowed_ports is not looked at.",
        PORT,
    ),
    bracketed("disallowed_ports", (), "Ports that web-download refuses.", PORT),
)

DOWNLOAD_PROPERTIES = (
    bracketed(
        "extra_properties",
        ("hw_", "trait:", "os_distro", "os_secure_boot", "os_type"),
        "glance-download copies the properties whose names begin so.",
    ),
)

INJECT_METADATA = (
    words("ignore_user_roles", ("admin",), "Nothing is injected for users with one of these."),
    cfg.DictOpt("inject", default={}, help="The properties that imported images get."),
)

IMAGE_CONVERSION = (
    text("output_format", "raw", "The format that images are converted to.", choices=CONVERTIBLE),
)

DATABASE = (
    text(
        "connection",
        None,
        "Address of the database, such as mysql+pymysql://user:password@host/glance.",
        secret=True,
    ),
    text("connection_parameters", "", "Appended to that address, as a=1&b=2."),
    number("max_pool_size", 5, "Connections that one process keeps open.", min=0),
    number("max_overflow", 50, "Connections that one process opens beyond that at need."),
    number("pool_timeout", None, "Seconds that a thread waits for a connection to become free."),
    number("connection_recycle_time", 3600, "Age in seconds at which a connection is opened anew."),
    number("max_retries", 10, "Attempts to connect at start; -1: without end.", min=-1),
    number("retry_interval", 10, "Seconds between two such attempts.", min=0),
    text("mysql_sql_mode", "TRADITIONAL", "SQL mode on MariaDB and MySQL; empty: the server's."),
    number("mysql_wsrep_sync_wait", None, "What a Galera node waits for before it answers."),
    flag("sqlite_synchronous", True, "Let SQLite wait until its data is on the disk."),
    text("backend", "sqlalchemy", "There is but one."),
    text("slave_connection", None, "Address of a database to read from.", secret=True),
    text("asyncio_connection", None, "Address for asynchronous drivers.", secret=True),
    text("asyncio_slave_connection", None, "The same, to read from.", secret=True),
    flag("synchronous_reader", True, "Wait for the replication before reading."),
    number("connection_debug", 0, "How much SQL is logged.", min=0, max=100),
    flag("connection_trace", False, "Say in each statement where it comes from."),
    flag("use_db_reconnect", False, "Repeat what a lost connection interrupted."),
    number("db_retry_interval", 1, "Seconds before such a repetition."),
    flag("db_inc_retry_interval", True, "Double them each time."),
    number("db_max_retry_interval", 10, "The most they become."),
    number("db_max_retries", 20, "How many repetitions."),
)
