"""What stands in the files without effect, and what stands there under an old name."""

from collections.abc import Iterable, Iterator

from oslo_config import cfg

from calotype.settings import missing
from calotype.settings.files import Name, Written, section_key
from calotype.settings.library_names import LOGIN_NAMES, LOGIN_SECTIONS, LOGIN_TYPES, NAMES
from calotype.settings.reading import DEFAULT, Reader, names_of
from calotype.settings.store_options import STAGING, STORE_OPTIONS, TASKS
from calotype.settings.tree import Stores

UNKNOWN = "unknown"
NO_SECTION = "no such section"
ONLY_WITH = "only with enabled_backends"
ONLY_WITHOUT = "only without enabled_backends"
#: Options that only count with, or only without, `enabled_backends`.
WITH_BACKENDS = (
    ("glance_store", "default_backend"),
    (STAGING, "filesystem_store_datadir"),
    (TASKS, "filesystem_store_datadir"),
)
WITHOUT_BACKENDS = (
    ("glance_store", "stores"),
    ("glance_store", "default_store"),
    (DEFAULT, "node_staging_uri"),
)


def warnings(reader: Reader, stores: Stores) -> tuple[str, ...]:
    """One line for all that has no effect, one for all old names; neither when there is nothing."""
    idle = _Survey(reader, stores).without_effect()
    old = list(_old_names(reader))
    lines = []
    if idle:
        lines.append(f"Settings without effect: {_by_section(idle)}")
    if old:
        lines.append(f"Settings under old names: {'; '.join(old)}")
    return tuple(lines)


class _Survey:
    """Goes through everything that is written and says what does nothing."""

    def __init__(self, reader: Reader, stores: Stores) -> None:
        self._written = reader.written
        self._stores = stores
        self._known: dict[Name, Name] = {}
        for section, options in reader.options.items():
            self._learn(section, options.values())
        if not stores.multi:
            for kind in STORE_OPTIONS.values():
                self._learn("glance_store", kind)
        self._sections = {section for section, _ in self._known} | set(NAMES)
        self._open = set(_open_sections(reader.written))
        self._backends = {section_key(each.id): each.type for each in stores.backends}

    def without_effect(self) -> list[tuple[Name, str]]:
        """Every name that is set in vain, with the reason; a whole section has no name."""
        found: dict[Name, str] = {}
        for section, name in self._written.names():
            if section in self._open or section.startswith("cors."):
                continue
            if section not in self._sections:
                found[section, ""] = NO_SECTION
            elif reason := self._reason(section, name):
                found[section, name] = reason
        return list(found.items()) + list(self._idle_stores())

    def _reason(self, section: str, name: str) -> str | None:
        known = self._known.get((section, name))
        if known:
            return self._why_idle(*known)
        if name in NAMES.get(section, ()) or (section in LOGIN_SECTIONS and name in LOGIN_NAMES):
            return missing.reason(section, name)
        if section == "glance_store" and self._is_for_stores(name):
            return ONLY_WITHOUT
        return self._hint(section, name)

    def _why_idle(self, section: str, name: str) -> str | None:
        kind = self._backends.get(section)
        if kind in missing.NOT_IMPLEMENTED_STORES:
            return None  # The store itself is named already.
        if (section, name) in (WITHOUT_BACKENDS if self._stores.multi else WITH_BACKENDS):
            return ONLY_WITHOUT if self._stores.multi else ONLY_WITH
        of_store = kind is not None or section == "glance_store"
        return missing.reason(missing.STORE if of_store else section, name)

    def _hint(self, section: str, name: str) -> str:
        if section == DEFAULT and name in missing.ONCE:
            return f"{UNKNOWN}, see {missing.ONCE[name]}"
        spelled = name.replace("-", "_")
        known = (section, spelled) in self._known or spelled in NAMES.get(section, ())
        return f"{UNKNOWN}, write {spelled}" if known and spelled != name else UNKNOWN

    @staticmethod
    def _is_for_stores(name: str) -> bool:
        return any(name == opt.dest for options in STORE_OPTIONS.values() for opt in options)

    def _learn(self, section: str, options: Iterable[cfg.Opt]) -> None:
        for opt in options:
            for where, name in names_of(section, opt):
                self._known[section_key(where), name] = (section_key(section), opt.dest)

    def _idle_stores(self) -> Iterator[tuple[Name, str]]:
        where = (DEFAULT, "enabled_backends") if self._stores.multi else ("glance_store", "stores")
        if self._written.find([where]) is None:
            return
        for backend in self._stores.backends:
            reason = missing.NOT_IMPLEMENTED_STORES.get(backend.type)
            if reason:
                yield (where[0], f"{where[1]} {backend.id}"), reason


def _open_sections(written: Written) -> Iterator[str]:
    """Sections whose names cannot be checked: other logins, and sections that others refer to."""
    for section, name in written.names():
        if name == "auth_section":
            yield from map(section_key, written.values(section, name))
        is_login = section in LOGIN_SECTIONS and name in ("auth_type", "auth_plugin")
        if is_login and not LOGIN_TYPES.issuperset(written.values(section, name)):
            yield section
        if (section, name) == (DEFAULT, "config_source"):
            for value in written.values(section, name):
                yield from (section_key(each.strip()) for each in value.split(","))


def _old_names(reader: Reader) -> Iterator[str]:
    written = set(reader.written.names())
    for section, options in reader.options.items():
        for opt in options.values():
            for old in names_of(section, opt)[1:]:
                if (section_key(old[0]), old[1]) in written:
                    yield f"[{old[0]}] {old[1]} is now [{section}] {opt.dest}"


def _by_section(idle: list[tuple[Name, str]]) -> str:
    sections: dict[str, list[str]] = {}
    for (section, name), reason in idle:
        sections.setdefault(section, []).append(f"{name} ({reason})".strip())
    return "; ".join(f"[{section}] {', '.join(names)}" for section, names in sections.items())
