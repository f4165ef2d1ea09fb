"""The file that says who the users of HTTP basic authentication are: projects and roles by name."""

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from calotype import errors

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the file.
LOOK_AGAIN = 1.0

#: Roles that another brings along, as Keystone arranges it.
IMPLIED = {
    "admin": frozenset({"manager", "member", "reader"}),
    "manager": frozenset({"member", "reader"}),
    "member": frozenset({"reader"}),
}

_TEXTS = ("project", "user_id", "user_domain_id", "project_domain_id")


@dataclass(frozen=True, slots=True)
class User:
    """One user: roles in lower case, with those that they imply."""

    project: str | None
    roles: frozenset[str]
    user_id: str | None = None
    user_domain_id: str | None = None
    project_domain_id: str | None = None


class Users:
    """The users of a file, read again when it changes.

    Raises BadSettings when the file cannot be used at start; later, a change that cannot be used
    is logged and leaves the users as they were.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._stamp = stamp(path)
        self._users = read(path)
        self._lock = threading.Lock()
        self._next_look = time.monotonic() + LOOK_AGAIN

    def get(self, name: str) -> User | None:
        """The user of this name, None when the file has none."""
        if time.monotonic() >= self._next_look:
            self._look_again()
        return self._users.get(name)

    def _look_again(self) -> None:
        with self._lock:
            self._next_look = time.monotonic() + LOOK_AGAIN
            now = stamp(self._path)
            if now == self._stamp:
                return
            self._stamp = now
            try:
                self._users = read(self._path)
            except errors.BadSettings as error:
                LOG.error("%s. The users stay as they were.", error.message)


def stamp(path: str) -> tuple[int, int, int] | None:
    """What changes when the file does, None when it is not there."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino


def read(path: str) -> dict[str, User]:
    """The users of a file, by name. Raises BadSettings with the file and the entry."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _bad(path, f"it cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise _bad(path, f"it is not valid YAML: {error}") from error
    if not isinstance(content, Mapping) or not content:
        raise _bad(path, "expected one entry for each user, 'name: {project: …, roles: […]}'")
    return {_name(path, name): _user(path, name, entry) for name, entry in content.items()}


def _name(path: str, name: object) -> str:
    if not isinstance(name, str) or not name:
        raise _bad(path, f"the user name {name!r} is not a text: put it in quotes")
    return name


def _user(path: str, name: object, entry: object) -> User:
    if not isinstance(entry, Mapping):
        raise _bad(path, f"user {name!r}: expected 'project' and 'roles'")
    unknown = sorted(str(key) for key in entry if key not in (*_TEXTS, "roles"))
    if unknown:
        raise _bad(path, f"user {name!r}: {unknown[0]!r} is not known here")
    texts = {key: _text(path, name, key, entry.get(key)) for key in _TEXTS}
    roles = _roles(path, name, entry.get("roles"))
    if texts["project"] is None and "admin" not in roles:
        raise _bad(path, f"user {name!r}: 'project' is missing; only an admin can be without")
    return User(roles=roles, **texts)


def _text(path: str, name: object, key: str, value: object) -> str | None:
    if value is None:
        return None
    # "None" is how an absent project looks to a policy rule: nobody's project may be called so.
    if not isinstance(value, str) or not value or value == "None":
        raise _bad(path, f"user {name!r}: {key}: expected a text in quotes, got {value!r}")
    return value


def _roles(path: str, name: object, value: object) -> frozenset[str]:
    if not isinstance(value, list) or not value:
        raise _bad(path, f"user {name!r}: roles: expected a list, e.g. [member]")
    if not all(isinstance(role, str) and role.strip() for role in value):
        raise _bad(path, f"user {name!r}: roles: each must be a text, got {value!r}")
    given = {role.strip().lower() for role in value}
    return frozenset(given.union(*(IMPLIED.get(role, frozenset()) for role in given)))


def _bad(path: str, what: str) -> errors.BadSettings:
    return errors.BadSettings(f"calotype_basic_auth_users: {path}: {what}")
