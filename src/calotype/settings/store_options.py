"""The options of the stores: which there are, and what each type of store takes."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from oslo_config import cfg

from calotype.settings.kinds import flag, number, text, words

STAGING = "os_glance_staging_store"
TASKS = "os_glance_tasks_store"
#: Store ids that begin so are ours.
RESERVED_PREFIX = "os_glance_"

#: Names under which `[glance_store] stores` and `default_store` know a type of store.
TYPE_OF: Mapping[str, str] = MappingProxyType(
    {
        "file": "file",
        "filesystem": "file",
        "http": "http",
        "https": "http",
        "swift": "swift",
        "swift+http": "swift",
        "swift+https": "swift",
        "swift+config": "swift",
        "rbd": "rbd",
        "cinder": "cinder",
        "vmware": "vmware",
        "vsphere": "vmware",
        "s3": "s3",
    }
)

SELECTORS = (
    text(
        "default_backend",
        None,
        "With enabled_backends: the name of the store that takes data when none is asked for.",
    ),
    words("stores", ("file", "http"), "Without enabled_backends: the types of store in use."),
    text(
        "default_store",
        "file",
        "Without enabled_backends: the type of store that takes data.",
        choices=[name for name in TYPE_OF if name != "vmware"],
    ),
)

#: What every store takes when enabled_backends names it.
EVERY_STORE = (
    text("store_description", None, "Said about the store in the list of stores."),
    number("weight", 0, "Of several copies, the one in the heaviest store is read."),
)

RESERVED: Mapping[str, Sequence[cfg.Opt]] = MappingProxyType(
    {
        STAGING: (
            text(
                "filesystem_store_datadir",
                f"/var/lib/glance/{STAGING}",
                "With enabled_backends: directory for staged data.",
            ),
        ),
        TASKS: (
            text(
                "filesystem_store_datadir",
                f"/var/lib/glance/{TASKS}",
                "With enabled_backends: directory for what tasks write meanwhile.",
            ),
        ),
    }
)

FILE = (
    text("filesystem_store_datadir", "/var/lib/glance/images", "Directory of the images."),
    cfg.MultiStrOpt(
        "filesystem_store_datadirs",
        help="Several directories, each with a priority, as /dir:200; repeat the line. In place of"
        " filesystem_store_datadir. Deprecated.",
    ),
    text(
        "filesystem_store_metadata_file",
        None,
        "JSON file that is added to the metadata of locations.",
    ),
    number(
        "filesystem_store_file_perm", 0, "Mode of the files, as in 640; 0: as the umask leaves it."
    ),
    number("filesystem_store_chunk_size", 65536, "Bytes read and written at once.", min=1),
    flag("filesystem_thin_provisioning", False, "Do not write blocks of zeros: sparse files."),
    number("filesystem_store_timeout", 0, "Seconds a file operation may last; 0: any.", min=0),
    number(
        "filesystem_store_thread_pool_size", 10, "Threads for operations with a timeout.", min=1
    ),
    number(
        "filesystem_store_threadpool_threshold",
        75,
        "Percent of those threads in use at which new work is refused.",
        min=0,
        max=100,
    ),
)

HTTP = (
    text("https_ca_certificates_file", None, "Certificates of the authorities to trust."),
    flag("https_insecure", True, "Do not check certificates, unless the option above is set."),
    cfg.DictOpt("http_proxy_information", default={}, help="Proxies by scheme: http:host:port."),
)

RBD = (
    number("rbd_store_chunk_size", 8, "Size of an object in MiB, a power of two.", min=1),
    text("rbd_store_pool", "images", "The pool."),
    text("rbd_store_user", None, "The cephx user. Unset: as ceph.conf says."),
    text("rbd_store_ceph_conf", "", "Path of ceph.conf. Empty: where Ceph looks for it."),
    number("rados_connect_timeout", -1, "Seconds for connecting; less than 1: no limit."),
    flag("rbd_thin_provisioning", False, "Do not write blocks of zeros."),
)

CHECKSUMS = ("when_required", "when_supported")
S3 = (
    text("s3_store_host", None, "Address of the S3 service."),
    text("s3_store_region_name", "", "The region."),
    text("s3_store_access_key", None, "Id of the key.", secret=True),
    text("s3_store_secret_key", None, "The secret key.", secret=True),
    text("s3_store_bucket", None, "The bucket."),
    flag("s3_store_create_bucket_on_put", False, "Create the bucket if there is none."),
    text(
        "s3_store_bucket_url_format",
        "auto",
        "Whether the bucket is named in the path or in the host name.",
        choices=["auto", "path", "virtual"],
    ),
    number("s3_store_large_object_size", 100, "Size in MB from which data goes in parts.", min=0),
    number("s3_store_large_object_chunk_size", 10, "Size of a part in MB.", min=5),
    number("s3_store_thread_pools", 10, "Parts that are sent at once.", min=1),
    text("s3_store_cacert", "", "Certificates of the authorities to trust."),
    flag("s3_store_enable_data_integrity_protection", False, "Send a checksum with each part."),
    text(
        "s3_store_request_checksum_calculation",
        "when_required",
        "Which requests carry a checksum.",
        choices=CHECKSUMS,
    ),
    text(
        "s3_store_response_checksum_validation",
        "when_required",
        "Which answers are checked.",
        choices=CHECKSUMS,
    ),
)

SWIFT = (
    flag("swift_store_auth_insecure", False, "Do not check the certificates of servers."),
    text("swift_store_cacert", None, "Certificates of the authorities to trust."),
    text("swift_store_region", None, "The region."),
    text("swift_store_endpoint", None, "Address of the storage, in place of the catalog's."),
    text(
        "swift_store_endpoint_type",
        "publicURL",
        "Which address of the catalog is used.",
        choices=["publicURL", "adminURL", "internalURL"],
    ),
    text("swift_store_service_type", "object-store", "Type of the service in the catalog."),
    text("swift_store_container", "glance", "The container, or what its name begins with."),
    number("swift_store_large_object_size", 5120, "Size in MB from which data is split.", min=1),
    number("swift_store_large_object_chunk_size", 200, "Size of a segment in MB.", min=1),
    flag("swift_store_create_container_on_put", False, "Create the container if there is none."),
    flag("swift_store_multi_tenant", False, "Store in the account of the user."),
    number(
        "swift_store_multiple_containers_seed",
        0,
        "How many characters of the image id become part of the container's name.",
        min=0,
        max=32,
    ),
    words("swift_store_admin_tenants", (), "Projects that may read what users store."),
    flag("swift_store_ssl_compression", True, "Compress within TLS."),
    number("swift_store_retry_get_count", 0, "How often a download is tried again.", min=0),
    number(
        "swift_store_expire_soon_interval",
        60,
        "Seconds before its end at which a token is renewed.",
        min=0,
    ),
    flag("swift_store_use_trusts", True, "Let trusts outlive the token of the user."),
    flag("swift_buffer_on_upload", False, "Keep each segment on disk until it is stored."),
    text("swift_upload_buffer_dir", None, "Directory for that."),
    text("swift_store_config_file", None, "File with the accounts."),
    text("default_swift_reference", "ref1", "Section of that file for new data."),
    text("swift_store_auth_version", "3", "Version of the login. Deprecated.", choices=["3"]),
    text("swift_store_auth_address", None, "Address of the login. Deprecated."),
    text("swift_store_user", None, "The user, as project:user. Deprecated.", secret=True),
    text("swift_store_key", None, "The password. Deprecated.", secret=True),
    text("swift_store_application_credential_id", None, "Login without a user.", secret=True),
    text("swift_store_application_credential_secret", None, "Its secret.", secret=True),
    text("swift_store_project_name", None, "The project. Deprecated."),
    text("swift_store_project_id", None, "The project's id. Deprecated."),
)

VMWARE = (
    cfg.HostAddressOpt("vmware_server_host", help="The ESX or vCenter server."),
    text("vmware_server_username", None, "The user."),
    text("vmware_server_password", None, "The password.", secret=True),
    number("vmware_api_retry_count", 10, "How often a call is tried again.", min=1),
    number("vmware_task_poll_interval", 5, "Seconds between two looks at a running task.", min=1),
    text("vmware_store_image_dir", "/openstack_glance", "The folder."),
    flag(
        "vmware_insecure",
        False,
        "Do not check the certificate of the server.",
        deprecated_opts=[
            cfg.DeprecatedOpt("vmware_api_insecure"),
            cfg.DeprecatedOpt("vmware_api_insecure", group="DEFAULT"),
        ],
    ),
    text("vmware_ca_file", None, "Certificates of the authorities to trust."),
    cfg.MultiStrOpt(
        "vmware_datastores", help="A datastore, as datacenter:datastore:weight; repeat the line."
    ),
)

CINDER = (
    text("cinder_catalog_info", "volumev3::publicURL", "Type, name and interface in the catalog."),
    text("cinder_endpoint_template", None, "Address of Cinder, in place of the catalog's."),
    text("cinder_os_region_name", None, "The region.", deprecated_name="os_region_name"),
    text("cinder_ca_certificates_file", None, "Certificates of the authorities to trust."),
    number("cinder_http_retries", 3, "How often a call is tried again.", min=0),
    number("cinder_state_transition_timeout", 300, "Seconds to wait for a volume.", min=0),
    flag("cinder_api_insecure", False, "Do not check the certificate of the server."),
    text("cinder_store_auth_address", None, "Address of the login."),
    text("cinder_store_user_name", None, "The user."),
    text("cinder_store_user_domain_name", "Default", "The user's domain."),
    text("cinder_store_password", None, "The password.", secret=True),
    text("cinder_store_application_credential_id", None, "Login without a user."),
    text("cinder_store_application_credential_secret", None, "Its secret.", secret=True),
    text("cinder_store_project_name", None, "The project of the volumes."),
    text("cinder_store_project_domain_name", "Default", "The project's domain."),
    text("rootwrap_config", "/etc/glance/rootwrap.conf", "Rules for commands run as root."),
    text("cinder_volume_type", None, "The volume type."),
    flag("cinder_enforce_multipath", False, "Fail where there is no multipath."),
    flag("cinder_use_multipath", False, "Use multipath."),
    text("cinder_mount_point_base", "/var/lib/glance/mnt", "Directory for mounted shares."),
    flag("cinder_do_extend_attached", False, "Extend volumes while they are attached."),
    number("cinder_attachment_retry_attempts", 5, "How often attaching is tried.", min=1),
)

STORE_OPTIONS: Mapping[str, Sequence[cfg.Opt]] = MappingProxyType(
    {
        "file": FILE,
        "http": HTTP,
        "rbd": RBD,
        "s3": S3,
        "swift": SWIFT,
        "cinder": CINDER,
        "vmware": VMWARE,
    }
)
