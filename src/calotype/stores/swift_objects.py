"""The objects of one account of Swift: single requests, each on a connection of its own."""

import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from requests import RequestException
from swiftclient import client as swiftclient
from swiftclient.exceptions import ClientException
from urllib3.exceptions import HTTPError

from calotype import errors
from calotype.stores.resumed import BLOCK, Body, Resumed
from calotype.stores.store import Source
from calotype.stores.swift_login import Login, translated

#: What a connection raises that broke while a body came.
BROKEN = (HTTPError, RequestException, OSError)
MANIFEST = "x-object-manifest"
_REFUSED, _PAST_THE_END = 401, 416

Headers = dict[str, str]


class Piece:
    """The next bytes of a source as a body, `limit` of them at most; `first` comes before them.

    `at_end` is called when there are no more, before anybody is told so, and may raise. `error`:
    what it or the source raised, for the libraries between make another one of it.
    """

    def __init__(
        self,
        source: Source,
        first: bytes | memoryview,
        limit: int,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._at_end = at_end
        self._first = first
        self._limit = limit
        self.size = 0
        self.whole = False
        self.error: BaseException | None = None

    def read(self, size: int, /) -> bytes | memoryview:
        """The next bytes; empty at the limit, and at the source's end."""
        block, self._first = self._first, b""
        left = self._limit - self.size
        try:
            if not block and left:
                block = self._source.read(min(size, left))
            if not block:
                self._at_end()
        except BaseException as error:
            self.error = error
            raise
        self.size += len(block)
        self.whole = not block
        return block


class Objects:
    """An account. `storage`: its address, where it is another one than the login's own."""

    def __init__(self, login: Login, storage: str | None = None) -> None:
        self._login = login
        self._storage = storage

    def storage(self) -> str:
        """The address of the account."""
        return self._storage or self._login.storage()[0]

    def head(self, container: str, name: str) -> Headers:
        """What is known of an object. Raises DataNotFound."""
        with translated("cannot reach the data"):
            found: Headers = self._ask(swiftclient.head_object, container, name)
        return found

    def put(self, container: str, name: str, piece: Piece | None, **headers: str) -> None:
        """A new object; empty without a piece. Raises DataExists, and what the source raises."""
        try:
            with translated("cannot write"):
                self._ask(
                    swiftclient.put_object,
                    *(container, name, piece or b""),
                    chunk_size=BLOCK if piece else None,
                    headers={"If-None-Match": "*"} | headers,
                )
        except BaseException:
            if piece is not None and piece.error is not None:
                raise piece.error from None
            raise

    def delete(self, container: str, name: str) -> None:
        """Remove an object. Raises DataNotFound."""
        with translated("cannot delete"):
            self._ask(swiftclient.delete_object, container, name)

    def copy(self, container: str, name: str, target: str) -> None:
        """Have Swift copy an object; `target`: container and name."""
        with translated("cannot copy"):
            quoted = "/" + urllib.parse.quote(target)
            self._ask(swiftclient.copy_object, container, name, destination=quoted)

    def listed(self, container: str, prefix: str = "") -> list[dict[str, Any]]:
        """All objects whose names begin so. Raises DataNotFound without the container."""
        with translated("cannot list the container"):
            _, found = self._ask(
                swiftclient.get_container, container, prefix=prefix, full_listing=True
            )
        return list(found)

    def containers(self, prefix: str) -> list[str]:
        """The names of all containers that begin so."""
        with translated("cannot list the account"):
            _, found = self._ask(swiftclient.get_account, prefix=prefix, full_listing=True)
        return [item["name"] for item in found]

    def has_container(self, container: str) -> bool:
        """Whether there is such a container."""
        try:
            with translated(f"cannot reach the container {container}"):
                self._ask(swiftclient.head_container, container)
        except errors.DataNotFound:
            return False
        return True

    def make_container(self, container: str, headers: Headers | None = None) -> None:
        """Make a container; also says `headers` of one that is there."""
        with translated(f"cannot make the container {container}"):
            self._ask(swiftclient.put_container, container, headers=headers)

    def remove_container(self, container: str) -> None:
        """Remove a container, which must be empty."""
        with translated(f"cannot remove the container {container}"):
            self._ask(swiftclient.delete_container, container)

    def read(
        self, container: str, name: str, offset: int, length: int | None, attempts: int
    ) -> Iterator[bytes]:
        """A part of an object, in blocks. Raises DataNotFound at once."""
        return Resumed(
            _Asking(self, container, name), BROKEN, offset, length, attempts=max(1, attempts)
        )

    def _ask(self, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """What a function of the library gives; asked again with a new token, if one is refused."""
        body = next((it for it in arguments if isinstance(it, Piece)), None)
        for last in (False, True):
            own, token = self._login.storage()
            url = self._storage or own
            with self._login.connection(url) as connection:
                try:
                    return call(url, token, *arguments, http_conn=connection, **named)
                except ClientException as error:
                    unread = body is None or not body.size
                    if last or error.http_status != _REFUSED or not unread:
                        raise
            self._login.renew()
        raise AssertionError("the second attempt returns or raises")

    def _get(self, container: str, name: str, headers: Headers) -> tuple[Headers, Body]:
        """The head and the body of an object; closing the body closes its connection."""
        with ExitStack() as opening:
            url, token = self._login.storage()
            connection = opening.enter_context(self._login.connection(self._storage or url))
            found, body = swiftclient.get_object(
                self._storage or url, token, container, name,
                http_conn=connection, resp_chunk_size=BLOCK, headers=headers,
            )  # fmt: skip
            return found, _Open(body, opening.pop_all())


class _Open:
    """A body that comes; its connection ends with it."""

    def __init__(self, body: Any, ends: ExitStack) -> None:
        self._body = body
        self._ends = ends

    def read(self, size: int, /) -> bytes:
        block: bytes = self._body.read(size)
        return block

    def close(self) -> None:
        self._ends.close()


class _Asking:
    """Asks for an object, and later for the rest of the same one."""

    def __init__(self, objects: Objects, container: str, name: str) -> None:
        self._objects = objects
        self._container = container
        self._name = name
        self._etag = ""

    def __call__(self, position: int, end: int | None) -> tuple[Body, int] | None:
        if end is not None and position >= end:
            self._objects.head(self._container, self._name)
            return None
        headers = {"If-Match": self._etag} if self._etag else {}
        if (position, end) != (0, None):
            headers["Range"] = f"bytes={position}-{'' if end is None else end - 1}"
        try:
            found, body = self._asked(headers)
        except errors.DataExists as error:
            raise errors.StoreError("The data was replaced while it was read") from error
        except errors.StoreError as error:
            cause = error.__cause__
            if isinstance(cause, ClientException) and cause.http_status == _PAST_THE_END:
                return None
            raise
        if "Range" in headers and not _begins_at(found, position):
            body.close()
            raise errors.StoreError("The server gave another part of the data than was asked for")
        if MANIFEST not in found:  # the one of a manifest says nothing of the data
            self._etag = found.get("etag", "")
        return body, int(found["content-length"])

    def _asked(self, headers: Headers) -> tuple[Headers, Body]:
        with translated("cannot read"):
            return self._objects._get(self._container, self._name, headers)


def _begins_at(found: Headers, position: int) -> bool:
    return found.get("content-range", "").startswith(f"bytes {position}-")
