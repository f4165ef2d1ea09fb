"""Identity from Keystone: keystonemiddleware validates the token, we read what it found.

The middleware runs over an application that does nothing, so that only headers pass through it and
the bytes of uploads and downloads do not.
"""

import logging
from collections.abc import Callable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from keystoneauth1 import exceptions as auth_exceptions
from keystoneauth1 import loading
from keystonemiddleware import auth_token
from keystonemiddleware import exceptions as middleware_exceptions
from oslo_config.cfg import ConfigOpts

from calotype import errors
from calotype.api.identity import Unavailable
from calotype.caller import Caller
from calotype.policy.enforcer import Policy, admitted

LOG = logging.getLogger(__name__)

_GROUP = "keystone_authtoken"
_DONE = "calotype.token_examined"
_SILENT = "Keystone cannot be asked about your token at the moment: try again later"
_NO_ANSWER = (
    auth_exceptions.ConnectionError,
    auth_exceptions.DiscoveryFailure,
    auth_exceptions.EndpointNotFound,
    auth_exceptions.RequestTimeout,
    auth_token.ServiceError,
)


class Tokens(auth_token.AuthProtocol):  # type: ignore[misc]
    """The token middleware, telling a bad token from a Keystone that does not answer.

    With delay_auth_decision it treats both alike; the client would throw a good token away.
    """

    def fetch_token(self, token: str, **options: Any) -> Any:
        """What Keystone says about a token. Raises Unavailable when it says nothing."""
        try:
            return super().fetch_token(token, **options)
        except _NO_ANSWER as error:
            raise Unavailable(_SILENT) from error
        except auth_token.InvalidToken as error:
            if isinstance(error.__context__, _NO_ANSWER):
                raise Unavailable(_SILENT) from error
            raise


class Keystone:
    """Callers by their Keystone tokens."""

    challenge: str | None = None

    def __init__(self, conf: ConfigOpts, policy: Policy) -> None:
        self._policy = policy
        self._tokens = _tokens(conf)
        uri = conf[_GROUP].www_authenticate_uri
        if uri:
            self.challenge = f'Keystone uri="{uri}"'

    def identify(self, environ: WSGIEnvironment, request_id: str) -> Caller:
        """The caller whose token this is. Raises Unauthenticated, Unavailable."""
        self._tokens(environ, _ignore)
        if not environ.pop(_DONE, False):
            raise Unavailable()
        if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            raise errors.Unauthenticated()
        return admitted(self._policy, caller_from(environ, request_id))


def caller_from(environ: WSGIEnvironment, request_id: str) -> Caller:
    """The Caller that the headers of the token middleware describe."""
    project = environ.get("HTTP_X_PROJECT_ID") or None
    return Caller(
        user_id=environ.get("HTTP_X_USER_ID") or None,
        project_id=project,
        roles=_roles(environ, "HTTP_X_ROLES"),
        request_id=request_id,
        domain_id=None if project else environ.get("HTTP_X_DOMAIN_ID") or None,
        user_domain_id=environ.get("HTTP_X_USER_DOMAIN_ID") or None,
        project_domain_id=environ.get("HTTP_X_PROJECT_DOMAIN_ID") or None,
        system_scope=_system_scope(environ),
        service_roles=_service_roles(environ),
        token=environ.get("HTTP_X_AUTH_TOKEN") or None,
        catalog=environ.get("HTTP_X_SERVICE_CATALOG") or None,
    )


def _roles(environ: WSGIEnvironment, header: str) -> frozenset[str]:
    names = (environ.get(header) or "").split(",")
    return frozenset(name.strip().lower() for name in names if name.strip())


def _service_roles(environ: WSGIEnvironment) -> frozenset[str]:
    if environ.get("HTTP_X_SERVICE_IDENTITY_STATUS") != "Confirmed":
        return frozenset()
    return _roles(environ, "HTTP_X_SERVICE_ROLES")


def _system_scope(environ: WSGIEnvironment) -> str | None:
    """The system scope of the caller's own token.

    Not from the header OpenStack-System-Scope: when a service token comes along, the middleware
    writes that token's scope over the caller's.
    """
    token = (environ.get("keystone.token_info") or {}).get("token") or {}
    return "all" if (token.get("system") or {}).get("all") else None


def _tokens(conf: ConfigOpts) -> Tokens:
    # A token that is not valid is for us to refuse, whatever the file says: the sample pipeline
    # of the original sets the same.
    options = {"oslo_config_config": conf, "delay_auth_decision": True}
    section = _auth_section(conf)
    try:
        tokens = Tokens(_examined, options)
    except (auth_exceptions.ClientException, middleware_exceptions.ConfigurationError) as error:
        raise errors.BadSettings(f"[{_GROUP}] is not usable: {error}") from error
    if not conf[section].auth_type:
        raise errors.BadSettings(
            f"[{section}] auth_type: must be set, e.g. password, so that tokens can be validated"
        )
    return tokens


def _auth_section(conf: ConfigOpts) -> str:
    """The group with the options of our own access to Keystone, known to `conf` from here on."""
    for group, known in auth_token.list_opts():
        conf.register_opts(known, group=group)
    section = str(conf[_GROUP].auth_section or _GROUP)
    conf.register_opts(loading.get_auth_common_conf_options(), group=section)
    return section


def _examined(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """The application behind the middleware: notes that the request came through."""
    environ[_DONE] = True
    start_response("200 OK", [("Content-Length", "0")])
    return []


def _ignore(
    _status: str, _headers: list[tuple[str, str]], _exc_info: Any = None, /
) -> Callable[[bytes], object]:
    return lambda _data: None
