"""An operator's policy files: which there are, whether they changed, and what is wrong in them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from oslo_config.cfg import ConfigOpts

from calotype import errors

#: One file as it was: path, time of change in ns, size, inode.
Stamp = tuple[str, int, int, int]


def found(conf: ConfigOpts) -> list[Path]:
    """The policy file and those of the policy directories, in the order in which they are read."""
    main = conf.find_file(conf.oslo_policy.policy_file)
    files = [Path(main)] if main else []
    for name in conf.oslo_policy.policy_dirs:
        folder = conf.find_file(name)
        if folder:
            files += _inside(Path(folder))
    return files


def _inside(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise errors.BadSettings(f"[oslo_policy] policy_dirs: {folder} is not a directory")
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def stamps(files: list[Path]) -> tuple[Stamp, ...]:
    """How the files are now; one that went away meanwhile is left out."""
    return tuple(_stamps(files))


def _stamps(files: list[Path]) -> Iterator[Stamp]:
    for path in files:
        try:
            info = path.stat()
        except FileNotFoundError:
            continue
        yield str(path), info.st_mtime_ns, info.st_size, info.st_ino


def read(path: Path) -> dict[str, Any]:
    """The rules of a file. Raises BadSettings naming the file when it cannot be used at all."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise errors.BadSettings(f"Policy file {path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise errors.BadSettings(f"Policy file {path} is not valid YAML: {error}") from error
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise errors.BadSettings(f"Policy file {path}: expected lines of the form 'rule: check'")
    for name, check in content.items():
        if not isinstance(name, str):
            raise errors.BadSettings(f"Policy file {path}: the rule name {name!r} is not a text")
        if not _is_check(check):
            raise errors.BadSettings(
                f"Policy file {path}: rule '{name}' must be a text, e.g. \"role:admin\""
            )
    return dict(content)


def _is_check(check: object) -> bool:
    """Whether this can be a check: a text, or the old form, a list of texts or of lists of them."""
    if isinstance(check, str):
        return True
    return isinstance(check, list) and all(
        isinstance(part, str)
        or (isinstance(part, list) and all(isinstance(inner, str) for inner in part))
        for part in check
    )
