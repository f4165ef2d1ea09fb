"""The stores that the settings ask for: those of `enabled_backends`, or those of [glance_store]."""

from collections.abc import Mapping
from types import MappingProxyType

from calotype.settings.reading import DEFAULT, Reader
from calotype.settings.store_options import (
    EVERY_STORE,
    RESERVED_PREFIX,
    STAGING,
    STORE_OPTIONS,
    TASKS,
    TYPE_OF,
)
from calotype.settings.tree import Backend, Stores

SECTION = "glance_store"
NAMED = (DEFAULT, "enabled_backends")


def stores(reader: Reader) -> Stores:
    """The stores as configured; what is wrong with them is kept in the reader."""
    named = reader.value(*NAMED)
    return _many(reader, named) if named else _by_type(reader)


def _many(reader: Reader, named: Mapping[str, str]) -> Stores:
    default = reader.value(SECTION, "default_backend")
    if default is None:
        reason = f"is not set; with enabled_backends it must name one of {', '.join(named)}"
        reader.refuse(SECTION, "default_backend", reason, near=NAMED)
    elif default not in named:
        reason = f"{default!r} is not one of enabled_backends, which are {', '.join(named)}"
        reader.refuse(SECTION, "default_backend", reason)
    usable = [(name, kind) for name, kind in named.items() if _is_usable(reader, name, kind)]
    return Stores(
        multi=True,
        default=default or "",
        backends=tuple(_backend(reader, name, kind) for name, kind in usable),
        staging_dir=reader.value(STAGING, "filesystem_store_datadir"),
        tasks_dir=reader.value(TASKS, "filesystem_store_datadir"),
    )


def _is_usable(reader: Reader, name: str, kind: str) -> bool:
    if name.startswith(RESERVED_PREFIX):
        reason = f"the name {name!r} begins with {RESERVED_PREFIX}, which is kept for the service"
    elif kind not in STORE_OPTIONS:
        reason = f"the type {kind!r} of {name!r} is not one of {', '.join(STORE_OPTIONS)}"
    else:
        return True
    reader.refuse(*NAMED, reason)
    return False


def _backend(reader: Reader, name: str, kind: str) -> Backend:
    reader.register(name, EVERY_STORE)
    reader.register(name, STORE_OPTIONS[kind])
    return Backend(
        id=name,
        type=kind,
        description=reader.value(name, "store_description"),
        weight=reader.value(name, "weight"),
        options=_values(reader, name, kind),
    )


def _by_type(reader: Reader) -> Stores:
    kinds = _kinds(reader)
    wanted = reader.value(SECTION, "default_store")
    default = TYPE_OF.get(wanted or "", "")
    if wanted and default not in kinds:
        reason = f"{wanted!r} is not among [{SECTION}] stores, which are {', '.join(kinds)}"
        reader.refuse(SECTION, "default_store", reason, near=(SECTION, "stores"))
    for kind in kinds:
        reader.register(SECTION, STORE_OPTIONS[kind])
    staging = reader.value(DEFAULT, "node_staging_uri")
    return Stores(
        multi=False,
        default=default,
        backends=tuple(
            Backend(kind, kind, None, 0, _values(reader, SECTION, kind)) for kind in kinds
        ),
        staging_dir=staging,
        tasks_dir=reader.value("task", "work_dir") or staging,
    )


def _kinds(reader: Reader) -> list[str]:
    """The types of store in use, each once, in the order in which they are written."""
    kinds: dict[str, None] = {}
    for name in reader.value(SECTION, "stores") or ():
        if name in TYPE_OF:
            kinds[TYPE_OF[name]] = None
        else:
            reason = f"{name!r} is not one of {', '.join(STORE_OPTIONS)}"
            reader.refuse(SECTION, "stores", reason)
    return list(kinds)


def _values(reader: Reader, section: str, kind: str) -> Mapping[str, object]:
    names = (opt.dest for opt in STORE_OPTIONS[kind])
    return MappingProxyType({name: reader.value(section, name) for name in names})
