"""Bodies that are not wanted: what is done with them when the answer is out.

How real servers and clients take it is tested in tests/data.
"""

import io
import time
from collections.abc import Iterator
from typing import Any

import pytest

from calotype import errors
from calotype.api.middleware import Drain
from calotype.api.web import RequestBody

KIB = 1 << 10


class Given(io.BytesIO):
    """A body that remembers what was taken of it, and may break or be slow."""

    def __init__(self, data: bytes, *, error: Exception | None = None, pause: float = 0) -> None:
        super().__init__(data)
        self.error = error
        self.pause = pause

    def read(self, size: int | None = -1, /) -> bytes:
        time.sleep(self.pause)
        data = super().read(size)
        if not data and self.error is not None:
            raise self.error
        return data


class Blocks:
    """An answer that notes when it is sent and closed."""

    def __init__(self, events: list[str]) -> None:
        self.events = events

    def __iter__(self) -> Iterator[bytes]:
        self.events.append("sent")
        yield b"answer"

    def close(self) -> None:
        self.events.append("closed")


def environ(body: io.BytesIO, length: object = None, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"wsgi.input": body, **more}
    if length is not None:
        given["CONTENT_LENGTH"] = str(length)
    return given


def run(application: Any, given: dict[str, Any], limit: int = 1 << 20, seconds: float = 5) -> Any:
    return Drain(application, limit, seconds)(given, lambda *_: None)


def ignoring(answer: Any) -> Any:
    return lambda environ, start_response: answer


def test_an_answer_to_a_body_that_was_read_is_passed_on_as_it_is() -> None:
    """It may be a file that the server knows how to send."""
    answer = object()

    def reading(environ: dict[str, Any], _start: object) -> Any:
        assert environ["wsgi.input"].read(100) == b"data"
        return answer

    assert run(reading, environ(Given(b"data"), 4)) is answer
    assert run(ignoring(answer), environ(Given(b"of the next request"))) is answer
    assert run(ignoring(answer), environ(Given(b"of the next request"), 0)) is answer


def test_an_empty_chunked_body_is_at_its_end_when_that_was_seen() -> None:
    answer = object()

    def reading(environ: dict[str, Any], _start: object) -> Any:
        assert environ["wsgi.input"].read(100) == b""
        return answer

    chunked = {"HTTP_TRANSFER_ENCODING": "chunked"}
    assert run(reading, environ(Given(b""), **chunked)) is answer
    assert run(ignoring(answer), environ(Given(b""), **chunked)) is not answer


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_the_rest_is_read_when_the_answer_is_out(chunked: bool) -> None:
    events: list[str] = []
    body = Given(bytes(300 * KIB))
    how = {"HTTP_TRANSFER_ENCODING": "chunked"} if chunked else {"length": 300 * KIB}
    answer = run(ignoring(Blocks(events)), environ(body, **how))
    assert list(answer) == [b"answer"]
    assert body.tell() == 0
    answer.close()
    assert events == ["sent", "closed"]
    assert body.tell() == 300 * KIB


def test_the_rest_is_read_also_when_the_answer_cannot_be_closed() -> None:
    class Broken(Blocks):
        def close(self) -> None:
            raise RuntimeError("a defect")

    body = Given(b"data")
    answer = run(ignoring(Broken([])), environ(body, 4))
    with pytest.raises(RuntimeError):
        answer.close()
    assert body.tell() == 4


def test_an_answer_without_close() -> None:
    body = Given(b"data")
    answer = run(ignoring([b"answer"]), environ(body, 4))
    assert list(answer) == [b"answer"]
    answer.close()
    assert body.tell() == 4


def test_no_more_is_read_than_allowed() -> None:
    body = Given(bytes(1 << 20))
    run(ignoring([]), environ(body, 1 << 20), limit=256 * KIB).close()
    assert body.tell() == 256 * KIB


@pytest.mark.parametrize(("limit", "seconds"), [(0, 5), (1 << 20, 0)])
def test_nothing_is_read_where_nothing_is_allowed(limit: int, seconds: float) -> None:
    body = Given(b"data")
    run(ignoring([]), environ(body, 4), limit, seconds).close()
    assert body.tell() == 0


def test_no_longer_is_read_than_allowed() -> None:
    body = Given(bytes(1 << 20), pause=0.05)
    started = time.monotonic()
    run(ignoring([]), environ(body, 1 << 20), seconds=0.1).close()
    assert time.monotonic() - started < 5
    assert 0 < body.tell() < 1 << 20


def test_a_client_that_has_gone_ends_it() -> None:
    body = Given(b"some", error=TimeoutError())
    run(ignoring([]), environ(body, 100)).close()
    assert body.tell() == 4


# -- the body itself -------------------------------------------------------------------------------


def test_a_body_that_is_shorter_than_said() -> None:
    body = RequestBody(environ(Given(b"data"), 5))
    assert body.read(100) == b"data"
    with pytest.raises(errors.ClientGone):
        body.read(100)


def test_a_body_ends_where_it_was_said_to_end() -> None:
    body = RequestBody(environ(Given(b"data and the next request"), 4))
    assert (body.read(3), body.read(100), body.read(100)) == (b"dat", b"a", b"")
    assert body.ended


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), OSError(), ValueError("no such chunk")]
)
def test_whatever_a_server_raises_the_client_has_gone(error: Exception) -> None:
    chunked = {"HTTP_TRANSFER_ENCODING": "Chunked"}
    body = RequestBody(environ(Given(b"data", error=error), **chunked))
    assert body.read(10) == b"data"
    with pytest.raises(errors.ClientGone) as caught:
        body.read(10)
    assert caught.value.__cause__ is error
    assert not body.ended


@pytest.mark.parametrize("length", ["", "x", "-1", "٣", "9" * 5000])
def test_a_length_that_is_none(length: str) -> None:
    """Falcon refuses such a request; until then there is no body."""
    assert RequestBody(environ(Given(b"data"), length)).read(10) == b""
