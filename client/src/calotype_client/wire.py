"""The connection that bytes go over: plain HTTP, in blocks large enough to cost little.

Calls with small bodies go through keystoneauth (`calls`); this is for the data of images only.
"""

import base64
import errno
import http.client
import logging
import os
import select
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

from calotype_client import source as sources
from calotype_client.errors import Error, NotConnected, WrongUse, not_connected
from calotype_client.source import Source

LOG = logging.getLogger(__name__)

#: What is read of a source, and sent, at once.
BLOCK = 1 << 20
#: What the kernel is asked to send before we look up.
PIECE = 8 << 20
#: Seconds for a connection to come about.
CONNECTING = 15.0
#: Seconds until an answer begins: after the last byte of an upload much may be left to do.
PATIENCE = 600.0
#: Seconds in which something of a download must come.
STALLED = 120.0

Progress = Callable[[int], None]


def connect(url: str, session: Any) -> http.client.HTTPConnection:
    """A connection to the host of a url, as a keystoneauth session would make it."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise NotConnected(f"{url} is no address of a service")
    timeout = min(CONNECTING, session.timeout or CONNECTING)
    proxy = _proxy(parts)
    host, port = (proxy.hostname or "", proxy.port) if proxy else (parts.hostname, parts.port)
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=timeout, blocksize=BLOCK)
    secure = http.client.HTTPSConnection(
        host, port, timeout=timeout, blocksize=BLOCK, context=_context(session)
    )
    if proxy:
        secure.set_tunnel(parts.hostname, parts.port, _proxy_headers(proxy))
    return secure


def request(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str],
    patience: float,
) -> None:
    """Send the head of a request; then wait at most so long for anything. Raises NotConnected."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    proxy = _proxy(parts) if parts.scheme == "http" else None
    extra = _proxy_headers(proxy) if proxy else {}
    LOG.debug("%s %s %s", method, url, _masked(headers))
    try:
        connection.connect()
        connection.sock.settimeout(patience)
        connection.putrequest(method, url if proxy else target, skip_accept_encoding=True)
        for name, value in {**headers, **extra}.items():
            connection.putheader(name, value)
        connection.endheaders()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        whom = f"{parts.hostname}:{connection.port}"
        raise not_connected(whom, f"No connection to {whom}: {error}") from error
    except ValueError as error:  # of what no header can carry
        connection.close()
        raise WrongUse(f"This cannot be sent: {error}") from error


def send(
    connection: http.client.HTTPConnection, source: Source, length: int | None, progress: Progress
) -> None:
    """Send a body: `length` bytes, or in chunks to the end. Stops when the answer is there."""
    sock: socket.socket = connection.sock
    number = sources.regular(source)
    if length is not None and number is not None and not isinstance(sock, ssl.SSLSocket):
        _send_file(sock, source, length, progress)
    else:
        _send_blocks(sock, source, length, progress)


def _send_file(sock: socket.socket, source: Any, length: int, progress: Progress) -> None:
    begin = source.tell()
    at, end = begin, begin + length
    # The kernel's own position is that of the file, not that of Python's buffer: always say where.
    with open(source.fileno(), "rb", buffering=0, closefd=False) as file:
        while at < end and not _answered(sock):
            try:
                sent = sock.sendfile(file, at, min(PIECE, end - at))
            except OSError as error:
                if error.errno == errno.EIO:  # of a disk, never of a connection
                    raise Error(f"The source cannot be read: {error.strerror}") from error
                raise
            if not sent:
                raise Error(f"The source has ended {end - at} bytes early")
            at += sent
            progress(sent)
    source.seek(at)


def _send_blocks(
    sock: socket.socket, source: Source, length: int | None, progress: Progress
) -> None:
    write = _send if length is not None else _send_chunk
    left = length
    while left != 0 and not _answered(sock):
        block = _read(source, BLOCK if left is None else min(BLOCK, left))
        if not block:
            break
        write(sock, block)
        left = None if left is None else left - len(block)
        progress(len(block))
    else:
        return
    if left:
        raise Error(f"The source has ended {left} bytes early")
    _send(sock, b"0\r\n\r\n")


def _read(source: Source, count: int) -> bytes:
    try:
        return source.read(count)
    except OSError as error:
        raise Error(f"The source cannot be read: {error.strerror or error}") from error


def _send_chunk(sock: socket.socket, block: bytes) -> None:
    _send(sock, b"%x\r\n" % len(block))
    _send(sock, block)
    _send(sock, b"\r\n")


def _send(sock: socket.socket, data: bytes) -> None:
    """All of it. `sendall` would want all of it within the time that is for some of it."""
    rest = memoryview(data)
    while rest:
        rest = rest[sock.send(rest) :]


def _answered(sock: socket.socket) -> bool:
    """Whether the service says something already: then it wants no more.

    What comes over TLS may be anything, such as tickets for a later session.
    """
    if isinstance(sock, ssl.SSLSocket):
        return False
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


def _context(session: Any) -> ssl.SSLContext:
    verify = session.verify
    if verify is True:
        verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
        verify = verify or certifi.where()
    if verify:
        folder = Path(verify).is_dir()
        context = ssl.create_default_context(
            cafile=None if folder else verify, capath=verify if folder else None
        )
    else:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if minimum := getattr(session, "tls_min_version", None):
        context.minimum_version = ssl.TLSVersion[f"TLSv{minimum.replace('.', '_')}"]
    if ciphers := getattr(session, "tls_ciphers", None):
        context.set_ciphers(ciphers)
    if session.cert:
        pair = (session.cert,) if isinstance(session.cert, str) else session.cert
        context.load_cert_chain(*pair)
    return context


def _proxy(parts: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for an address."""
    if not parts.hostname or proxy_bypass(parts.hostname):
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    if not found:
        return None
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    if proxy.scheme not in ("http", "https"):
        raise NotConnected(f"No way through a proxy of the kind {proxy.scheme}, only http")
    return proxy


def _proxy_headers(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _masked(headers: Mapping[str, str]) -> dict[str, str]:
    secret = ("authorization", "token")
    return {
        name: "***" if any(part in name.lower() for part in secret) else value
        for name, value in headers.items()
    }
