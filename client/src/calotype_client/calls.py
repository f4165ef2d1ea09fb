"""Calls to the service: identity, small bodies, and what an answer means."""

import http.client
import json
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from keystoneauth1 import exceptions as identity
from keystoneauth1.adapter import Adapter

from calotype_client import errors, wire
from calotype_client.source import Source, length

#: Reading may be tried again without harm: so often, each time waiting longer.
TRIES = 4

#: Letters that are shown of what cannot be understood.
LONGEST = 60

_HOST = re.compile(r"https?://([^/\s]+)")
#: Why there is no TLS, as OpenSSL calls it.
_TLS = re.compile(r"\[SSL: (\w+)\]")

T = TypeVar("T")
JsonBody = Mapping[str, Any] | list[Any]


@contextmanager
def _told() -> Iterator[None]:
    """Say in one line what keystoneauth could not do."""
    try:
        yield
    except (identity.ConnectionError, identity.DiscoveryFailure) as error:
        raise _not_connected(_line(error)) from error
    except identity.EndpointNotFound as error:
        raise errors.NoCloud(f"The cloud has no image service here: {_line(error)}") from error
    except identity.MissingRequiredOptions as error:
        raise errors.NoCloud(_line(error)) from error
    except identity.Unauthorized as error:
        raise errors.NotAllowed(_line(error), 401) from error
    except identity.ClientException as error:
        raise errors.Error(_line(error)) from error
    except OSError as error:  # a file with certificates, as requests tells it
        raise errors.Error(_line(error)) from error


def _not_connected(line: str) -> errors.Error:
    found, reason = _HOST.search(line), _TLS.search(line)
    error = errors.not_connected(found[1] if found else "The service", line)
    if str(error) != line:
        return error
    # What follows is how requests would tell it.
    short = line.partition(": HTTP")[0]
    return errors.NotConnected(f"{short}: {reason[1]}" if reason else short)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


