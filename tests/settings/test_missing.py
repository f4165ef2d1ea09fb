"""The table of what does nothing yet names only what exists."""

import pytest

from calotype.settings import missing
from calotype.settings.library_names import NAMES
from calotype.settings.options import OPTIONS
from calotype.settings.store_options import STORE_OPTIONS

NAMED = [
    (section, name)
    for sections in missing.NOT_IMPLEMENTED.values()
    for section, names in sections.items()
    for name in names.split()
]


def known(section: str) -> set[str]:
    if section == missing.STORE:
        return {opt.dest for options in STORE_OPTIONS.values() for opt in options}
    ours = {opt.dest for opt in OPTIONS.get(section, ())}
    return ours | set(NAMES.get(section, ()))


@pytest.mark.parametrize(("section", "name"), NAMED)
def test_every_name_is_an_option(section: str, name: str) -> None:
    assert known(section) if name == missing.ALL else name in known(section)


def test_no_name_stands_there_twice() -> None:
    assert len(NAMED) == len(set(NAMED))


def test_types_of_store_exist() -> None:
    assert set(missing.NOT_IMPLEMENTED_STORES) < set(STORE_OPTIONS)


def test_options_to_use_instead_exist() -> None:
    assert set(missing.ONCE.values()) < known("DEFAULT")


def test_what_works_has_no_reason() -> None:
    assert missing.reason("DEFAULT", "api_limit_max") is None
    assert missing.reason("database", "connection") is None
    assert missing.reason("oslo_policy", "policy_file") is None
