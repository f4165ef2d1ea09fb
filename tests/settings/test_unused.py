"""The warnings about what is set in vain or under an old name."""

import pytest

from calotype.settings.load import load
from tests.settings.conftest import Write

BACKENDS = "[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = a\n"


def idle(write: Write, text: str) -> str:
    """What is set without effect, or nothing."""
    lines = load([write(text)]).warnings
    assert len(lines) <= 1
    return "".join(lines).removeprefix("Settings without effect: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[DEFAULT]\ncolour = blue\n", "[DEFAULT] colour (unknown)"),
        (
            "[DEFAULT]\na = 1\n[nowhere]\nb = 2\nc = 3\n[database]\nd = 4\n[DEFAULT]\ne = 5\n",
            "[DEFAULT] a (unknown), e (unknown); [nowhere] (no such section);"
            " [database] d (unknown)",
        ),
        ("[DEFAULT]\nbind_port = 9292\n", "[DEFAULT] bind_port (unknown, see calotype_bind_port)"),
        ("[DEFAULT]\nlog-file = /x\n", "[DEFAULT] log-file (unknown, write log_file)"),
        (
            "[DEFAULT]\nimage-cache-dir = /x\n",
            "[DEFAULT] image-cache-dir (unknown, write image_cache_dir)",
        ),
        (
            "[profiler]\nenabled = true\n",
            "[profiler] enabled (not supported: there is no tracing)",
        ),
        (
            "[DEFAULT]\nuse_keystone_limits = true\n[oslo_limit]\nendpoint_id = 1\n",
            "[DEFAULT] use_keystone_limits (arrives with unified limits);"
            " [oslo_limit] endpoint_id (arrives with unified limits)",
        ),
        (
            "[glance_store]\nstores = file, vmware\nvmware_server_host = h\n",
            "[glance_store] stores vmware (not supported: there is no vmware store)",
        ),
        (
            "[glance_store]\nfilesystem_store_timeout = 5\n",
            "[glance_store] filesystem_store_timeout (not supported)",
        ),
        (
            "[glance_store]\ndefault_backend = a\n",
            "[glance_store] default_backend (only with enabled_backends)",
        ),
        (
            BACKENDS + "stores = file\nfilesystem_store_datadir = /x\n",
            "[glance_store] stores (only without enabled_backends),"
            " filesystem_store_datadir (only without enabled_backends)",
        ),
        (
            BACKENDS + "[a]\nfilesystem_store_timeout = 5\nrbd_store_pool = x\n",
            "[a] filesystem_store_timeout (not supported), rbd_store_pool (unknown)",
        ),
        (
            BACKENDS.replace("a:file", "a:file, B:vmware") + "[B]\nvmware_server_host = x\n",
            "[DEFAULT] enabled_backends B (not supported: there is no vmware store)",
        ),
        ("[keystone_authtoken]\npasswrod = x\n", "[keystone_authtoken] passwrod (unknown)"),
        ("[healthcheck]\ndetailed = true\n", "[healthcheck] detailed (not supported: a file"
         " disables the service, nothing else)"),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_named_in_one_line(write: Write, text: str, said: str) -> None:
    assert idle(write, text) == said


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[DEFAULT]\ndebug = true\nlogdir = /x\nlog_config = /y\ncalotype_workers = 4\n",
        "[keystone_authtoken]\nauth_type = password\nauth_url = x\nuser-name = y\n",
        "[keystone_authtoken]\nauth_type = v3oidcpassword\ndiscovery_endpoint = x\n",
        "[keystone_authtoken]\nauth_section = Elsewhere\n[elsewhere]\nanything = x\n",
        "[cors]\nallowed_origin = *\n[cors.second]\nallowed_origin = http://x\nmax_age = 5\n",
        "[oslo_middleware]\nhttp_basic_auth_user_file = /x\n",
        "[Database]\nconnection = sqlite://\n",
        BACKENDS + "[A]\nweight = 3\n",
        "[glance_store]\nrbd_store_pool = leftover\n",
    ],
)
def test_what_works_is_not_named(write: Write, text: str) -> None:
    assert load([write(text)]).warnings == ()


def test_sections_of_other_sources_are_not_checked(write: Write) -> None:
    text = "[DEFAULT]\nconfig_source = far, away\n[far]\nanything = 1\n[away]\nanything = 2\n"
    assert load([write(text)]).warnings == ()


def test_old_names_are_named_in_a_line_of_their_own(write: Write) -> None:
    text = (
        "[DEFAULT]\ndisk_formats = raw\nprofiler_enabled = true\nenabled_backends = a:cinder\n"
        "[glance_store]\ndefault_backend = a\n[a]\nos_region_name = x\n"
    )
    without_effect, old = load([write(text)]).warnings
    assert "disk_formats" not in without_effect
    assert old == (
        "Settings under old names: [DEFAULT] disk_formats is now [image_format] disk_formats;"
        " [DEFAULT] profiler_enabled is now [profiler] enabled;"
        " [a] os_region_name is now [a] cinder_os_region_name"
    )
