"""Asks servers on the web, each time past the filter of addresses.

Rule 1: a connection goes to just the addresses that the filter looked at.
Rule 2: a redirect is a new question: it passes the filter too, and there is a limit to them.
Through a proxy it is the proxy that finds the host: then only what we can resolve is looked at.
"""

import http.client
import logging
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urljoin

from calotype import errors
from calotype.remote.uri_filter import Target, UriFilter

LOG = logging.getLogger(__name__)

#: Seconds to wait for a connection, and for the next bytes.
PATIENCE = 60.0
#: How often a server may send us elsewhere.
REDIRECTS = 10
_ELSEWHERE = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": "Calotype", "Accept": "*/*", "Accept-Encoding": "identity"}
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answer:
    """What a server answered; to be closed. `name`: what the address was called."""

    connection: http.client.HTTPConnection
    response: http.client.HTTPResponse
    name: str

    @property
    def status(self) -> int:
        """The status; of a redirect only when it does not say where to."""
        return self.response.status

    @property
    def length(self) -> int | None:
        """How long the body is, in bytes, if the server says so."""
        text = self.header("Content-Length")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None

    def header(self, name: str) -> str:
        """The value of a header, empty without one."""
        return self.response.getheader(name) or ""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes. Raises StoreUnavailable."""
        with talking(self.name):
            return self.response.read(size)

    def refusal(self) -> errors.StoreUnavailable:
        """The error that an answer means which gives no data."""
        said = f"{self.status} {self.response.reason}"
        return errors.StoreUnavailable(f"{self.name}: the server answered {said}")

    def close(self) -> None:
        """End the connection; what is left of the body is not read."""
        self.connection.close()


@dataclass(frozen=True)
class WebClient:
    """Asks past a filter. `tls` makes how certificates are judged; `proxies`: host:port by scheme.

    May be used by many threads at once.
    """

    uri_filter: UriFilter
    tls: Callable[[], ssl.SSLContext] = ssl.create_default_context
    proxies: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    def ask(self, uri: str, method: str = "GET", headers: Mapping[str, str] = _NONE) -> Answer:
        """The answer to a request for an address; redirects are followed.

        Raises Invalid and Denied for an address that may not be used, StoreUnavailable.
        """
        for _ in range(REDIRECTS + 1):
            answer = self._once(self.uri_filter.check(uri), method, headers)
            where = answer.header("Location")
            if answer.status not in _ELSEWHERE or not where:
                return answer
            answer.close()
            uri = self._joined(uri, where)
        name = self.uri_filter.name
        raise errors.StoreUnavailable(f"{name}: the server redirected more than {REDIRECTS} times")

    def _once(self, target: Target, method: str, headers: Mapping[str, str]) -> Answer:
        connection, path = self._connection(target)
        try:
            with talking(self.uri_filter.name):
                given = {"Host": target.authority, **_HEADERS, **headers}
                connection.request(method, path, headers=given)
                return Answer(connection, connection.getresponse(), self.uri_filter.name)
        except BaseException:
            connection.close()
            raise

    def _connection(self, target: Target) -> tuple[http.client.HTTPConnection, str]:
        """A connection not yet made, and what to ask for on it."""
        proxy = self.proxies.get(target.scheme)
        if proxy is not None:
            with suppress(errors.StoreUnavailable):
                self.uri_filter.addresses(target)
            return self._through(proxy, target)
        addresses = self.uri_filter.addresses(target)
        if target.scheme == "https":
            return _Tls(target, addresses, self.tls()), target.path
        return _Plain(target, addresses), target.path

    def _through(
        self, proxy: tuple[str, int], target: Target
    ) -> tuple[http.client.HTTPConnection, str]:
        if target.scheme == "http":
            plain = http.client.HTTPConnection(*proxy, timeout=PATIENCE)
            return plain, f"http://{target.authority}{target.path}"
        tunnel = http.client.HTTPSConnection(*proxy, timeout=PATIENCE, context=self.tls())
        tunnel.set_tunnel(target.host, target.port)
        return tunnel, target.path

    def _joined(self, uri: str, where: str) -> str:
        try:
            return urljoin(uri, where)
        except ValueError as error:
            raise errors.StoreUnavailable(
                f"{self.uri_filter.name}: the server redirected to what is no address"
            ) from error


@contextmanager
def talking(name: str) -> Iterator[None]:
    """Raise StoreUnavailable for whatever goes wrong with a server."""
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        LOG.warning("Cannot fetch: %r", error)
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise errors.StoreUnavailable(f"{name}: the data cannot be fetched: {reason}") from error


def _reach(addresses: Sequence[str], port: int) -> socket.socket:
    trouble = OSError("there is no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=PATIENCE)
        except OSError as error:
            trouble = error
    raise trouble


class _Plain(http.client.HTTPConnection):
    def __init__(self, target: Target, addresses: Sequence[str]) -> None:
        super().__init__(target.host, target.port, timeout=PATIENCE)
        self._addresses = addresses

    def connect(self) -> None:
        self.sock = _reach(self._addresses, self.port)


class _Tls(http.client.HTTPSConnection):
    def __init__(self, target: Target, addresses: Sequence[str], tls: ssl.SSLContext) -> None:
        super().__init__(target.host, target.port, timeout=PATIENCE, context=tls)
        self._tls = tls
        self._addresses = addresses

    def connect(self) -> None:
        sock = _reach(self._addresses, self.port)
        try:
            self.sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
