"""Reading the settings, once, at start."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any, TypeVar, cast

from oslo_config import cfg

from calotype import errors
from calotype.settings import files, tree
from calotype.settings.backends import stores
from calotype.settings.files import Conf, Name, Sources
from calotype.settings.libraries import front, notifications
from calotype.settings.options import OPTIONS
from calotype.settings.reading import DEFAULT, Reader
from calotype.settings.unused import warnings

NO_OVERRIDES: Mapping[Name, object] = MappingProxyType({})
TASKS = ("task", "taskflow_executor", "wsgi")
IMPORTS = (
    DEFAULT,
    "image_import_opts",
    "import_filtering_opts",
    "glance_download_properties",
    "inject_metadata_properties",
    "image_conversion",
)
T = TypeVar("T")


def load(
    config_files: Sequence[str] = (),
    config_dirs: Sequence[str] = (),
    overrides: Mapping[Name, object] = NO_OVERRIDES,
    *,
    use_defaults_only: bool = False,
    companion: str | None = None,
) -> tree.Settings:
    """The settings of the given files; without any, those of the standard directory that exist.

    `overrides`: values by section and option that win over the files. `use_defaults_only`: read no
    file at all. `companion`: the name of one more file to read, where it lies beside the others.
    Raises BadSettings with one line for each thing that is wrong: file, section,
    option, reason.
    """
    sources = Sources() if use_defaults_only else files.find(config_files, config_dirs)
    if companion is not None:
        sources = files.with_companion(sources, companion)
    written = files.read(sources)
    conf = Conf(sources)
    reader = Reader(conf, written, overrides)
    for section, options in OPTIONS.items():
        reader.register(section, options)
    configured, before = stores(reader), front(reader)
    reader.refuse_unknown_overrides()
    if reader.problems:
        raise errors.BadSettings("\n".join(reader.problems))
    return tree.Settings(
        service=_fill(tree.Service, reader, DEFAULT),
        image_format=_fill(tree.ImageFormat, reader, "image_format"),
        database=_fill(tree.Database, reader, "database"),
        task=_fill(tree.Task, reader, *TASKS),
        imports=_fill(tree.Imports, reader, *IMPORTS),
        auth=_auth(reader.value("paste_deploy", "flavor") or ""),
        stores=configured,
        scrubber=_fill(tree.Scrubber, reader, DEFAULT),
        cache=_fill(tree.Cache, reader, DEFAULT),
        notifications=notifications(reader),
        front=before,
        files=tuple(file.path for file in written.files),
        config_dirs=sources.folders(),
        warnings=warnings(reader, configured),
        conf=conf,
    )


def scrubber_settings(settings: tree.Settings) -> tree.Scrubber:
    """How to scrub: what glance-scrubber.conf says counts, where it lies beside the other files.

    Only there an operator may have set `scrub_time`. Raises BadSettings.
    """
    found = files.beside(settings.config_dirs, files.SCRUBBER_FILE)
    if found is None or found in settings.files:
        return settings.scrubber
    return load([*settings.files, found]).scrubber


def check_libraries(settings: tree.Settings) -> None:
    """Read what libraries have registered on `conf` meanwhile, so that they cannot fail later.

    Raises BadSettings with one line for each value that is wrong.
    """
    written = files.read(Sources(settings.files))
    problems = []
    for section, name, error in _unreadable(settings.conf):
        found = written.find([(section, name)])
        reason = str(error).partition("is not valid: ")[2] or str(error)
        problems.append(f"{found.path if found else 'default'}: [{section}] {name}: {reason}")
    if problems:
        raise errors.BadSettings("\n".join(problems))


def _unreadable(conf: cfg.ConfigOpts) -> Iterator[tuple[str, str, Exception]]:
    for top in conf:
        values = conf[top] if isinstance(_tried(conf, top), cfg.ConfigOpts.GroupAttr) else None
        for name in [top] if values is None else list(values):
            outcome = _tried(conf if values is None else values, name)
            if isinstance(outcome, Exception):
                yield (DEFAULT if values is None else top), name, outcome


def _tried(values: Mapping[str, Any], name: str) -> Any:
    try:
        return values[name]
    except (ValueError, cfg.Error) as error:
        return error


def _fill(kind: type[T], reader: Reader, *sections: str) -> T:
    """The dataclass whose fields are options, each found in the first section that has it."""
    names = [each.name for each in fields(cast(Any, kind))]
    owners = {n: s for s in reversed(sections) for n in names if n in reader.options[s]}
    return kind(**{name: reader.value(owners[name], name) for name in names})


def _auth(flavor: str) -> tree.Auth:
    parts = flavor.split("+")
    strategy: tree.Strategy = "none"
    if "keystone" in parts:
        strategy = "keystone"
    elif "http_basic" in parts:
        strategy = "http_basic"
    managed = "cachemanagement" in parts
    return tree.Auth(strategy, caching=managed or "caching" in parts, cache_management=managed)
