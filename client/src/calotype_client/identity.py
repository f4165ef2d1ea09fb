"""Who calls, and where, is read by openstacksdk: here is what it does not check, and not say."""

import logging
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from keystoneauth1.exceptions import MissingRequiredOptions
from keystoneauth1.session import Session, TCPKeepAliveAdapter

from calotype_client.errors import NoCloud

_PERSON = (("username", "user_id"), ("password",))
#: What a kind of authentication needs and keystoneauth does not ask for: one of each.
NEEDED = {
    "password": _PERSON,
    "v2password": _PERSON,
    "v3password": _PERSON,
    "http_basic": (("username",), ("password",)),
}

#: Options of TLS that openstacksdk knows and does not hand on.
TLS = ("tls_ciphers", "tls_min_version")

#: What to do where nothing says which cloud is meant, or too little.
NAME_IT = "Say which cloud: by OS_CLOUD or --os-cloud (clouds.yaml), or by OS_* (openrc)"


def check(config: Mapping[str, Any]) -> None:
    """Raises NoCloud when the configuration of a cloud lacks what its authentication needs."""
    given = config.get("auth") or {}
    url = given.get("auth_url")
    if url and not str(url).startswith(("http://", "https://")):
        raise NoCloud(f"{url} is no address of an identity service: it begins with http")
    for names in NEEDED.get(config.get("auth_type") or "", ()):
        if not any(given.get(name) for name in names):
            name = names[0]
            raise NoCloud(
                f"There is no {name}: set OS_{name.upper()}, or {name} below auth in clouds.yaml"
            )


def with_tls(session: Session, config: Mapping[str, Any]) -> Session:
    """A session with the options of TLS that a configuration has. Raises NoCloud."""
    wanted = {name: str(config[name]) for name in TLS if config.get(name)}
    if not wanted:
        return session
    try:
        # Which of them there are is known at run time only.
        adapter = TCPKeepAliveAdapter(**wanted)  # type: ignore[arg-type]
    except (ValueError, TypeError, ssl.SSLError) as error:
        given = ", ".join(f"{name} {value}" for name, value in wanted.items())
        raise NoCloud(f"TLS cannot be used with {given}: {error.args[0]}") from error
    for prefix in list(session.session.adapters):
        session.session.mount(prefix, adapter)
    for name, value in wanted.items():
        setattr(session, name, value)
    return session


class _Kept(logging.Handler):
    """Keeps warnings as lines."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._lines.append(record.getMessage())


@contextmanager
def unreadable() -> Iterator[list[str]]:
    """What openstacksdk says of files that it cannot read, and passes over."""
    said: list[str] = []
    handler = _Kept(said)
    logger = logging.getLogger("openstack.config")
    logger.addHandler(handler)
    try:
        yield said
    finally:
        logger.removeHandler(handler)


def no_cloud(error: Exception, cloud: str | None, said: Sequence[str] = ()) -> NoCloud:
    """The error for one of its or of keystoneauth's, in one line. `cloud`: the one named."""
    text = str(error)
    if isinstance(error, MissingRequiredOptions):
        nothing = cloud is None and any(it.dest == "auth_url" for it in error.options)
        text = f"{'No cloud is named' if nothing else text}. {NAME_IT}"
    return NoCloud(" ".join("; ".join([text.rstrip("."), *said]).split()))
