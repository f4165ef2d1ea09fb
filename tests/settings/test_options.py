"""The tables of options agree with one another and with the values that the code sees."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pytest
from oslo_config import cfg

from calotype.settings import missing, tree
from calotype.settings.load import IMPORTS, TASKS, load
from calotype.settings.options import OPTIONS
from calotype.settings.store_options import EVERY_STORE, STORE_OPTIONS

#: Which sections each part of the settings is made from.
PARTS: dict[type, tuple[str, ...]] = {
    tree.Service: ("DEFAULT",),
    tree.ImageFormat: ("image_format",),
    tree.Database: ("database",),
    tree.Task: TASKS,
    tree.Imports: IMPORTS,
    tree.Scrubber: ("DEFAULT",),
    tree.Cache: ("DEFAULT",),
    tree.Notifications: ("DEFAULT",),
}
#: Options that become something else than a field of their name.
OTHERWISE = {
    ("DEFAULT", "enabled_backends"),
    ("DEFAULT", "node_staging_uri"),
    ("paste_deploy", "flavor"),
    ("glance_store", "default_backend"),
    ("glance_store", "stores"),
    ("glance_store", "default_store"),
    ("os_glance_staging_store", "filesystem_store_datadir"),
    ("os_glance_tasks_store", "filesystem_store_datadir"),
}


def every() -> Iterator[tuple[str, cfg.Opt]]:
    for section, options in OPTIONS.items():
        yield from ((section, opt) for opt in options)
    for options in (EVERY_STORE, *STORE_OPTIONS.values()):
        yield from ((missing.STORE, opt) for opt in options)


def seen() -> set[tuple[str, str]]:
    """The section and name of every option that is a field of the settings."""
    return {
        (section, each.name)
        for part, sections in PARTS.items()
        for each in fields(part)
        for section in sections
        if any(opt.dest == each.name for opt in OPTIONS[section])
    }


def test_every_option_is_seen_by_the_code_or_known_to_do_nothing() -> None:
    lost = {
        (section, opt.dest)
        for section, options in OPTIONS.items()
        for opt in options
        if (section, opt.dest) not in seen() | OTHERWISE
    }
    assert [each for each in lost if missing.reason(*each) is None] == []


def test_every_field_is_an_option() -> None:
    known = {opt.dest for _, opt in every()} | {"drivers"}
    assert [f"{part}.{f.name}" for part in PARTS for f in fields(part) if f.name not in known] == []


def test_no_option_stands_twice_in_a_section() -> None:
    for options in [*OPTIONS.values(), *STORE_OPTIONS.values()]:
        names = [opt.dest for opt in options]
        assert sorted(names) == sorted(set(names))


def test_our_own_options_stand_in_default() -> None:
    ours = {section for section, opt in every() if opt.dest.startswith("calotype")}
    assert ours == {"DEFAULT"}


@pytest.mark.parametrize(
    ("section", "opt"), list(every()), ids=lambda part: getattr(part, "dest", part)
)
def test_every_option_says_in_a_sentence_what_it_is_for(section: str, opt: cfg.Opt) -> None:
    assert opt.help
    assert opt.help.endswith(".")


def test_secrets_are_fields_that_are_not_shown() -> None:
    secret = {opt.dest for _, opt in every() if opt.secret}
    shown = {each.name for part in PARTS for each in fields(part) if each.repr}
    assert secret & shown == set()


def test_values_are_of_the_types_that_the_code_expects() -> None:
    settings = load()
    for part in PARTS:
        [values] = [
            value
            for value in (getattr(settings, each.name) for each in fields(settings))
            if is_dataclass(value) and type(value) is part
        ]
        for name, hint in get_type_hints(part).items():
            assert _fits(getattr(values, name), hint), f"{part.__name__}.{name}"


def _fits(value: Any, hint: Any) -> bool:
    options = getattr(hint, "__args__", ()) if type(hint).__name__ == "UnionType" else (hint,)
    return any(isinstance(value, getattr(each, "__origin__", each)) for each in options)
