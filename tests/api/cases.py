"""The whole application called as a server would call it, by callers of any role.

Every answer is held against the description that the service publishes: its status must be one the
description names for that call, and its body must be of the described shape.
"""

import io
import json
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, unquote_to_bytes
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import WSGIWarning, validator

import jsonschema
import pytest

from calotype import errors
from calotype.api import failures
from calotype.api.middleware import Application
from calotype.caller import Caller
from calotype.parts import Parts

#: Runs a test on SQLite, MariaDB and PostgreSQL; without it, on SQLite.
on_each_engine = pytest.mark.parametrize(
    "engine_name", ("sqlite", "mariadb", "postgresql"), indirect=True
)

V21 = "application/openstack-images-v2.1-json-patch"
V20 = "application/openstack-images-v2.0-json-patch"
OCTETS = "application/octet-stream"

#: An id that no image has.
NOWHERE = "00000000-0000-4000-8000-00000000dead"


def who(project: str | None, *roles: str, **more: Any) -> Caller:
    """A caller of a project with these roles."""
    user = f"user-of-{project}"
    return Caller(user_id=user, project_id=project, roles=frozenset(roles), **more)


ADMIN = who("operations", "admin", "member", "reader", is_admin=True)
MEMBER = who("ours", "member", "reader")
READER = who("ours", "reader")
ROLELESS = who("ours")
OTHER = who("theirs", "member", "reader")
OTHER_READER = who("theirs", "reader")
STRANGER = who("elsewhere", "member", "reader")
SERVICE = who("service", "service", "member", "reader")
HOMELESS = who(None, "member", "reader")
ANONYMOUS = Caller(read_only=True)


class Given:
    """An identity for tests: the request says who asks."""

    challenge: str | None = None
    KEY = "calotype.test.caller"

    def identify(self, environ: Mapping[str, Any], request_id: str) -> Caller:
        if self.KEY not in environ:
            raise errors.Unauthenticated()
        return replace(environ[self.KEY], request_id=request_id)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers.get("content-type") == "application/json", self
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The message of an error."""
        return str(self.json["message"])

    def gave(self, status: int, says: str = "") -> "Answer":
        """This answer, if it has that status and, being an error, its message says that."""
        assert self.status == status, f"{self.status}, not {status}: {self.body[:600]!r}"
        if says:
            assert says in self.message, self.message
        return self


class Described:
    """The published description, ready to judge answers."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        self._validators: dict[str, jsonschema.Draft202012Validator] = {}
        self._paths = [
            # What is most exact comes first: /v2/info/stores/detail is no image.
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item)
            for path, item in sorted(document["paths"].items(), key=lambda p: p[0].count("{"))
        ]

    def judge(self, method: str, path: str, answer: Answer) -> None:
        """Fail when the answer is not one that the description has for this call."""
        if answer.status >= 400 and path != "/healthcheck":
            self._error(method, answer)
        operation = self._operation(method, path)
        if operation is None or answer.status == 300:  # what names nothing gets the versions
            return
        assert str(answer.status) in operation["responses"], (method, path, answer)
        content = operation["responses"][str(answer.status)].get("content", {})
        if "application/json" in content and method != "HEAD":
            media = answer.headers["content-type"].partition(";")[0]
            assert media in content, (media, content)
            if media == "application/json":
                self._valid(content[media]["schema"]["$ref"], answer)

    def _operation(self, method: str, path: str) -> dict[str, Any] | None:
        path = re.sub(r"^/v2\.\d+/", "/v2/", path)
        for pattern, item in self._paths:
            if pattern.fullmatch(path):
                found: dict[str, Any] | None = item.get(method.lower())
                return found
        return None

    def _valid(self, ref: str, answer: Answer) -> None:
        if ref not in self._validators:
            schema = {"$ref": ref, "components": self._components}
            self._validators[ref] = jsonschema.Draft202012Validator(schema)
        self._validators[ref].validate(answer.json)

    @staticmethod
    def _error(method: str, answer: Answer) -> None:
        assert answer.headers["content-type"] == "application/json", answer
        if method == "HEAD":
            assert not answer.body
            return
        assert set(answer.json) == {"message", "code", "title"}, answer
        assert answer.json["code"].startswith(str(answer.status)), answer
        assert answer.json["message"], answer
        assert answer.body == failures.body(answer.status, answer.message)


