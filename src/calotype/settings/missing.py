"""Options that are accepted but do nothing yet. Whoever builds a feature takes its names out."""

from collections.abc import Mapping
from types import MappingProxyType

#: Section under which this table names options of stores, whatever section they stand in.
STORE = "(stores)"
#: In place of names: all options of the section.
ALL = "*"

#: Reason -> section -> names.
NOT_IMPLEMENTED: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "arrives with notifications": {
            "DEFAULT": "default_publisher_id disabled_notifications transport_url control_exchange"
            " executor_thread_pool_size rpc_thread_pool_size rpc_response_timeout"
            " rpc_ping_enabled publish_errors",
            "oslo_messaging_notifications": ALL,
            "oslo_messaging_rabbit": ALL,
            "oslo_messaging_kafka": ALL,
        },
        "arrives with unified limits": {
            "DEFAULT": "use_keystone_limits",
            "oslo_limit": ALL,
        },
        "arrives with property protections": {
            "DEFAULT": "property_protection_file property_protection_rule_format",
        },
        "not needed here: tasks are done by workers": {
            "task": "work_dir",
            "taskflow_executor": "max_workers conversion_format",
            "os_glance_tasks_store": ALL,
        },
        "arrives with signatures and encrypted locations": {
            "DEFAULT": "metadata_encryption_key digest_algorithm",
            "key_manager": ALL,
            "barbican": ALL,
            "barbican_service_user": ALL,
            "vault": ALL,
        },
        "not supported: there is no tracing": {
            "profiler": ALL,
            "oslo_middleware_tracing": ALL,
        },
        "not supported: there are no reports": {"oslo_reports": ALL},
        "not supported": {
            "DEFAULT": "pydev_worker_debug_host pydev_worker_debug_port",
            "database": "backend slave_connection asyncio_connection asyncio_slave_connection"
            " synchronous_reader connection_debug connection_trace use_db_reconnect"
            " db_retry_interval db_inc_retry_interval db_max_retry_interval db_max_retries",
            STORE: "filesystem_store_timeout filesystem_store_thread_pool_size"
            " filesystem_store_threadpool_threshold",
        },
        "not needed here: data is never kept on its way to Swift": {
            STORE: "swift_buffer_on_upload swift_upload_buffer_dir",
        },
        "not needed here: Swift is asked with the store's own login": {
            STORE: "swift_store_use_trusts",
        },
        "not supported: compression within TLS is not safe": {
            STORE: "swift_store_ssl_compression",
        },
        "not supported: a file disables the service, nothing else": {
            "healthcheck": "detailed backends allowed_source_ranges ignore_proxied_requests"
            " disable_by_file_paths enable_by_file_paths",
        },
        "not needed here": {
            "paste_deploy": "config_file",
            "task": "task_executor",
            "taskflow_executor": "engine_mode",
            "wsgi": "python_interpreter",
            "oslo_concurrency": ALL,
        },
    }
)

#: Types of store that are accepted in the settings but not there yet, with the reason.
NOT_IMPLEMENTED_STORES: Mapping[str, str] = MappingProxyType(
    {
        "vmware": "not supported: there is no vmware store",
    }
)

#: Options that Glance once had, and the one of ours that says the same.
ONCE: Mapping[str, str] = MappingProxyType(
    {
        "bind_host": "calotype_bind_host",
        "bind_port": "calotype_bind_port",
        "workers": "calotype_workers",
        "client_socket_timeout": "calotype_client_timeout",
    }
)


def reason(section: str, name: str) -> str | None:
    """Why an option does nothing; None when it works."""
    return _REASONS.get((section, name)) or _REASONS.get((section, ALL))


_REASONS = {
    (section, name): why
    for why, sections in NOT_IMPLEMENTED.items()
    for section, names in sections.items()
    for name in names.split()
}
