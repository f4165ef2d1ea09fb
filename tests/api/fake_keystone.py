"""A Keystone of a few lines: it knows the tokens that a test gives it, and speaks real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DOMAIN = {"id": "default", "name": "Default"}


def token(*roles: str, user: str = "u1", **scope: Any) -> dict[str, Any]:
    """The body of a token, as Keystone shows it; `scope` is project=, domain= or system=."""
    return {
        "methods": ["password"],
        "user": {"id": user, "name": f"name of {user}", "domain": DOMAIN},
        "expires_at": "2199-01-01T00:00:00.000000Z",
        "issued_at": "2020-01-01T00:00:00.000000Z",
        "audit_ids": ["a"],
        "roles": [{"id": f"id of {role}", "name": role} for role in roles],
        "catalog": [],
        **scope,
    }


def project(id_: str) -> dict[str, Any]:
    return {"id": id_, "name": f"name of {id_}", "domain": DOMAIN}


@dataclass
class Keystone:
    """The server's address and the tokens it knows."""

    url: str = ""
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: bool = False


@contextmanager
def running() -> Iterator[Keystone]:
    """A Keystone that runs on a free port of this machine."""
    keystone = Keystone()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: object) -> None:
            pass

        def answer(self, status: int, body: dict[str, Any], **headers: str) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            ours = token("service", project=project("services"))
            endpoint = {"id": "e", "interface": "internal", "region": "r", "url": keystone.url}
            ours["catalog"] = [
                {"id": "s", "type": "identity", "name": "keystone", "endpoints": [endpoint]}
            ]
            self.answer(201, {"token": ours}, X_Subject_Token="ours")

        def do_GET(self) -> None:
            if keystone.broken:
                self.answer(500, {"error": {"message": "broken", "code": 500, "title": "x"}})
            elif "/auth/tokens" not in self.path:
                version = {
                    "id": "v3.14",
                    "status": "stable",
                    "links": [{"rel": "self", "href": keystone.url}],
                }
                self.answer(200, {"version": version})
            elif self.headers["X-Subject-Token"] in keystone.tokens:
                self.answer(200, {"token": keystone.tokens[self.headers["X-Subject-Token"]]})
            else:
                self.answer(404, {"error": {"message": "no such token", "code": 404, "title": "x"}})

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        keystone.url = f"http://127.0.0.1:{server.server_port}/v3"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield keystone
        finally:
            server.shutdown()
            thread.join()
