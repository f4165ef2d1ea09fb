"""The configuration files: which ones are read, and what stands in them, word for word."""

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from oslo_config import cfg, iniparser

from calotype import errors

#: The environment variable that names the directory of the files, and where they are without it.
DIRECTORY_VARIABLE = "OS_GLANCE_CONFIG_DIR"
DIRECTORY = "/etc/glance"
#: The files that are read from there, those that exist; the later ones win.
NAMES = ("glance-image-import.conf", "glance-api.conf")
#: What the scrubber reads besides.
SCRUBBER_FILE = "glance-scrubber.conf"

Name = tuple[str, str]


@dataclass(frozen=True)
class Sources:
    """What to read: files, then directories of which every *.conf is read in order of its name.

    `standard`: the directory where the files were looked for, when none were named.
    """

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    standard: str | None = None

    def arguments(self) -> list[str]:
        """The same as oslo.config's command line has it."""
        files = [f"--config-file={path}" for path in self.files]
        return files + [f"--config-dir={path}" for path in self.directories]

    def paths(self) -> Iterator[str]:
        """Every file, in the order in which they are read."""
        yield from self.files
        for directory in self.directories:
            yield from sorted(glob.glob(os.path.join(glob.escape(directory), "*.conf")))

    def folders(self) -> tuple[str, ...]:
        """Where files that belong to the configuration may lie, the best place first."""
        beside = (os.path.dirname(path) for path in reversed(self.files))
        standard = [self.standard] if self.standard else []
        return tuple(dict.fromkeys([*self.directories, *beside, *standard]))


@dataclass(frozen=True)
class File:
    """One file that was read: every value of every name in every section."""

    path: str
    sections: Mapping[str, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class Found:
    """One value as it stands in a file, under the section and name it has there."""

    path: str
    name: Name
    value: str


class Written:
    """All that was read, in order."""

    def __init__(self, files: Sequence[File]) -> None:
        self.files = tuple(files)

    def find(self, names: Sequence[Name]) -> Found | None:
        """The value that counts for an option that goes by several names, the best name first."""
        wanted = [(section_key(section), name) for section, name in names]
        for file in reversed(self.files):
            for section, name in wanted:
                values = file.sections.get(section, {}).get(name)
                if values:
                    return Found(file.path, (section, name), values[-1])
        return None

    def values(self, section: str, name: str) -> tuple[str, ...]:
        """All values of a name, in the order of the files."""
        found = (file.sections.get(section, {}).get(name, ()) for file in self.files)
        return tuple(value for values in found for value in values)

    def names(self) -> Iterator[Name]:
        """Every section and name that has a value, once, in the order of the files."""
        seen: dict[Name, None] = {}
        for file in self.files:
            for section, values in file.sections.items():
                seen.update(dict.fromkeys((section, name) for name in values))
        return iter(seen)


def section_key(section: str) -> str:
    """A section's name as it is compared: only DEFAULT depends on its case."""
    return section if section == "DEFAULT" else section.lower()


def find(files: Sequence[str], directories: Sequence[str]) -> Sources:
    """What to read: what was given, else the files of the standard directory that exist.

    Raises BadSettings when something that was named is not there.
    """
    for directory in directories:
        _need_directory(directory, "given as configuration directory")
    if files or directories:
        return Sources(tuple(map(_absolute, files)), tuple(map(_absolute, directories)))
    named = os.environ.get(DIRECTORY_VARIABLE)
    if named:
        _need_directory(named, f"named by the environment variable {DIRECTORY_VARIABLE}")
    directory = _absolute(named or DIRECTORY)
    standard = (os.path.join(directory, name) for name in NAMES)
    return Sources(tuple(filter(os.path.exists, standard)), standard=directory)


def with_companion(sources: Sources, name: str) -> Sources:
    """The sources and after them the file of that name that lies beside them, if there is one."""
    found = beside(sources.folders(), name)
    if found is None or found in sources.paths():
        return sources
    return replace(sources, files=(*sources.files, found))


def beside(folders: Sequence[str], name: str) -> str | None:
    """The file of that name in the first of the folders that has one."""
    return next(filter(os.path.exists, (os.path.join(folder, name) for folder in folders)), None)


def read(sources: Sources) -> Written:
    """What stands in the files. Raises BadSettings for one that cannot be read or understood."""
    return Written([_read_file(path) for path in sources.paths()])


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _need_directory(path: str, role: str) -> None:
    if not os.path.isdir(_absolute(path)):
        raise errors.BadSettings(f"{path}: there is no such directory, but it was {role}")


def _read_file(path: str) -> File:
    parser = _Parser()
    try:
        parser.parse(Path(path).read_text(encoding="utf-8").splitlines())
    except OSError as error:
        raise errors.BadSettings(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise errors.BadSettings(f"{path}: is not UTF-8 text, at byte {error.start}") from error
    except iniparser.ParseError as error:
        # The line itself stays out of the message: it may hold a password.
        raise errors.BadSettings(f"{path}: line {error.lineno}: {error.msg}") from error
    return File(path, parser.sections)


class _Parser(iniparser.BaseParser):
    """Collects what oslo.config's parser finds; section names are keys as they are compared."""

    def __init__(self) -> None:
        self.sections: dict[str, dict[str, list[str]]] = {}
        self._section: dict[str, list[str]] | None = None

    def new_section(self, section: str) -> None:
        self._section = self.sections.setdefault(section_key(section), {})

    def assignment(self, key: str, value: list[str]) -> None:
        if self._section is None:
            raise iniparser.ParseError("a value before the first [section]", self.lineno, "")
        self._section.setdefault(key, []).append("\n".join(value))


class Conf(cfg.ConfigOpts):
    """The files as oslo.config holds them, for the libraries that read options of their own."""

    _is_read = False

    def __init__(self, sources: Sources) -> None:
        super().__init__()
        self(
            args=sources.arguments(),
            project="glance",
            prog="glance-api",
            default_config_files=[],
            default_config_dirs=[],
        )
        self._is_read = True

    def register_cli_opt(
        self, opt: cfg.Opt, group: str | cfg.OptGroup | None = None, **more: bool
    ) -> bool:
        """Take an option that a library offers for the command line too: here files alone count."""
        if self._is_read:
            return bool(self.register_opt(opt, group, **more))
        return bool(super().register_cli_opt(opt, group, **more))
