"""The lists of names are those of the installed libraries."""

import importlib
import warnings
from importlib.metadata import entry_points

import pytest
from oslo_config import cfg

from calotype.settings.library_names import LOGIN_NAMES, NAMES

LIBRARIES = [
    "castellan.config",
    "keystonemiddleware.auth_token",
    "oslo.concurrency",
    "oslo.log",
    "oslo.messaging",
    "oslo.middleware",
    "oslo.policy",
]


def published(library: str) -> list[tuple[str, cfg.Opt]]:
    found = {entry.name: entry for entry in entry_points(group="oslo.config.opts")}
    if library not in found:
        pytest.skip(f"{library} is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        listed = found[library].load()()
    return [(str(group or "DEFAULT"), opt) for group, options in listed for opt in options]


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_option_of_a_library_is_known(library: str) -> None:
    unknown = [
        f"[{section}] {opt.dest}"
        for section, opt in published(library)
        if opt.dest not in NAMES.get(section, ())
    ]
    assert unknown == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_old_name_of_a_library_is_known(library: str) -> None:
    unknown = [
        f"[{section}] {old.name}"
        for section, opt in published(library)
        for old in opt.deprecated_opts
        if (old.name or opt.dest) not in NAMES.get(old.group or section, ())
    ]
    assert unknown == []


@pytest.mark.parametrize("kind", ["password", "token", "v3applicationcredential", "v3totp"])
def test_every_option_of_the_usual_logins_is_known(kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        login = importlib.import_module("keystoneauth1.loading")
        names = {opt.dest for opt in login.get_auth_plugin_conf_options(kind)}
    assert names - LOGIN_NAMES == set()
