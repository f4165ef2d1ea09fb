"""What happens to every request before the route table sees it. The order is set in `app.py`."""

from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


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
