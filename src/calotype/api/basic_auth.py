"""Identity without Keystone: a file of passwords, and a file saying who each user is.

The passwords are in Apache's form with bcrypt hashes, checked by oslo.middleware. A correct
password is remembered for a minute: bcrypt is slow on purpose, and each request brings it anew.
"""

import hashlib
import hmac
import logging
import secrets
import time
from wsgiref.types import WSGIEnvironment

from oslo_config.cfg import ConfigOpts, NoSuchGroupError, NoSuchOptError
from oslo_middleware import basic_auth
from oslo_middleware.exceptions import ConfigInvalid
from webob import exc  # type: ignore[import-untyped]

from calotype import errors
from calotype.api.identity import Unavailable
from calotype.api.users import Users, stamp
from calotype.caller import Caller
from calotype.policy.enforcer import Policy, admitted

LOG = logging.getLogger(__name__)

#: Seconds for which a password that was right is not checked again.
REMEMBER = 60.0
#: Most passwords remembered at a time.
REMEMBER_MOST = 1000


class BasicAuth:
    """Callers by user name and password."""

    challenge: str | None = 'Basic realm="Calotype", charset="UTF-8"'

    def __init__(self, conf: ConfigOpts, users_file: str | None, policy: Policy) -> None:
        if not users_file:
            raise errors.BadSettings(
                "calotype_basic_auth_users: must name the file that gives each user a project"
            )
        self._policy = policy
        self._passwords = Passwords(_password_file(conf))
        self._users = Users(users_file)

    def identify(self, environ: WSGIEnvironment, request_id: str) -> Caller:
        """The caller of this name and password. Raises Unauthenticated, Denied, Unavailable."""
        name = self._passwords.name(environ)
        user = self._users.get(name)
        if user is None:
            raise errors.Denied(
                f"User {name!r} has no project and roles here: the operator has to give them"
            )
        caller = Caller(
            user_id=user.user_id or name,
            project_id=user.project,
            roles=user.roles,
            request_id=request_id,
            user_domain_id=user.user_domain_id,
            project_domain_id=user.project_domain_id,
        )
        return admitted(self._policy, caller)


class Passwords:
    """The password file. Raises BadSettings when it cannot be used at start."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._stamp = stamp(path)
        try:
            basic_auth.validate_auth_file(path)
        except (ConfigInvalid, exc.HTTPError, UnicodeDecodeError) as error:
            why = getattr(error, "detail", None) or "it cannot be read"
            raise errors.BadSettings(
                f"[oslo_middleware] http_basic_auth_user_file: {path}: {why}"
            ) from error

    def name(self, environ: WSGIEnvironment) -> str:
        """The user whose name and password the request brings. Raises Unauthenticated."""
        try:
            name, password = basic_auth.parse_token(basic_auth.parse_header(environ))
        except exc.HTTPError as error:
            raise errors.Unauthenticated(
                "This call needs a user name and password (HTTP basic authentication)"
            ) from error
        seen = self._digest(name, password)
        if not self._remembered(seen):
            self._check(name, password)
            self._remember(seen)
        return name

    def _check(self, name: str, password: bytes) -> None:
        try:
            basic_auth.authenticate(self._path, name, password)
        except exc.HTTPUnauthorized as error:
            raise errors.Unauthenticated("User name or password is wrong") from error
        except ValueError as error:  # what bcrypt says of passwords longer than it can check
            LOG.warning("The password of user %r cannot be checked: %s", name, error)
            raise errors.Unauthenticated("User name or password is wrong") from error
        except exc.HTTPError as error:
            LOG.error("Password file %s: %s", self._path, error.detail)
            raise Unavailable() from error

    def _digest(self, name: str, password: bytes) -> bytes:
        return hmac.digest(self._key, name.encode() + b":" + password, hashlib.sha256)

    def _remembered(self, seen: bytes) -> bool:
        now = stamp(self._path)
        if now != self._stamp:
            self._stamp = now
            self._right.clear()
        return self._right.get(seen, 0.0) > time.monotonic()

    def _remember(self, seen: bytes) -> None:
        if len(self._right) >= REMEMBER_MOST:
            self._right.clear()
        self._right[seen] = time.monotonic() + REMEMBER


def _password_file(conf: ConfigOpts) -> str:
    try:
        path = conf.oslo_middleware.http_basic_auth_user_file
    except (NoSuchGroupError, NoSuchOptError):
        conf.register_opts(basic_auth.OPTS, group="oslo_middleware")
        path = conf.oslo_middleware.http_basic_auth_user_file
    return str(path)
