"""What happens to every request before the route table sees it. The order is set in `app.py`."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import falcon

from calotype import errors
from calotype.api import web
from calotype.api.validator import check_text

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class ReadablePath:
    """Refuses paths that name nothing, and those that are no text we can keep."""

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Raise Invalid for bytes that are not UTF-8 and characters no table can hold, NotFound."""
        path = req.env["PATH_INFO"]
        if path.endswith("/") and path != "/":
            raise errors.NotFound("There is nothing at this path: it ends with a slash")
        if path.isascii() and path.isprintable():
            return
        try:
            text = path.encode("latin-1").decode()
        except UnicodeDecodeError as error:
            raise errors.Invalid("The path of the URL is not valid UTF-8") from error
        check_text(text, "The path of the URL")


@dataclass(frozen=True)
class Drain:
    """Gives requests a body that notices a client which has gone, and reads on after a refusal.

    A client that is answered while it still sends would otherwise see a broken connection in place
    of the answer. `limit` and `seconds` bound how much of a body is read and dropped.
    """

    application: Application
    limit: int
    seconds: float

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"] = web.RequestBody(environ)
        answer = self.application(environ, start_response)
        if body.ended:
            return answer
        return _Early(answer, partial(body.drain, self.limit, self.seconds))


@dataclass(frozen=True)
class _Early:
    """An answer that is sent before the request has come to its end; then comes `afterwards`."""

    answer: Iterable[bytes]
    afterwards: Callable[[], None]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.answer)

    def close(self) -> None:
        """What the server calls when it has sent the answer."""
        try:
            if hasattr(self.answer, "close"):
                self.answer.close()
        finally:
            self.afterwards()


class Negotiation:
    """Makes any accepted spelling of a path the canonical one: `/v2.7/images` is `/v2/images`.

    What names no version of ours is answered with the list of versions, whatever the method:
    so a client that guesses can find its way. This stands before authentication.
    """

    def __init__(self, application: Application, route: Callable[[str, str | None], str | None]):
        self._application = application
        self._route = route

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = self._route(environ["PATH_INFO"], environ.get("HTTP_ACCEPT"))
        if path is None:
            head = environ["REQUEST_METHOD"] == "HEAD"
            environ = {
                **environ,
                "PATH_INFO": "/",
                "REQUEST_METHOD": "HEAD" if head else "GET",
            }
        elif path != environ["PATH_INFO"]:
            environ = {**environ, "PATH_INFO": path}
        return self._application(environ, start_response)
