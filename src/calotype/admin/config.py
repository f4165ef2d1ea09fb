"""`calotype config`: every option there is, as a file to start from and as a page to look up.

Options of libraries are asked from the libraries, which are imported for that only here.
"""

import argparse
import importlib
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from oslo_config import cfg

from calotype.settings import missing
from calotype.settings.kinds import expected
from calotype.settings.library_names import LOGIN_SECTIONS, NAMES
from calotype.settings.options import OPTIONS
from calotype.settings.reading import names_of
from calotype.settings.store_options import EVERY_STORE, STORE_OPTIONS

SINGLE = "glance_store"
#: What the sample asks from libraries: the names under which they publish their options.
LIBRARIES = (
    "oslo.log",
    "oslo.messaging",
    "oslo.policy",
    "oslo.middleware",
    "oslo.limit",
    "keystonemiddleware.auth_token",
)
#: Who reads the sections that are not ours, for the reference.
READERS: Mapping[str, str] = {
    "barbican": "castellan",
    "barbican_service_user": "castellan",
    "cors": "oslo.middleware",
    "healthcheck": "oslo.middleware",
    "key_manager": "castellan",
    "keystone_authtoken": "keystonemiddleware",
    "oslo_concurrency": "oslo.concurrency",
    "oslo_limit": "oslo.limit",
    "oslo_messaging_kafka": "oslo.messaging",
    "oslo_messaging_notifications": "oslo.messaging",
    "oslo_messaging_rabbit": "oslo.messaging",
    "oslo_middleware": "oslo.middleware",
    "oslo_middleware_tracing": "oslo.middleware",
    "oslo_policy": "oslo.policy",
    "oslo_reports": "oslo.reports",
    "vault": "castellan",
}
HEADER = """\
# Every option of the service, each with its default and switched off by a # sign.
# Take the sign away to change one. Secrets are best kept in a file of their own.
"""
STORE_NOTE = """\
# The options of the stores stand here as long as [DEFAULT] enabled_backends is not set. With it,
# each store has a section of its name, with the options of its type from below.
"""
PAGE = """\
# Settings

This page is made by `calotype config reference --output docs/operate/settings.md`; a test compares
the two. `calotype config sample` prints the same options, and those of the libraries, as a file.

The files are those of Glance. `--config-file` and `--config-dir` name them and may be repeated;
later ones win. Without these, `glance-image-import.conf` and `glance-api.conf` are read, as far as
they exist, from the directory that the environment variable `OS_GLANCE_CONFIG_DIR` names, or from
`/etc/glance`. An option may also come from the environment: `OS_DATABASE__CONNECTION` wins over
`connection` in the section `[database]`.

A wrong value stops the start, with one line for each: file, section, option, reason. What is set
without effect, because it is unknown or marked **not yet** below, is named in one warning at start.
Options that begin with `calotype_` are ours; Glance passes over them.
"""
STORES_TEXT = """\
With `enabled_backends` each store has a section of its name; without, the types of store in
`stores` take their options from `[glance_store]`.
"""
LIBRARIES_TEXT = """\
These sections are read by libraries, whose own documentation describes them; `calotype config
sample` prints their options.
"""


def sample() -> str:
    """A configuration file with every option: type, default, help, old names."""
    sections = {section: list(options) for section, options in OPTIONS.items()}
    for section, options in _library_options():
        sections.setdefault(section, []).extend(options)
    parts = [HEADER]
    for section, options in sections.items():
        parts += [f"\n[{section}]\n", *(_sample_entry(section, opt) for opt in options)]
        if section == SINGLE:
            parts += _sample_stores()
    return "\n".join(parts)


