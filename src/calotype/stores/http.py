"""Data on the web, read only: any http:// or https:// address that passes the filter.

Every read passes the filter again, since a name may lead elsewhere today. Credentials have no place
in these addresses, and no address is ever logged: what follows its `?` may be a secret.
"""

from collections.abc import Iterator
from contextlib import closing

from calotype import errors
from calotype.model.location import Location
from calotype.remote.client import Answer, WebClient
from calotype.remote.uri_filter import UriFilter
from calotype.stores.http_settings import HttpSettings
from calotype.stores.store import Source, Traits

#: Bytes read from a server at a time.
BLOCK = 1 << 20
_GONE = (404, 410)
_PART, _NO_SUCH_PART = 206, 416


class HttpStore:
    """Reads from web servers. Those that know no ranges are read from their beginning."""

    traits = Traits(type="http", schemes=("http", "https"), writable=False)

    def __init__(self, settings: HttpSettings, uri_filter: UriFilter) -> None:
        self._client = WebClient(uri_filter, tls=lambda: settings.tls, proxies=settings.proxies)

    def put(self, key: str, source: Source, size: int | None) -> Location:
        raise errors.StoreReadOnly("An http store is for reading only")

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        if length == 0:
            self.size(location)  # which knows whether there is anything
            return _nothing()
        part = (offset, length) != (0, None)
        last = "" if length is None else str(offset + length - 1)
        headers = {"Range": f"bytes={offset}-{last}"} if part else {}
        answer = self._ask(location, "GET", headers)
        try:
            if part and answer.status == _NO_SUCH_PART:
                answer.close()
                return _nothing()
            if part and answer.status == _PART:
                _check_part(answer, offset)
                return _Body(answer, 0, length)
            return _Body(_good(answer), offset, length)
        except BaseException:
            answer.close()
            raise

    def size(self, location: Location) -> int:
        for method in ("HEAD", "GET"):
            with closing(self._ask(location, method)) as answer:
                # Some servers answer HEAD with an error or without a length.
                if 200 <= answer.status < 300 and answer.length is not None:
                    return answer.length
        _good(answer)
        raise errors.StoreUnavailable("The server does not say how long the data is")

    def delete(self, location: Location) -> None:
        raise errors.Unsupported("Data on the web cannot be deleted from here")

    def check(self) -> None:
        """Nothing can be wrong with it before there is an address."""

    def recognizes(self, url: str) -> bool:
        return url.partition("://")[0].lower() in self.traits.schemes

    def _ask(
        self, location: Location, method: str, headers: dict[str, str] | None = None
    ) -> Answer:
        try:
            answer = self._client.ask(location.url, method, headers or {})
        except (errors.Invalid, errors.Denied) as error:
            raise errors.StoreUnavailable(error.message) from error
        if answer.status in _GONE:
            answer.close()
            raise errors.DataNotFound("The server has no data at this address")
        return answer


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise answer.refusal()
    return answer


def _check_part(answer: Answer, offset: int) -> None:
    """Raise unless a server that gives a part gives the one that was asked for."""
    if not answer.header("Content-Range").lower().startswith(f"bytes {offset}-"):
        raise errors.StoreError("The server gave another part of the data than was asked for")


def _nothing() -> Iterator[bytes]:
    """A generator, since whoever reads closes what is given."""
    yield from ()


class _Body:
    """The blocks of an answer, from `skip` bytes on and `length` at most; ends its connection."""

    def __init__(self, answer: Answer, skip: int, length: int | None) -> None:
        self._answer = answer
        self._skip = skip
        self._left = length
        self._told = answer.length

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while self._left is None or self._left > 0:
            block = self._block()
            if not block:
                break
            block = self._wanted(block)
            if block:
                return block
        self.close()
        raise StopIteration

    def close(self) -> None:
        self._answer.close()

    def _block(self) -> bytes:
        """The next bytes of the answer, empty at its end. Raises when that comes too early."""
        try:
            block = self._answer.read(BLOCK)
        except BaseException:
            self.close()
            raise
        if self._told is not None:
            self._told -= len(block)
            if not block and self._told > 0:
                self.close()
                raise errors.StoreUnavailable(f"The server ended {self._told} bytes too early")
        return block

    def _wanted(self, block: bytes) -> bytes:
        skipped = min(self._skip, len(block))
        self._skip -= skipped
        block = block[skipped:]
        if self._left is not None:
            block = block[: self._left]
            self._left -= len(block)
        return block
