"""The names of the options that libraries read, so that a file can be checked without them.

Importing the libraries to ask for their options would cost more time than the whole start. A test
compares these lists with those of the installed libraries.
"""

from collections.abc import Mapping
from types import MappingProxyType


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Sections in which a library logs in to Keystone, with the options of the usual kinds of login.
LOGIN_SECTIONS = _names("keystone_authtoken oslo_limit key_manager barbican_service_user")
LOGIN_TYPES = _names(
    """
    password v3password v2password token v3token v2token v3applicationcredential v3totp none
    http_basic admin_token keystone_password keystone_token
    """
)
LOGIN_NAMES = _names(
    """
    application_credential_id application_credential_name application_credential_secret auth_url
    auth_methods default_domain_id default_domain_name domain_id domain_name endpoint passcode
    password project_domain_id project_domain_name project_id project_name system_scope tenant-id
    tenant-name tenant_id tenant_name token trust_id url user-name user_domain_id user_domain_name
    user_id user_name username
    """
)

NAMES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "DEFAULT": _names(
            """
            config_dir config_file config_source control_exchange debug default_log_levels
            executor_thread_pool_size fatal_deprecations instance_format instance_uuid_format
            log-config log_color log_config log_config_append log_date_format log_dir log_file
            log_rotate_interval log_rotate_interval_type log_rotation_type logdir logfile
            logging_context_format_string logging_debug_format_suffix
            logging_default_format_string logging_exception_prefix logging_user_identity_format
            max_logfile_count max_logfile_size_mb publish_errors rate_limit_burst
            rate_limit_except_level rate_limit_interval rpc_ping_enabled rpc_response_timeout
            rpc_thread_pool_size syslog_log_facility transport_url use_journal use_json
            use_stderr use_syslog
            """
        ),
        "barbican": _names(
            """
            auth_endpoint barbican_api_version barbican_endpoint barbican_endpoint_type
            barbican_region_name cafile certfile collect_timing insecure keyfile
            number_of_retries retry_delay send_service_user_token split_loggers timeout
            tls_ciphers tls_min_version verify_ssl verify_ssl_path
            """
        ),
        "barbican_service_user": _names(
            """
            auth_plugin auth_section auth_type cafile certfile collect_timing insecure keyfile
            split_loggers timeout tls_ciphers tls_min_version
            """
        ),
        "cors": _names(
            """
            allow_credentials allow_headers allow_methods allowed_origin expose_headers max_age
            """
        ),
        "healthcheck": _names(
            """
            allowed_source_ranges backends detailed disable_by_file_path disable_by_file_paths
            enable_by_file_paths ignore_proxied_requests
            """
        ),
        "key_manager": _names(
            """
            api_class auth_type auth_url backend domain_id domain_name password
            project_domain_id project_domain_name project_id project_name reauthenticate token
            trust_id user_domain_id user_domain_name user_id username
            """
        ),
        "keystone_authtoken": _names(
            """
            auth_plugin auth_section auth_type auth_version cache cafile certfile
            delay_auth_decision enforce_token_bind http_connect_timeout http_request_max_retries
            include_service_catalog insecure interface keyfile memcache_password
            memcache_pool_conn_get_timeout memcache_pool_dead_retry memcache_pool_maxsize
            memcache_pool_socket_timeout memcache_pool_unused_timeout memcache_sasl_enabled
            memcache_secret_key memcache_security_strategy memcache_servers
            memcache_tls_allowed_ciphers memcache_tls_cafile memcache_tls_certfile
            memcache_tls_enabled memcache_tls_keyfile memcache_use_advanced_pool
            memcache_username memcached_servers region_name service_token_roles
            service_token_roles_required service_type token_cache_time www_authenticate_uri
            """
        ),
        "oslo_concurrency": _names(
            """
            disable_process_locking lock_path
            """
        ),
        "oslo_limit": _names(
            """
            auth_section auth_type auth_url cafile certfile collect_timing connect_retries
            connect_retry_delay default_domain_id default_domain_name domain_id domain_name
            endpoint_id endpoint_interface endpoint_override endpoint_region_name
            endpoint_service_name endpoint_service_type insecure keyfile max_version min_version
            password project_domain_id project_domain_name project_id project_name region_name
            retriable_status_codes service_name service_type split_loggers status_code_retries
            status_code_retry_delay system_scope tenant_id tenant_name timeout tls_ciphers
            tls_min_version trust_id user_domain_id user_domain_name user_id username
            valid_interfaces version
            """
        ),
        "oslo_messaging_kafka": _names(
            """
            compression_codec consumer_group enable_auto_commit kafka_consumer_timeout
            kafka_max_fetch_bytes max_poll_records producer_batch_size producer_batch_timeout
            sasl_mechanism security_protocol ssl_cafile ssl_client_cert_file ssl_client_key_file
            ssl_client_key_password
            """
        ),
        "oslo_messaging_notifications": _names(
            """
            driver retry topics transport_url
            """
        ),
        "oslo_messaging_rabbit": _names(
            """
            amqp_auto_delete amqp_durable_queues conn_pool_min_size conn_pool_ttl
            direct_mandatory_flag enable_cancel_on_failover heartbeat_rate
            heartbeat_timeout_threshold hostname kombu_compression kombu_failover_strategy
            kombu_missing_consumer_retry_timeout kombu_reconnect_delay kombu_reconnect_splay
            kombu_reconnect_timeout processname rabbit_ha_queues rabbit_interval_max
            rabbit_login_method rabbit_qos_prefetch_count rabbit_quorum_delivery_limit
            rabbit_quorum_max_memory_bytes rabbit_quorum_max_memory_length rabbit_quorum_queue
            rabbit_retry_backoff rabbit_retry_interval rabbit_stream_fanout
            rabbit_transient_queues_ttl rabbit_transient_quorum_queue rpc_conn_pool_size ssl
            ssl_ca_file ssl_cert_file ssl_enforce_fips_mode ssl_enforce_hostname_verification
            ssl_key_file ssl_version use_queue_manager
            """
        ),
        "oslo_middleware": _names(
            """
            enable_proxy_headers_parsing http_basic_auth_user_file max_request_body_size
            """
        ),
        "oslo_middleware_tracing": _names(
            """
            enabled insecure otlp_endpoint otlp_protocol sampling_rate service_name
            """
        ),
        "oslo_policy": _names(
            """
            enforce_new_defaults policy_default_rule policy_dirs policy_file remote_content_type
            remote_ssl_ca_crt_file remote_ssl_client_crt_file remote_ssl_client_key_file
            remote_ssl_verify_server_crt remote_timeout
            """
        ),
        "oslo_reports": _names(
            """
            file_event_handler file_event_handler_interval log_dir
            """
        ),
        "vault": _names(
            """
            approle_role_id approle_secret_id auth_method auth_path kv_mountpoint kv_path
            kv_version namespace root_token_id ssl_ca_crt_file timeout token_file token_role
            use_ssl vault_url
            """
        ),
    }
)
