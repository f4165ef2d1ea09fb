"""The whole way from files to settings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import calotype
from calotype import errors
from calotype.settings.load import check_libraries, load
from calotype.settings.tree import Auth, Front, Notifications
from tests.settings.conftest import Write

#: A file as a deployment tool writes it for a site with Ceph, Keystone and RabbitMQ.
OPERATORS = """\
[DEFAULT]
debug = False
log_file = /var/log/glance/glance-api.log
use_stderr = True
worker_self_reference_url = http://10.0.0.11:9292
show_multiple_locations = False
show_image_direct_url = True
enabled_backends = rbd:rbd, scratch:file
enabled_import_methods = [glance-direct,web-download,copy-image]
image_size_cap = 2199023255552
user_storage_quota = 500GB
transport_url = rabbit://openstack:rabbit-password@10.0.0.12:5672//
# workers = 5

[database]
connection = mysql+pymysql://glance:database-password@10.0.0.10:3306/glance
connection_recycle_time = 10
max_pool_size = 1
max_retries = -1

[keystone_authtoken]
service_type = image
www_authenticate_uri = http://10.0.0.10:5000
auth_url = http://10.0.0.10:5000
auth_type = password
project_domain_id = default
user_domain_id = default
project_name = service
username = glance
password = keystone-password
cafile =
region_name = RegionOne
memcache_security_strategy = ENCRYPT
memcache_secret_key = memcache-secret
memcached_servers = 10.0.0.11:11211,10.0.0.12:11211

[paste_deploy]
flavor = keystone+cachemanagement

[glance_store]
default_backend = rbd

[rbd]
store_description = Ceph, three copies
rbd_store_user = glance
rbd_store_pool = images
rbd_store_ceph_conf = /etc/ceph/ceph.conf
weight = 10

[scratch]
filesystem_store_datadir = /var/lib/glance/scratch
filesystem_thin_provisioning = yes

[os_glance_staging_store]
filesystem_store_datadir = /var/lib/glance/staging

[os_glance_tasks_store]
filesystem_store_datadir = /var/lib/glance/tasks_work_dir

[oslo_middleware]
enable_proxy_headers_parsing = True

[oslo_concurrency]
lock_path = /var/lib/glance/tmp

[oslo_messaging_notifications]
transport_url = rabbit://openstack:rabbit-password@10.0.0.12:5672//
driver = messagingv2
topics = notifications

[oslo_messaging_rabbit]
heartbeat_in_pthread = false
rabbit_quorum_queue = true

[oslo_policy]
policy_file = policy.yaml