def reference() -> str:
    """The page docs/operate/settings.md: our own options as tables."""
    parts = [PAGE]
    for section, options in OPTIONS.items():
        parts += [f"## [{section}]\n", _table(section, options)]
    parts += ["## Stores\n", STORES_TEXT, _table(missing.STORE, EVERY_STORE)]
    for kind, options in STORE_OPTIONS.items():
        parts += [f"### Type {kind}\n", *_not_yet_store(kind), _table(missing.STORE, options)]
    parts += ["## Sections of libraries\n", LIBRARIES_TEXT, _library_table()]
    return "\n".join(parts)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `config` to a command line."""
    parser = commands.add_parser("config", help="print the options there are")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    texts: tuple[tuple[str, Callable[[], str], str], ...] = (
        ("sample", sample, "print a configuration file with every option and its default"),
        ("reference", reference, "print the page about all settings, as Markdown"),
    )
    for name, make, about in texts:
        verb = verbs.add_parser(name, help=about, description=about)
        verb.add_argument("--output", metavar="FILE", help="write to this file, not to the screen")
        verb.set_defaults(run=_write, make=make)


def _write(args: argparse.Namespace) -> int:
    """Put out what was asked for. The exit code is 1 when the file cannot be written."""
    made: str = args.make()
    if args.output is None:
        sys.stdout.write(made)
        return 0
    try:
        Path(args.output).write_text(made, encoding="utf-8")
    except OSError as error:
        print(f"{args.output}: cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _library_options() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """The options of the installed libraries, by section; with those of the usual login."""
    published = {entry.name: entry for entry in entry_points(group="oslo.config.opts")}
    found: list[tuple[str, Sequence[cfg.Opt]]] = []
    with warnings.catch_warnings():
        # Some of them warn at import about libraries of their own, which we do not use.
        warnings.simplefilter("ignore")
        for name in filter(published.__contains__, LIBRARIES):
            found += [(str(group or "DEFAULT"), opts) for group, opts in published[name].load()()]
        login = importlib.import_module("keystoneauth1.loading")
        found.append(("keystone_authtoken", login.get_auth_plugin_conf_options("password")))
    return found


def _sample_entry(section: str, opt: cfg.Opt) -> str:
    lines = [*_wrapped(opt.help or ""), *_wrapped(f"Takes {expected(opt.type, opt.multi)}.")]
    lines += [f"# Old name: {old}" for old in _old_names(section, opt)]
    why = missing.reason(section, opt.dest)
    if why:
        lines.append(f"# Without effect: {why}.")
    defaults = _defaults(opt)
    if not defaults:
        lines.append("# Not set by default.")
    lines += [f"#{opt.dest} = {value}".rstrip() for value in defaults or [""]]
    return "\n".join(lines) + "\n"


def _sample_stores() -> Iterator[str]:
    yield STORE_NOTE
    yield "# -- every store, in a section of its own only\n"
    yield from (_sample_entry(missing.STORE, opt) for opt in EVERY_STORE)
    for kind, options in STORE_OPTIONS.items():
        why = missing.NOT_IMPLEMENTED_STORES.get(kind)
        yield f"# -- stores of type {kind}" + (f" (without effect: {why})\n" if why else "\n")
        yield from (_sample_entry(missing.STORE, opt) for opt in options)


def _table(section: str, options: Iterable[cfg.Opt]) -> str:
    rows = ["| Option | Takes | Default | Meaning |", "|---|---|---|---|"]
    for opt in options:
        default = ", ".join(f"`{value}`" for value in _defaults(opt) if value) or "–"
        cells = (f"`{opt.dest}`", expected(opt.type, opt.multi), default, _meaning(section, opt))
        rows.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _meaning(section: str, opt: cfg.Opt) -> str:
    said = [opt.help or ""]
    if opt.secret:
        said.append("Secret.")
    said += [f"Old name: `{old}`." for old in _old_names(section, opt)]
    why = missing.reason(section, opt.dest)
    if why:
        said.append(_mark(why))
    return " ".join(said)


def _mark(why: str) -> str:
    return f"**Not yet:** {why}." if why.startswith("arrives") else f"**No effect:** {why}."


def _not_yet_store(kind: str) -> Iterator[str]:
    why = missing.NOT_IMPLEMENTED_STORES.get(kind)
    if why:
        yield f"{_mark(why)}\n"


def _library_table() -> str:
    rows = ["| Section | Read by | Remark |", "|---|---|---|"]
    for section in sorted(set(NAMES) - set(OPTIONS)):
        why = missing.reason(section, missing.ALL)
        remark = _mark(why) if why else ""
        if section in LOGIN_SECTIONS and not why:
            remark = "Also takes the options of the login that `auth_type` names."
        rows.append(f"| `[{section}]` | {READERS[section]} | {remark} |")
    return "\n".join(rows) + "\n"


def _old_names(section: str, opt: cfg.Opt) -> list[str]:
    shown = (f"[{where}] {name}" for where, name in names_of(section, opt)[1:])
    return [old.removeprefix(f"[{missing.STORE}] ") for old in shown]


def _defaults(opt: cfg.Opt) -> list[str]:
    """The default as it would be written, one text for each line; none when it is not set."""
    if opt.default is None and opt.sample_default is None:
        return []
    kind: Any = opt.type
    return [str(value) for value in kind.format_defaults(opt.default, opt.sample_default)]


def _wrapped(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield from textwrap.wrap(
            " ".join(paragraph.split()),
            width=96,
            initial_indent="# ",
            subsequent_indent="# ",
            break_on_hyphens=False,
        )
