"""The options of a Cinder store become settings, or a message that names the option."""

from pathlib import Path
from typing import Any

import pytest

from calotype.errors import BadSettings
from calotype.settings.store_options import STORE_OPTIONS
from calotype.stores.cinder import CinderStore
from calotype.stores.cinder_device import root_helper
from calotype.stores.cinder_settings import CinderSettings, Login

USER = {
    "cinder_store_auth_address": "http://keystone.example/v3",
    "cinder_store_user_name": "glance",
    "cinder_store_password": "a secret",
    "cinder_store_project_name": "service",
}


def settings(**more: Any) -> CinderSettings:
    return CinderSettings.from_options({**USER, **more})


def test_the_defaults_are_glances() -> None:
    defaults = {opt.dest: opt.default for opt in STORE_OPTIONS["cinder"]}
    set_ = {name: value for name, value in defaults.items() if name not in USER}
    assert settings(**set_) == settings()
    assert settings().service_type == "volumev3"
    assert settings().interface == "publicURL"
    assert settings().timeout == 300
    assert settings().verify is True
    assert settings().mount_point_base == "/var/lib/glance/mnt"


@pytest.mark.parametrize("name", USER)
def test_a_login_is_needed(name: str) -> None:
    with pytest.raises(BadSettings, match=name):
        settings(**{name: None})


def test_an_application_credential_needs_both_halves() -> None:
    whole = {
        "cinder_store_auth_address": "http://keystone.example/v3",
        "cinder_store_application_credential_id": "id",
        "cinder_store_application_credential_secret": "a secret",
    }
    assert Login.from_options(whole).application_credential_id == "id"
    for name in list(whole)[1:]:
        with pytest.raises(BadSettings, match=name):
            Login.from_options({**whole, name: None})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cinder_catalog_info", "volumev3"),
        ("cinder_catalog_info", "::publicURL"),
        ("cinder_endpoint_template", "http://cinder.example/v3/%(user)s"),
        ("cinder_endpoint_template", "http://cinder.example/v3/%s%s%"),
        ("cinder_ca_certificates_file", "/no/such/file"),
        ("cinder_mount_point_base", "mnt"),
    ],
)
def test_what_cannot_work_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match=name):
        settings(**{name: value})


def test_the_catalogue_is_told_by_three_words() -> None:
    found = settings(cinder_catalog_info="block-storage:cinder:internalURL")
    assert (found.service_type, found.service_name, found.interface) == (
        *("block-storage", "cinder"),
        "internalURL",
    )


@pytest.mark.parametrize("name", ["tenant", "tenant_id", "project_id"])
def test_the_address_may_hold_the_project(name: str) -> None:
    found = settings(cinder_endpoint_template=f"http://cinder.example/v3/%({name})s")
    assert found.endpoint == "http://cinder.example/v3/%(project_id)s"


def test_certificates(tmp_path: Path) -> None:
    file = tmp_path / "authorities.pem"
    file.write_text("")
    assert settings(cinder_ca_certificates_file=str(file)).verify == str(file)
    assert settings(cinder_api_insecure=True).verify is False


def test_secrets_are_not_shown() -> None:
    store = CinderStore("fast", settings())
    assert "a secret" not in f"{settings()!r} {store.traits!r} {vars(store)!r}"


def test_making_a_store_connects_to_nothing() -> None:
    CinderStore("fast", settings(cinder_store_auth_address="http://192.0.2.1/v3"))


def test_root_needs_no_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert root_helper("/etc/glance/rootwrap.conf") == ""


def test_others_use_sudo_and_the_wrapper_of_glance_where_it_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    config, wrapper = tmp_path / "rootwrap.conf", tmp_path / "glance-rootwrap"
    config.write_text("")
    assert root_helper(str(config)) == "sudo -n"
    wrapper.write_text("")
    wrapper.chmod(0o755)
    assert root_helper(str(config)) == f"sudo -n {wrapper} {config}"
    assert root_helper(str(tmp_path / "missing")) == "sudo -n"
