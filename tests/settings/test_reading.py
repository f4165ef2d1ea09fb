"""Values from files and the environment, and the words in which wrong ones are refused."""

import logging

import pytest

from calotype import errors
from calotype.settings.load import load
from tests.settings.conftest import Write

PORTS = "a list in brackets, such as [a, b]; each is a whole number from 1 to 65535"
REFUSED = [
    ("[DEFAULT]", "api_limit_max = many", "'many' is not a whole number of 1 or more"),
    ("[DEFAULT]", "api_limit_max = 0", "'0' is not a whole number of 1 or more"),
    ("[DEFAULT]", "api_limit_max =", "is empty, not a whole number of 1 or more"),
    (
        "[DEFAULT]",
        "image_size_cap = 9223372036854775809",
        "'9223372036854775809' is not a whole number from 1 to 9223372036854775808",
    ),
    ("[DEFAULT]", "calotype_md5_checksum = maybe", "'maybe' is not true or false"),
    ("[DEFAULT]", "calotype_task_lease = 0", "'0' is not a whole number of 1 or more"),
    ("[DEFAULT]", "calotype_bind_port = 70000", "'70000' is not a whole number from 0 to 65535"),
    ("[DEFAULT]", "calotype_bind_host = a b", "'a b' is not a host name or an IP address"),
    (
        "[DEFAULT]",
        "property_protection_rule_format = xml",
        "'xml' is not one of roles, policies",
    ),
    (
        "[DEFAULT]",
        "hashing_algorithm = sha77",
        "'sha77' is not the name of a digest of fixed length that hashlib knows, such as sha512"
        " or sha256",
    ),
    (
        "[DEFAULT]",
        "hashing_algorithm = shake_128",
        "'shake_128' is not the name of a digest of fixed length that hashlib knows, such as"
        " sha512 or sha256",
    ),
    (
        "[DEFAULT]",
        "user_storage_quota = 5 GB",
        "'5 GB' is not a whole number of bytes, or one followed at once by B, KB, MB, GB or TB",
    ),
    (
        "[DEFAULT]",
        "node_staging_uri = s3://bucket/staging",
        "'s3://bucket/staging' is not a file:// address of a directory, such as"
        " file:///var/lib/glance/staging",
    ),
    (
        "[DEFAULT]",
        "enabled_backends = fast",
        "'fast' is not a list of pairs such as name:value, name:value",
    ),
    (
        "[DEFAULT]",
        "enabled_import_methods = web-download",
        "'web-download' is not a list in brackets, such as [a, b]; each is one of glance-direct,"
        " web-download, copy-image, glance-download",
    ),
    ("[import_filtering_opts]", "allowed_ports = [80, http]", f"'[80, http]' is not {PORTS}"),
    ("[task]", "task_executor = threads", "'threads' is not the only choice, taskflow"),
    ("[profiler]", "socket_timeout = soon", "'soon' is not a number"),
    (
        "[paste_deploy]",
        "flavor = trusted-auth",
        "'trusted-auth' is not one of nothing, caching, cachemanagement, keystone,"
        " keystone+caching, keystone+cachemanagement, http_basic, http_basic+caching,"
        " http_basic+cachemanagement",
    ),
    (
        "[database]",
        "connection = sqlite://$nowhere",
        "refers with $ to an option that is not known; for a dollar sign write $$",
    ),
    ("[oslo_middleware]", "enable_proxy_headers_parsing = on top", "'on top' is not true or false"),
]


@pytest.mark.parametrize(("section", "line", "reason"), REFUSED, ids=lambda part: part[:40])
def test_a_wrong_value_is_refused(write: Write, section: str, line: str, reason: str) -> None:
    path = write(f"{section}\n{line}\n")
    with pytest.raises(errors.BadSettings) as caught:
        load([path])
    name = line.partition(" ")[0]
    assert caught.value.message == f"{path}: {section} {name}: {reason}"


def test_the_file_that_counts_is_named(write: Write) -> None:
    first = write("[DEFAULT]\nhttp_retries = no\n", "a.conf")
    second = write("[DEFAULT]\nhttp_retries = 1\nlimit_param_default = x\n", "b.conf")
    with pytest.raises(errors.BadSettings) as caught:
        load([first, second])
    assert caught.value.message.startswith(f"{second}: [DEFAULT] limit_param_default: ")
    assert len(caught.value.message.splitlines()) == 1


def test_a_wrong_value_under_an_old_name_is_told_by_that_name(write: Write) -> None:
    path = write("[DEFAULT]\ntask_time_to_live = long\n")
    with pytest.raises(errors.BadSettings) as caught:
        load([path])
    assert caught.value.message == (
        f"{path}: [DEFAULT] task_time_to_live: 'long' is not a whole number"
    )


@pytest.mark.parametrize(
    ("old", "value"),
    [
        ("[DEFAULT]\ndisk_formats = raw\n", ("raw",)),
        ("[image_format]\ndisk_formats = raw\n", ("raw",)),
        ("[IMAGE_FORMAT]\ndisk_formats = raw\n", ("raw",)),
        ("[image_format]\ndisk_formats = raw\n[DEFAULT]\ndisk_formats = iso\n", ("raw",)),
    ],
)
def test_old_names_count_and_the_new_one_goes_first(
    write: Write, old: str, value: tuple[str, ...]
) -> None:
    assert load([write(old)]).image_format.disk_formats == value


def test_old_names_are_not_logged_one_by_one(
    write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        load([write("[DEFAULT]\ndisk_formats = raw\ncontainer_formats = bare\n")])
        logging.getLogger("oslo_config.cfg").warning("heard again")
    assert [record.message for record in caplog.records] == ["heard again"]


def test_the_environment_wins_over_files(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("[database]\nconnection = sqlite:///file.db\n")
    monkeypatch.setenv("OS_DATABASE__CONNECTION", "sqlite:///environment.db")
    assert load([path]).database.connection == "sqlite:///environment.db"
    monkeypatch.setenv("OS_DEFAULT__API_LIMIT_MAX", "x")
    with pytest.raises(errors.BadSettings) as caught:
        load([path])
    assert caught.value.message == (
        "environment variable OS_DEFAULT__API_LIMIT_MAX: [DEFAULT] api_limit_max: 'x' is not a"
        " whole number of 1 or more"
    )


def test_a_value_may_refer_to_another(write: Write) -> None:
    path = write("[DEFAULT]\nimage_cache_dir = /c\nimage_cache_sqlite_db = $image_cache_dir/db\n")
    assert load([path]).cache.image_cache_sqlite_db == "/c/db"


def test_lists_and_pairs_cannot_be_changed(write: Write) -> None:
    path = write("[inject_metadata_properties]\ninject = a:b, c:d\nignore_user_roles = x, y\n")
    imports = load([path]).imports
    assert dict(imports.inject) == {"a": "b", "c": "d"}
    assert imports.ignore_user_roles == ("x", "y")
    with pytest.raises(TypeError):
        imports.inject["e"] = "f"  # type: ignore[index]