@dataclass
class Site:
    """One installation: its parts and its application."""

    parts: Parts
    application: Application
    described: Described = field(init=False)

    def __post_init__(self) -> None:
        self.described = Described(Client(self, None).ask("GET", "/v2/openapi.json").json)

    def of(self, caller: Caller | None) -> "Client":
        """What that caller talks through; None: nobody."""
        return Client(self, caller)


@dataclass(frozen=True)
class Client:
    """One caller's way to the application."""

    site: Site
    caller: Caller | None

    def ask(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        breaks: bool = False,
        **environ: Any,
    ) -> Answer:
        """One request. A `body` that is no bytes is sent as JSON. `breaks`: a 5xx is expected."""
        sent = environ_of(method, url, body, headers or {}) | environ
        if self.caller is not None:
            sent[Given.KEY] = self.caller
        answer = call(self.site.application, sent)
        assert answer.headers["x-openstack-request-id"].startswith("req-")
        assert (answer.status >= 500) == breaks, answer
        if hasattr(self.site, "described"):
            path = sent["PATH_INFO"].encode("latin-1").decode(errors="replace")
            self.site.described.judge(method, path, answer)
        return answer

    def get(self, url: str, **headers: str) -> Answer:
        return self.ask("GET", url, headers=headers)

    def post(self, url: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("POST", url, body, headers)

    def put(self, url: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("PUT", url, body, headers)

    def delete(self, url: str, body: Any = None) -> Answer:
        return self.ask("DELETE", url, body)

    def patch(self, url: str, body: Any, media: str = V21) -> Answer:
        return self.ask("PATCH", url, body, {"Content-Type": media})

    # -- arranging ---------------------------------------------------------------------------------

    def create(self, **fields: Any) -> str:
        """Make an image, queued; its id."""
        return str(self.post("/v2/images", fields).gave(201).json["id"])

    def create_active(self, data: bytes = b"data", **fields: Any) -> str:
        """Make an image with data; its id."""
        image_id = self.create(**{"disk_format": "raw", "container_format": "bare", **fields})
        url = f"/v2/images/{image_id}/file"
        self.ask("PUT", url, data, {"Content-Type": OCTETS}).gave(204)
        return image_id

    def image(self, image_id: str) -> Any:
        """An image as this caller sees it."""
        return self.get(f"/v2/images/{image_id}").gave(200).json

    def ids(self, query: str = "") -> list[str]:
        """The ids of one page of the list."""
        page = self.get(f"/v2/images{query and '?'}{query}").gave(200).json
        return [image["id"] for image in page["images"]]

    def share(self, image_id: str, project: str, status: str = "pending") -> None:
        """Make a project a member of an image."""
        members = f"/v2/images/{image_id}/members"
        self.post(members, {"member": project}).gave(200)
        if status != "pending":
            them = self.site.of(who(project, "member", "reader"))
            them.put(f"{members}/{quote(project, safe='')}", {"status": status}).gave(200)

    def walk(self, url: str | None) -> Iterator[str]:
        """The ids of all pages from this one on."""
        while url:
            page = self.get(url).gave(200).json
            yield from (image["id"] for image in page["images"])
            url = page.get("next")


def environ_of(method: str, url: str, body: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    path, _, query = url.partition("?")
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "HTTP_HOST": "images.example:9292",
        "wsgi.input": io.BytesIO(data),
    }
    setup_testing_defaults(environ)
    if body is not None:
        environ["CONTENT_LENGTH"] = str(len(data))
    for name, value in headers.items():
        key = name.upper().replace("-", "_")
        plain = key in ("CONTENT_TYPE", "CONTENT_LENGTH")
        environ[key if plain else f"HTTP_{key}"] = value
    return environ


def call(application: Application, environ: dict[str, Any]) -> Answer:
    """Call a WSGI application, both sides held to PEP 3333."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append((status, headers))
        return lambda _data: None

    # The validator itself trips over a length that is no number.
    length = environ.get("CONTENT_LENGTH", "0")
    checked = validator(application) if length.isdigit() and len(length) < 20 else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WSGIWarning)  # about methods that it does not know
        blocks: Any = (checked or application)(environ, start_response)
    try:
        body = b"".join(blocks)
    finally:
        if checked:
            blocks.close()
    ((status, pairs),) = started
    names = [name.lower() for name, _ in pairs]
    assert len(names) == len(set(names)), pairs
    headers = {name.lower(): value for name, value in pairs}
    if "content-length" in headers and environ["REQUEST_METHOD"] != "HEAD":
        assert int(headers["content-length"]) == len(body)
    return Answer(int(status.split()[0]), headers, body)
