"""A guarded application that shows whom it saw, and requests to it as a server would make them."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

from oslo_config.cfg import ConfigOpts

from calotype.api.identity import guard
from calotype.caller import Caller
from calotype.policy.loading import configured


@dataclass
class Answer:
    """What came back, and what the application behind the guard saw, if it was reached."""

    status: int
    headers: dict[str, str]
    body: bytes
    seen: dict[str, Any] | None

    @property
    def caller(self) -> Caller:
        assert self.seen is not None, f"refused: {self.status} {self.body!r}"
        found = self.seen["calotype.caller"]
        assert isinstance(found, Caller)
        return found

    @property
    def message(self) -> str:
        body = json.loads(self.body)
        assert set(body) == {"message", "code", "title"}
        return str(body["message"])


@dataclass
class Site:
    """A guarded application."""

    conf: ConfigOpts
    strategy: str
    users_file: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seen: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guarded = guard(
            self._application,
            self.strategy,
            self.conf,
            str(self.users_file) if self.users_file else None,
            configured(self.conf),
            **self.options,
        )

    def _application(self, environ: Any, start_response: Any) -> list[bytes]:
        self.seen.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain"), ("X-Mine", "1")])
        return [b"inside"]

    def ask(
        self, path: str = "/v2/images", method: str = "GET", body: bytes = b"", **headers: str
    ) -> Answer:
        """One request; `X_Roles="admin"` is the header X-Roles."""
        environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path}
        setup_testing_defaults(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        started: list[Any] = []
        self.seen.clear()

        def start_response(status: str, found: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started.append((status, found))
            return lambda _data: None

        answer = b"".join(self.guarded(environ, start_response))
        (status, found), *more = started
        assert not more
        names = [name.lower() for name, _ in found]
        assert len(names) == len(set(names))
        return Answer(
            status=int(status.split()[0]),
            headers={name.lower(): value for name, value in found},
            body=answer,
            seen=self.seen[0] if self.seen else None,
        )
