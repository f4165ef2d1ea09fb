"""What happens to every request before the route table sees it. The order is set in `app.py`."""

from collections.abc import Callable, Iterable
from typing import Any

import falcon

from calotype import errors
from calotype.api.validator import check_text

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


class ReadablePath:
    """Refuses paths that are no text we can keep: what they name could not exist."""

    def process_request(self, req: falcon.Request, _resp: falcon.Response) -> None:
        """Raise Invalid for bytes that are not UTF-8, and for characters no table can hold."""
        path = req.env["PATH_INFO"]
        if path.isascii() and path.isprintable():
            return
        try:
            text = path.encode("latin-1").decode()
        except UnicodeDecodeError as error:
            raise errors.Invalid("The path of the URL is not valid UTF-8") from error
        check_text(text, "The path of the URL")


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
