"""Fetches data from the web into the staging area, past the filter of addresses."""

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from urllib.parse import urljoin

from calotype import errors
from calotype.imports.answers import PATIENCE, Answer, good, talking
from calotype.imports.check import Step, is_fetched
from calotype.imports.journey import Journey
from calotype.services.staging import Limit, Staging
from calotype.services.uri_filter import Target, UriFilter

#: How often a server may send us elsewhere.
REDIRECTS = 10
_ELSEWHERE = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": "Calotype", "Accept": "*/*", "Accept-Encoding": "identity"}


#: How many bytes a project may still bring, and the name of the limit that says so.
Room = Callable[[str], tuple[int, str]]


def limits(room: Room) -> Callable[[Journey], Limit]:
    """How much data an import may bring, in as many copies as there are stores."""

    def limit_of(journey: Journey) -> Limit:
        size, name = room(journey.work.run.task.owner)
        copies = 1 if name == "image_size_cap" else len(journey.order.targets)
        return Limit(size // copies, name)

    return limit_of


def fetched(staging: Staging, uri_filter: UriFilter, limit_of: Callable[[Journey], Limit]) -> Step:
    """The step that stages what an address gives."""

    def fetch(journey: Journey) -> None:
        if is_fetched(staging, journey):
            return
        with opened(journey.order.uri or "", uri_filter) as answer:
            staging.keep(
                journey.image,
                answer,
                limit_of(journey),
                declared=answer.length,
                tell=journey.tell,
                origin=journey.work.run.task.id,
            )

    return fetch


@contextmanager
def opened(uri: str, uri_filter: UriFilter) -> Iterator[Answer]:
    """The answer to a request for an address; redirects are followed, each past the filter.

    Raises Invalid and Denied for an address that may not be used, StoreUnavailable.
    """
    for _ in range(REDIRECTS + 1):
        target = uri_filter.check(uri)
        with closing(_connection(target, uri_filter.addresses(target))) as connection:
            response = _ask(connection, target)
            where = response.getheader("Location")
            if response.status not in _ELSEWHERE or not where:
                yield good("uri", response)
                return
        uri = _joined(uri, where)
    raise errors.StoreUnavailable(f"uri: the server redirected more than {REDIRECTS} times")


def _joined(uri: str, where: str) -> str:
    try:
        return urljoin(uri, where)
    except ValueError as error:
        raise errors.StoreUnavailable("uri: the server redirected to what is no address") from error


def _ask(connection: http.client.HTTPConnection, target: Target) -> http.client.HTTPResponse:
    headers = {"Host": target.authority, **_HEADERS}
    with talking("uri"):
        connection.request("GET", target.path, headers=headers)
        return connection.getresponse()


def _connection(target: Target, addresses: Sequence[str]) -> http.client.HTTPConnection:
    """A connection that will go to one of these addresses, and to no other."""
    if target.scheme == "https":
        return _Tls(target, addresses)
    return _Plain(target, addresses)


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
    def __init__(self, target: Target, addresses: Sequence[str]) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(target.host, target.port, timeout=PATIENCE, context=self._tls)
        self._addresses = addresses

    def connect(self) -> None:
        sock = _reach(self._addresses, self.port)
        try:
            self.sock = self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise
