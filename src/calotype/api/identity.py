"""Who asks: from the request as it arrives to a Caller, or a refusal.

`guard` stands between everything that needs no identity (CORS, version negotiation) and the API.
It removes what a client may have sent in the place of an identity, asks the configured way of
authentication, and puts the Caller into the environment as "calotype.caller".
"""

import logging
from collections.abc import Collection, Iterable
from typing import Protocol
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import falcon
from oslo_config.cfg import ConfigOpts
from oslo_context.context import RequestContext

from calotype import errors
from calotype.api import failures, request_id
from calotype.caller import Caller
from calotype.policy.enforcer import Policy

LOG = logging.getLogger(__name__)

#: Paths that everybody may read.
OPEN_PATHS = frozenset({"", "/", "/versions", "/healthcheck", "/v2/openapi.json"})

READING = frozenset({"GET", "HEAD", "OPTIONS"})

#: Headers that say who somebody is, as the environment spells them. Only our own side may set them.
_IDENTITY = (
    "HTTP_X_IDENTITY_STATUS",
    "HTTP_X_IS_ADMIN_PROJECT",
    "HTTP_X_SERVICE_CATALOG",
    "HTTP_X_ROLE",
    "HTTP_X_USER",
    "HTTP_X_PROJECT_",
    "HTTP_X_TENANT",
    "HTTP_X_DOMAIN_",
    "HTTP_X_SERVICE_",
    "HTTP_X_SYSTEM_SCOPE",
    "HTTP_OPENSTACK_SYSTEM_SCOPE",
)
_TOKENS = frozenset({"HTTP_X_SERVICE_TOKEN"})


class Unavailable(errors.Error):
    """Who you are cannot be established at the moment: try again later."""


class Strategy(Protocol):
    """A way of finding out who asks."""

    challenge: str | None
    """What WWW-Authenticate says in a 401, if anything."""

    def identify(self, environ: WSGIEnvironment, request_id: str) -> Caller:
        """The caller. Raises Unauthenticated, Denied, Unavailable."""
        ...


class Nobody:
    """No authentication: everybody is an administrator, of no project."""

    challenge: str | None = None

    def identify(self, environ: WSGIEnvironment, request_id: str) -> Caller:
        """An administrator."""
        return Caller(
            roles=frozenset({"admin", "member", "reader"}), is_admin=True, request_id=request_id
        )


def guard(
    application: WSGIApplication,
    strategy: str | Strategy,
    conf: ConfigOpts,
    users_file: str | None,
    policy: Policy,
    *,
    allow_anonymous: bool = False,
    max_request_id_length: int = 64,
    open_paths: Collection[str] = OPEN_PATHS,
) -> WSGIApplication:
    """The application behind an identity: 'keystone', 'http_basic', 'none', or a way of your own.

    Whoever rewrites paths (version negotiation) must do so before this. Raises BadSettings when
    the strategy's own settings or files cannot be used.
    """
    return Guard(
        application,
        _strategy(strategy, conf, users_file, policy) if isinstance(strategy, str) else strategy,
        allow_anonymous=allow_anonymous and strategy == "keystone",
        max_request_id_length=max_request_id_length,
        open_paths=frozenset(open_paths),
    )


def _strategy(name: str, conf: ConfigOpts, users_file: str | None, policy: Policy) -> Strategy:
    # Imported on use: each brings libraries that take a while to load.
    if name == "keystone":
        from calotype.api.keystone import Keystone

        return Keystone(conf, policy)
    if name == "http_basic":
        from calotype.api.basic_auth import BasicAuth

        return BasicAuth(conf, users_file, policy)
    if name == "none":
        return Nobody()
    raise errors.BadSettings(
        f"Authentication '{name}' is not known: expected keystone, http_basic or none"
    )


class Guard:
    """The WSGI application that lets nobody pass without a Caller."""

    def __init__(
        self,
        application: WSGIApplication,
        strategy: Strategy,
        *,
        allow_anonymous: bool,
        max_request_id_length: int,
        open_paths: frozenset[str],
    ) -> None:
        self._application = application
        self._strategy = strategy
        self._allow_anonymous = allow_anonymous
        self._max_request_id_length = max_request_id_length
        self._open_paths = open_paths

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on with its Caller, or answer 401, 403, 431 or 503."""
        forget_identity(environ)
        try:
            id_ = request_id.of(environ, self._max_request_id_length)
        except request_id.IdTooLong as error:
            return _refuse(environ, request_id.named(start_response, request_id.new()), 431, error)
        start = request_id.named(start_response, id_)
        environ["calotype.request_id"] = id_
        logged = RequestContext(request_id=id_)
        try:
            caller = self._caller(environ, id_)
        except errors.Unauthenticated as error:
            return _refuse(environ, start, 401, error, self._strategy.challenge)
        except errors.Denied as error:
            return _refuse(environ, start, 403, error)
        except Unavailable as error:
            LOG.warning("Callers cannot be identified: %s", error.__cause__ or error)
            return _refuse(environ, start, 503, error)
        environ["calotype.caller"] = caller
        _log_as(logged, caller)
        return self._application(environ, start)

    def _caller(self, environ: WSGIEnvironment, id_: str) -> Caller:
        anonymous = Caller(read_only=True, request_id=id_)
        if environ.get("PATH_INFO", "") in self._open_paths:
            return anonymous
        try:
            caller = self._strategy.identify(environ, id_)
        except errors.Unauthenticated:
            if not self._allow_anonymous:
                raise
            caller = anonymous
        finally:
            forget_identity(environ)  # from here on only the Caller says who it is
        allow_method(caller, environ["REQUEST_METHOD"])
        return caller


def allow_method(caller: Caller, method: str) -> None:
    """Raise Denied when a caller that may only read uses a method that writes."""
    if caller.read_only and method not in READING:
        raise errors.Denied("You may only read: send a valid token in X-Auth-Token to change this")


def forget_identity(environ: WSGIEnvironment) -> None:
    """Remove every header that claims an identity, whoever set it."""
    claims = [key for key in environ if key.startswith(_IDENTITY) and key not in _TOKENS]
    for key in claims:
        del environ[key]


def _log_as(context: RequestContext, caller: Caller) -> None:
    """Have this thread's lines in the log name the caller: oslo.log reads the thread's context."""
    context.user_id = caller.user_id
    context.project_id = caller.project_id
    context.domain_id = caller.domain_id
    context.user_domain_id = caller.user_domain_id
    context.project_domain_id = caller.project_domain_id
    context.system_scope = caller.system_scope


def _refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: int,
    error: errors.Error,
    challenge: str | None = None,
) -> list[bytes]:
    media, body = failures.readable(environ, status, error.message)
    headers = [("Content-Type", media), ("Content-Length", str(len(body)))]
    if challenge is not None:
        headers.append(("WWW-Authenticate", challenge))
    start_response(falcon.code_to_http_status(status), headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