[cors]
allowed_origin = https://dashboard.example.org
"""


def test_without_files_all_is_default(tmp_path: Path) -> None:
    settings = load()
    assert settings.files == ()
    assert settings.config_dirs == (str(tmp_path / "standard"),)
    assert settings.warnings == ()
    assert settings.database.connection is None
    assert settings.auth == Auth("none", caching=False, cache_management=False)
    assert settings.service.calotype_bind_host == "127.0.0.1"
    assert settings.service.image_size_cap == 1 << 40
    assert settings.service.user_storage_quota == 0
    assert settings.imports.allowed_ports == (80, 443)
    assert settings.stores.staging_dir == "/tmp/staging"
    assert settings.notifications == Notifications("image.localhost", (), ())
    assert settings.front == Front(False, False, ("/etc/glance/healthcheck_disable",))


def test_own_options_have_their_defaults() -> None:
    service = load().service
    ours = {name: getattr(service, name) for name in service.__slots__ if "calotype_" in name}
    assert ours == {
        "calotype_bind_host": "127.0.0.1",
        "calotype_bind_port": 9292,
        "calotype_workers": 2,
        "calotype_threads": 16,
        "calotype_client_timeout": 300,
        "calotype_drain_bytes": 64 * 1024 * 1024,
        "calotype_drain_seconds": 5,
        "calotype_md5_checksum": True,
        "calotype_basic_auth_users": None,
        "calotype_task_lease": 60,
        "calotype_task_attempts": 3,
        "calotype_sweep_interval": 3600,
        "calotype_sweep_grace": 3600,
        "calotype_cache_node_timeout": 600,
    }


def test_a_file_of_an_operator(write: Write, tmp_path: Path) -> None:
    path = write(OPERATORS)
    settings = load([path])
    assert settings.files == (path,)
    assert settings.config_dirs == (str(tmp_path),)
    assert settings.auth == Auth("keystone", caching=True, cache_management=True)
    assert settings.service.show_image_direct_url is True
    assert settings.service.user_storage_quota == 500 << 30
    assert settings.service.worker_self_reference_url == "http://10.0.0.11:9292"
    assert settings.database.connection is not None
    assert settings.database.connection.endswith("@10.0.0.10:3306/glance")
    assert (settings.database.max_pool_size, settings.database.max_retries) == (1, -1)
    assert [store.id for store in settings.stores.backends] == ["rbd", "scratch"]
    assert settings.stores.staging_dir == "/var/lib/glance/staging"
    assert settings.notifications.drivers == ("messagingv2",)
    assert settings.front.cors
    assert settings.front.proxy_headers


def test_a_file_of_an_operator_makes_one_line_of_warnings(write: Write) -> None:
    [line] = load([write(OPERATORS)]).warnings
    assert "heartbeat_in_pthread" in line
    assert line.startswith("Settings without effect: [DEFAULT] transport_url (arrives")
    assert "[DEFAULT] " in line and "enabled_backends" not in line
    assert "\n" not in line
    for name in ("debug", "log_file", "www_authenticate_uri", "username", "policy_file", "weight"):
        assert name not in line


def test_libraries_read_the_same_files(write: Write) -> None:
    from oslo_log import log
    from oslo_policy import opts

    conf = load([write(OPERATORS)]).conf
    # These are options of the command line too, of which there is none once the files are read.
    log.register_options(conf)
    conf.register_opts(opts.list_opts()[0][1], group="oslo_policy")
    assert conf.log_file == "/var/log/glance/glance-api.log"
    assert conf.use_stderr is True
    assert conf.oslo_policy.policy_file == "policy.yaml"


def test_the_standard_files_and_the_later_wins(write: Write, tmp_path: Path) -> None:
    write("[image_import_opts]\nmax_parallel_stores = 2\n", "standard/glance-image-import.conf")
    both = "[image_conversion]\noutput_format = qcow2\n[DEFAULT]\nlimit_param_default = {}\n"
    write(both.format(5), "standard/glance-image-import.conf")
    write("[DEFAULT]\nlimit_param_default = 6\n", "standard/glance-api.conf")
    settings = load()
    assert settings.imports.output_format == "qcow2"
    assert settings.service.limit_param_default == 6
    assert [Path(path).name for path in settings.files] == [
        "glance-image-import.conf",
        "glance-api.conf",
    ]


def test_no_standard_file_is_read_beside_those_given(write: Write) -> None:
    write("[DEFAULT]\nlimit_param_default = 6\n", "standard/glance-api.conf")
    assert load([write("")]).service.limit_param_default == 25


def test_nothing_is_read_when_only_defaults_are_wanted(write: Write) -> None:
    write("[DEFAULT]\nlimit_param_default = many\n", "standard/glance-api.conf")
    settings = load(use_defaults_only=True)
    assert settings.service.limit_param_default == 25
    assert (settings.files, settings.config_dirs) == ((), ())


def test_directories_come_after_files_in_the_order_of_names(write: Write, tmp_path: Path) -> None:
    path = write("[DEFAULT]\napi_limit_max = 1\nlimit_param_default = 1\n")
    write("[DEFAULT]\napi_limit_max = 3\n", "d/20.conf")
    write("[DEFAULT]\napi_limit_max = 2\n", "d/10.conf")
    write("[DEFAULT]\napi_limit_max = 4\n", "d/ignored.txt")
    settings = load([path], [str(tmp_path / "d")])
    assert (settings.service.api_limit_max, settings.service.limit_param_default) == (3, 1)
    assert settings.config_dirs == (str(tmp_path / "d"), str(tmp_path))
    assert settings.conf.find_file("10.conf") == str(tmp_path / "d" / "10.conf")


def test_overrides_win_and_are_checked(write: Write) -> None:
    path = write("[DEFAULT]\ncalotype_bind_port = 1\n[glance_store]\nstores = file\n")
    settings = load(
        [path],
        overrides={
            ("DEFAULT", "calotype_bind_port"): 8080,
            ("DEFAULT", "user_storage_quota"): "2KB",
            ("glance_store", "filesystem_store_datadir"): "/srv/images",
        },
    )
    assert settings.service.calotype_bind_port == 8080
    assert settings.service.user_storage_quota == 2048
    assert settings.stores.backends[0].options["filesystem_store_datadir"] == "/srv/images"
    with pytest.raises(errors.BadSettings) as caught:
        load(overrides={("DEFAULT", "calotype_workers"): 0, ("DEFAULT", "no_such"): 1})
    assert caught.value.message.splitlines() == [
        "command line: [DEFAULT] calotype_workers: 0 is not a whole number of 1 or more",
        "command line: [DEFAULT] no_such: there is no such option",
    ]


@pytest.mark.parametrize(
    ("flavor", "auth"),
    [
        ("", Auth("none", caching=False, cache_management=False)),
        ("caching", Auth("none", caching=True, cache_management=False)),
        ("cachemanagement", Auth("none", caching=True, cache_management=True)),
        ("keystone", Auth("keystone", caching=False, cache_management=False)),
        ("keystone+caching", Auth("keystone", caching=True, cache_management=False)),
        ("keystone+cachemanagement", Auth("keystone", caching=True, cache_management=True)),
        ("http_basic", Auth("http_basic", caching=False, cache_management=False)),
        ("http_basic+caching", Auth("http_basic", caching=True, cache_management=False)),
    ],
)
def test_the_flavor_says_who_callers_are(write: Write, flavor: str, auth: Auth) -> None:
    assert load([write(f"[paste_deploy]\nflavor = {flavor}\n")]).auth == auth


def test_a_cache_needs_a_directory(write: Write) -> None:
    assert not load([write("[paste_deploy]\nflavor = caching\n")]).caching
    assert load([write("[DEFAULT]\nimage_cache_dir = /var/cache/images\n")]).caching


def test_secrets_are_not_shown(write: Write) -> None:
    path = write(
        OPERATORS.replace("[scratch]\n", "[scratch]\ns3_store_secret_key = store-secret\n")
        + "[profiler]\nhmac_keys = trace-secret\n"
        + "[unknown]\npassword = other-secret\n"
    )
    shown = repr(load([path])) + str(load([path]).stores.backends)
    assert "database-password" not in shown
    assert "-secret" not in shown
    assert "keystone-password" not in shown
    assert "rabbit-password" not in shown


def test_secret_store_options_are_not_shown(write: Write) -> None:
    settings = load([write("[glance_store]\nstores = file,s3\ns3_store_secret_key = hidden\n")])
    assert settings.stores.backends[1].options["s3_store_secret_key"] == "hidden"
    assert "hidden" not in repr(settings)


def test_all_that_is_wrong_is_told_at_once(write: Write) -> None:
    first = write("[DEFAULT]\napi_limit_max = 0\n", "a.conf")
    second = write("[image_format]\nrequire_image_format_match = perhaps\n", "b.conf")
    with pytest.raises(errors.BadSettings) as caught:
        load([first, second])
    assert caught.value.message.splitlines() == [
        f"{first}: [DEFAULT] api_limit_max: '0' is not a whole number of 1 or more",
        f"{second}: [image_format] require_image_format_match: 'perhaps' is not true or false",
    ]


def test_wrong_values_of_libraries_are_found_once_they_are_known(write: Write) -> None:
    from oslo_log import log

    path = write("[DEFAULT]\ndebug = perhaps\n")
    settings = load([path])
    check_libraries(settings)
    log.register_options(settings.conf)
    with pytest.raises(errors.BadSettings, match="debug: ") as caught:
        check_libraries(settings)
    assert caught.value.message.startswith(f"{path}: [DEFAULT] debug: ")


def test_no_library_is_imported_to_read_the_settings(write: Write) -> None:
    program = (
        "import sys; from calotype.settings.load import load; load(sys.argv[1:]);"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    path = write(OPERATORS)
    run = [sys.executable, "-W", "error", "-c", program, path]
    source = {**os.environ, "PYTHONPATH": str(Path(calotype.__file__).parents[1])}
    done = subprocess.run(run, check=True, stdout=subprocess.PIPE, text=True, env=source)
    loaded = set(done.stdout.split())
    slow = {"keystonemiddleware", "keystoneauth1", "oslo_messaging", "oslo_policy", "falcon"}
    slow |= {"oslo_middleware", "oslo_cache", "sqlalchemy", "requests", "webob", "eventlet"}
    assert "oslo_config" in loaded
    assert loaded & slow == set()
