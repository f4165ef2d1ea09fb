"""Which addresses data may be fetched from: the guard of web-download and of locations.

Whoever may import, or register a location, chooses where this service connects
to, so everything is asked before a connection is made, again for each redirect, and the connection
goes to just the address that was looked at:

Rule 1: scheme, host and port pass the operator's lists; a list of what is allowed goes first.
Rule 2: a host that is a number is written in the one usual way, so that no list is passed by
another spelling of the same host.
Rule 3: the address is not of this machine or of its link, where metadata services live, unless the
operator allows the host by name. Private networks are what images are often fetched from.
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, urlsplit

from calotype import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

PORTS = {"http": 80, "https": 443}

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
#: A host whose last part is a number of any kind is taken for an address by resolvers.
_NUMBER = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f\\]")

#: What of a path and a query is sent as it stands.
_KEPT = "%/:=&?~#+!$,;'@()*[]|"

_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host, to most systems
        "fd00:ec2::254/128",  # a metadata service with an address of a private network
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """An address that passed: what to connect to and what to ask for there."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True)
class UriFilter:
    """The operator's lists. `name`: what the address is called where it was given.

    `resolve`: the addresses of a host, for tests.
    """

    allowed_schemes: Collection[str] = ("http", "https")
    disallowed_schemes: Collection[str] = ()
    allowed_hosts: Collection[str] = ()
    disallowed_hosts: Collection[str] = ()
    allowed_ports: Collection[int] = (80, 443)
    disallowed_ports: Collection[int] = ()
    resolve: Callable[[str, int], Sequence[str]] = field(default=_resolve)
    name: str = "uri"

    def check(self, uri: str) -> Target:
        """The parts of an address, if the lists let it pass. Raises Invalid."""
        try:
            return self._target(uri)
        except errors.Invalid as error:
            raise errors.Invalid(f"{self.name}: {error}") from error

    def addresses(self, target: Target) -> list[str]:
        """Where to connect to, resolved once. Raises Denied, StoreUnavailable."""
        host = f"{self.name}: the host {target.host}"
        try:
            found = list(self.resolve(target.host, target.port))
        except (OSError, UnicodeError) as error:
            raise errors.StoreUnavailable(f"{host} cannot be found") from error
        if not found:
            raise errors.StoreUnavailable(f"{host} has no address")
        if target.host not in _lower(self.allowed_hosts):
            for address in found:
                if is_local(address):
                    raise errors.Denied(
                        f"{host} is this machine or on its link; "
                        "it may be fetched from only if the operator allows the host"
                    )
        return found

    def _target(self, uri: str) -> Target:
        if _UNPRINTABLE.search(uri):
            raise errors.Invalid("must not hold spaces, backslashes or control characters")
        parts = _split(uri)
        scheme = parts.scheme.lower()
        if scheme not in PORTS:
            raise errors.Invalid(f"must begin with http:// or https://, not {scheme!r}")
        if parts.username is not None or parts.password is not None:
            raise errors.Invalid("must not hold a user or a password")
        host = _host(parts)
        port = PORTS[scheme] if parts.port is None else parts.port
        self._pass("scheme", scheme, self.allowed_schemes, self.disallowed_schemes)
        self._pass("host", host, _lower(self.allowed_hosts), _lower(self.disallowed_hosts))
        self._pass("port", port, self.allowed_ports, self.disallowed_ports)
        query = f"?{parts.query}" if parts.query else ""
        path = quote((parts.path or "/") + query, safe=_KEPT)
        return Target(scheme, host, port, path)

    def _pass(
        self, what: str, value: object, allowed: Collection[object], refused: Collection[object]
    ) -> None:
        if (value not in allowed) if allowed else (value in refused):
            raise errors.Invalid(f"the {what} {value} is not allowed here")


def is_local(text: str) -> bool:
    """Whether an address leads to this machine, to its link, or to more than one machine."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    return any(_is_local(form) for form in _forms(address))


def _is_local(address: Address) -> bool:
    return (
        address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or address.is_multicast
        or any(address in network for network in _NEVER)
    )


def _forms(address: Address) -> list[Address]:
    """An address with those of IPv4 that it stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:  # or an old IPv4-compatible one
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(form for form in inner if form is not None)]


def _split(uri: str) -> SplitResult:
    try:
        parts = urlsplit(uri)
        _ = parts.port  # raises when it is no number
    except ValueError as error:
        # What Python says repeats the address, which may hold what belongs into no log.
        raise errors.Invalid("is no address that can be read") from error
    return parts


def _host(parts: SplitResult) -> str:
    """The host in its one form: lower case, without a dot at the end, ASCII."""
    host = (parts.hostname or "").removesuffix(".")
    if "[" in parts.netloc or ":" in host:
        return _address(host, ipaddress.IPv6Address)
    try:
        host = host.encode("idna").decode().lower() if not host.isascii() else host.lower()
    except UnicodeError as error:
        raise errors.Invalid("the host is no name") from error
    if _NUMBER.fullmatch(host):
        return _address(host, ipaddress.IPv4Address)
    if not _HOST.fullmatch(host):
        raise errors.Invalid("the host is no name")
    return host


def _address(host: str, kind: Callable[[str], Address]) -> str:
    try:
        if "%" in host:
            raise ValueError("a zone")
        return str(kind(host))
    except ValueError as error:
        raise errors.Invalid(
            f"{host} is not an address in its usual form, such as 192.0.2.1"
        ) from error


def _lower(hosts: Collection[str]) -> set[str]:
    return {host.lower().removesuffix(".") for host in hosts}
