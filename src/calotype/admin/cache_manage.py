"""`glance-cache-manage`: Glance's old command for the cache of a node, over HTTP.

It speaks the older calls, so the flavor of the node must contain `cachemanagement`. Whoever writes
something new takes `calotype cache` or the clients.
"""

import argparse
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import calotype
from calotype import errors

#: Seconds to wait for an answer.
PATIENCE = 300

COMMANDS = """\
commands:
  list-cached                   what the node has in its cache
  list-queued                   what is queued for it
  queue-image ID                bring an image there
  delete-cached-image ID        take an image out of the cache
  delete-all-cached-images      empty the cache
  delete-queued-image ID        take an image off the queue
  delete-all-queued-images      empty the queue
  help [COMMAND]                this text
"""


@dataclass(frozen=True)
class Server:
    """One node as its admin asks it."""

    url: str
    token: str | None
    insecure: bool

    def ask(self, method: str, path: str) -> Any:
        """The JSON of an answer. Raises Error."""
        headers = {"X-Auth-Token": self.token} if self.token else {}
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        return json.loads(_opened(request, self.insecure)[1])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    print(
        "glance-cache-manage is deprecated: use `calotype cache`, or `glance cache-list` and its"
        " like",
        file=sys.stderr,
    )
    options = parser()
    args = options.parse_args(arguments)
    name, *ids = args.command
    if name == "help":
        options.print_help()
        return 0
    try:
        return _run(name, ids, args)
    except errors.Error as error:
        print(f"ERROR: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """The whole command line; what is left out comes from the environment, `OS_…`."""
    top = argparse.ArgumentParser(
        prog="glance-cache-manage",
        description="Look after the image cache of a node over HTTP.",
        epilog=COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=calotype.__version__)
    top.add_argument("-v", "--verbose", action="store_true", help="without effect")
    top.add_argument("-d", "--debug", action="store_true", help="without effect")
    top.add_argument("-H", "--host", default="0.0.0.0", help="address of the node")
    top.add_argument("-p", "--port", type=int, default=9292, help="port of the node")
    top.add_argument("-k", "--insecure", action="store_true", help="do not verify certificates")
    top.add_argument("-f", "--force", action="store_true", help="ask for no confirmation")
    for name, short in (
        *(("auth-token", "-A"), ("username", "-I"), ("password", "-K"), ("region-name", "-R")),
        *(("project-id", None), ("project-name", "-T"), ("user-domain-id", None)),
        *(("project-domain-id", None), ("domain-id", None), ("auth-url", "-N")),
    ):
        variable = f"OS_{name.replace('-', '_').upper()}"
        flags = [f"--os-{name}", *([short] if short else [])]
        default = os.environ.get(variable)
        top.add_argument(*flags, default=default, help=f"default: ${variable}")
    strategy = os.environ.get("OS_AUTH_STRATEGY")
    top.add_argument("-S", "--os_auth_strategy", metavar="STRATEGY", default=strategy)
    top.add_argument("command", nargs="+", metavar="COMMAND", help="see below")
    return top


def _run(name: str, ids: list[str], args: argparse.Namespace) -> int:
    if name not in _COMMANDS:
        raise errors.Invalid(f"There is no command {name!r}; see glance-cache-manage help")
    takes_id, question, run = _COMMANDS[name]
    if len(ids) != takes_id:
        raise errors.Invalid(f"{name} takes {'one id of an image' if takes_id else 'no id'}")
    if question and not args.force and not _confirmed(question.format(*ids)):
        return 0
    host = args.host if "://" in args.host else f"http://{args.host}"
    run(Server(f"{host}:{args.port}", _token(args), args.insecure), *ids)
    return 0


# -- the commands --------------------------------------------------------------------------------


def list_cached(server: Server) -> None:
    """Print what is cached."""
    images = server.ask("GET", "/v2/cached_images")["cached_images"]
    head = ("ID", "Last Accessed (UTC)", "Last Modified (UTC)", "Size", "Hits")
    rows = [
        (
            it["image_id"],
            _moment(it["last_accessed"]),
            _moment(it["last_modified"]),
            str(it["size"]),
            str(it["hits"]),
        )
        for it in images
    ]
    _print(f"{len(rows)} images in the cache", head, rows)


def list_queued(server: Server) -> None:
    """Print what is queued."""
    ids = server.ask("GET", "/v2/queued_images")["queued_images"]
    _print(f"{len(ids)} images queued", ("ID",), [(image_id,) for image_id in ids])


def queue_image(server: Server, image_id: str) -> None:
    """Have an image brought there."""
    server.ask("PUT", f"/v2/queued_images/{image_id}")
    print(f"Image {image_id} is queued for the cache")


def _deleting(path: str, what: str) -> Callable[..., None]:
    def delete(server: Server, image_id: str = "") -> None:
        answer = server.ask("DELETE", f"/v2/{path}{f'/{image_id}' if image_id else ''}")
        print(
            f"Image {image_id} is {what}" if image_id else f"{answer['num_deleted']} images {what}"
        )

    return delete


#: By name: how many ids it takes, what is asked before, what is done.
_COMMANDS: dict[str, tuple[int, str, Callable[..., None]]] = {
    "list-cached": (0, "", list_cached),
    "list-queued": (0, "", list_queued),
    "queue-image": (1, "Queue image {} for the cache?", queue_image),
    "delete-cached-image": (
        *(1, "Take image {} out of the cache?"),
        _deleting("cached_images", "out of the cache"),
    ),
    "delete-all-cached-images": (
        *(0, "Empty the cache?"),
        _deleting("cached_images", "out of the cache"),
    ),
    "delete-queued-image": (
        *(1, "Take image {} off the queue?"),
        _deleting("queued_images", "off the queue"),
    ),
    "delete-all-queued-images": (
        *(0, "Empty the queue?"),
        _deleting("queued_images", "off the queue"),
    ),
}


def _confirmed(question: str) -> bool:
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _moment(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None).isoformat() if epoch else "N/A"


def _print(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    print(title)
    if not rows:
        return
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    line = "+".join(["", *("-" * (width + 2) for width in widths), ""])
    print(line)
    for number, row in enumerate([head, *rows]):
        print("|".join(["", *(f" {it:<{w}} " for it, w in zip(row, widths, strict=True)), ""]))
        if number == 0:
            print(line)
    print(line)


# -- asking --------------------------------------------------------------------------------------


def _token(args: argparse.Namespace) -> str | None:
    """The token that was given, or one from Keystone; None where nobody asks for any."""
    if args.os_auth_strategy == "noauth" or args.os_auth_token:
        return args.os_auth_token or None
    if not (args.os_auth_url and args.os_username):
        return None
    user = {"name": args.os_username, "password": args.os_password or ""}
    user["domain"] = {"id": args.os_user_domain_id or args.os_domain_id or "default"}
    methods = {"methods": ["password"], "password": {"user": user}}
    url = args.os_auth_url.rstrip("/")
    if not url.endswith("/v3"):
        url += "/v3"
    request = urllib.request.Request(
        f"{url}/auth/tokens",
        json.dumps({"auth": {"identity": methods, "scope": {"project": _project(args)}}}).encode(),
        {"Content-Type": "application/json"},
    )
    return str(_opened(request, args.insecure)[0]["X-Subject-Token"])


def _project(args: argparse.Namespace) -> dict[str, Any]:
    if args.os_project_id:
        return {"id": args.os_project_id}
    domain = args.os_project_domain_id or args.os_domain_id or "default"
    return {"name": args.os_project_name, "domain": {"id": domain}}


def _opened(request: urllib.request.Request, insecure: bool) -> tuple[Any, bytes]:
    """Headers and body of an answer. Raises Error with what the server says is wrong."""
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
            return answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode(errors="replace")
        raise errors.Error(f"{request.full_url}: {error.code} {error.reason}: {text}") from error
    except OSError as error:
        raise errors.Error(f"{request.full_url}: {error}") from error
