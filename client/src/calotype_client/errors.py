"""What can go wrong. Each error's text is one line that can be shown as it is."""

import re
from typing import Any

#: Letters of a reason that is not the service's own.
LONGEST = 300

_HTML = re.compile(r"<[^<>]*>")
_UNTRUSTED = re.compile(r"certificate verify failed: (.*?)\.?\s*\(_ssl")


class Error(Exception):
    """Something did not work."""

    #: What a command that ends with it returns to the shell.
    exit_code = 1


class NotConnected(Error):
    """There is no answer: nothing is there, or the connection broke."""


class NotTrusted(Error):
    """The other side shows a certificate that nobody vouches for."""


class NoCloud(Error):
    """Who and where is not told, or it cannot be used."""

    exit_code = 2


class WrongUse(Error):
    """What was asked for cannot be meant."""

    exit_code = 2


class Refused(Error):
    """The service has refused; the text is its own."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class BadRequest(Refused):
    """400: what was sent is not right, for example the size."""


class NotFound(Refused):
    """404: there is no such thing, or the caller may not see it."""

    exit_code = 3


class NotAllowed(Refused):
    """401, 403: the caller may not do this."""

    exit_code = 4


class Conflict(Refused):
    """409: not in this state, or not beside what goes on."""


class TooLarge(Refused):
    """413: a limit would be exceeded."""


class Ambiguous(Error):
    """Several images have the name."""


class NoData(Error):
    """The image has no data yet."""


class WrongData(Error):
    """The data is not what its digest says."""


class NoTask(Error):
    """The service has begun something, and shows no task of it."""


class TaskFailed(Error):
    """A task has ended without success; the text is its reason."""


class TookTooLong(Error):
    """A task goes on after the time that it was given."""


#: Answers of a service, or of what is before it, that will be others soon.
PASSING = frozenset({502, 503, 504})

_BY_STATUS: dict[int, type[Refused]] = {
    400: BadRequest,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}


def refusal(status: int, reason: str, body: Any) -> Refused:
    """The error for an answer: `body` is its JSON, or its text."""
    if isinstance(body, dict) and body.get("message"):
        text = str(body["message"])
    else:  # who is before the service may say it with a page
        text = _HTML.sub(" ", str(body or ""))[:LONGEST]
    line = " ".join(text.split())
    return _BY_STATUS.get(status, Refused)(line or f"{status} {reason}", status)


def not_connected(whom: str, message: str) -> Error:
    """NotConnected or NotTrusted, for what a library says about a connection."""
    if "wrong version number" in message:
        return NotConnected(f"{whom} does not speak TLS: its address may begin with http:")
    untrusted = _UNTRUSTED.search(message)
    if untrusted is None:
        return NotConnected(message)
    return NotTrusted(
        f"The certificate of {whom} is not trusted: {untrusted[1]}. "
        "Say who vouches for it by --os-cacert FILE (OS_CACERT), or ask nobody by --insecure"
    )