@dataclass(frozen=True)
class Calls:
    """One image service and who calls it."""

    adapter: Adapter

    @property
    def endpoint(self) -> str:
        """The address of the service, without the version. Raises NoCloud."""
        with _told():
            found = self.adapter.get_endpoint()
        if not found:
            raise errors.NoCloud("The cloud has no image service, and no endpoint is set")
        parts = urlsplit(str(found))
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise errors.NoCloud(f"{found} is no address of an image service: it begins with http")
        return str(found).rstrip("/").removesuffix("/v2")

    def json(
        self,
        method: str,
        path: str,
        read: Callable[[Any], T],
        body: JsonBody | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> T:
        """What `read` makes of the answer to a call. Raises Refused."""
        answer = self.call(method, path, body, headers=headers, params=params)
        try:
            return read(answer.json())
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            message = f"What answers at {self.endpoint} is no image service: {method} {path}"
            raise errors.Error(f"{message} gave {_line_of(answer)}") from error

    def pages(
        self,
        path: str,
        read: Callable[[Any], tuple[list[T], str | None]],
        params: Mapping[str, Any],
    ) -> Iterator[T]:
        """What is on all pages of a list, each asked for when it is wanted. Raises Refused.

        `read` gives what is on a page, and the address of the next one.
        """
        found, next_page = self.json("GET", path, read, params=params)
        yield from found
        while next_page:
            found, next_page = self.json("GET", next_page, read)
            yield from found

    def call(
        self,
        method: str,
        path: str,
        body: JsonBody | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> requests.Response:
        """The answer to a call. Only GET is tried again. Raises Refused, NotConnected."""
        tries = TRIES if method == "GET" else 0
        sent = {"Accept": "application/json", **(headers or {})}
        data: dict[str, Any] = {}
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
            data["data"] = json.dumps(body)
        endpoint = self.endpoint
        patience = self.adapter.session.timeout or wire.PATIENCE
        with _told():
            answer = self.adapter.request(
                endpoint + path, method, headers=sent, params=params, raise_exc=False,
                connect_retries=tries, status_code_retries=tries,
                retriable_status_codes=[*errors.PASSING], redirect=False,
                timeout=(min(wire.CONNECTING, patience), patience), **data,
            )  # fmt: skip
        _accept(answer.status_code, answer.reason, answer.text, answer.headers.get("Location"))
        return answer

    def send(
        self,
        path: str,
        source: Source,
        size: int | None,
        headers: Mapping[str, str],
        progress: wire.Progress,
    ) -> None:
        """PUT the data of an image. Never tried again. Raises Refused, NotConnected.

        `size` is what is declared; what the source itself knows says how the body is framed.
        """
        count = length(source)
        declared = count if size is None else size
        framing = {"Transfer-Encoding": "chunked"} if count is None else {}
        framing |= {} if count is None else {"Content-Length": str(count)}
        framing |= {} if declared is None else {"x-openstack-image-size": str(declared)}
        url = self.endpoint + path
        connection = wire.connect(url, self.adapter.session)
        try:
            octets = {"Content-Type": "application/octet-stream"}
            patience = self.adapter.session.timeout or wire.PATIENCE
            sent = self._headers(octets | framing | dict(headers))
            wire.request(connection, "PUT", url, sent, patience)
            broken = _try_to_send(connection, source, count, progress)
            self._finish(connection, broken)
        finally:
            connection.close()

    def _finish(self, connection: http.client.HTTPConnection, broken: Exception | None) -> None:
        try:
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            reason = broken or error
            message = f"The connection broke before the service had answered: {_line(reason)}"
            raise errors.NotConnected(message) from reason
        _accept(answer.status, answer.reason, text, answer.headers.get("Location"))
        if broken is not None:
            raise errors.NotConnected(f"The connection broke: {_line(broken)}") from broken

    def get(
        self, path: str, headers: Mapping[str, str], node: str | None = None
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Begin to read data; whoever asked closes the connection. Raises Refused, NotConnected.

        `node`: another address of the service, which gets the token as well.
        """
        url = (node or self.endpoint) + path
        try:
            return self._get(url, headers)
        except errors.NotAllowed as error:
            # A token may be withdrawn before its time: then a new one may do.
            if error.status != 401 or not self.adapter.session.invalidate(self.adapter.auth):
                raise
        return self._get(url, headers)

    def _get(
        self, url: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        connection = wire.connect(url, self.adapter.session)
        patience = self.adapter.session.timeout or wire.STALLED
        wire.request(connection, "GET", url, self._headers(headers), patience)
        try:
            answer = connection.getresponse()
            if answer.status >= 300:
                text = answer.read().decode(errors="replace")
                _accept(answer.status, answer.reason, text, answer.headers.get("Location"))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise errors.NotConnected(f"The connection broke: {_line(error)}") from error
        except BaseException:
            connection.close()
            raise
        return connection, answer

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        with _told():
            identity_headers = self.adapter.session.get_auth_headers(self.adapter.auth) or {}
        named = {"User-Agent": self.adapter.user_agent or "calotype-client"}
        fixed = {"Accept": "application/json", "Connection": "close"}
        return {**named, **fixed, **identity_headers, **more}


def _try_to_send(
    connection: http.client.HTTPConnection,
    source: Source,
    count: int | None,
    progress: wire.Progress,
) -> Exception | None:
    """Send; what broke the connection, if it did: the answer, if there is one, tells more."""
    try:
        wire.send(connection, source, count, progress)
    except (ConnectionError, TimeoutError, ssl.SSLError) as error:
        return error
    return None


def _accept(status: int, reason: str, text: str, location: str | None) -> None:
    """Raises Refused, unless a call went well."""
    if 300 <= status < 400 and location:
        # The token goes to nobody but the service that the cloud names.
        text = f"The service names another address, which is not followed: {location}"
    if status >= 300:
        raise errors.refusal(status, reason, _body(text))


def _line_of(answer: requests.Response) -> str:
    return repr(" ".join(answer.text.split())[:LONGEST])


def _body(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
