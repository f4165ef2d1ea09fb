"""`calotype serve`: the API processes (gunicorn) and, beside them, one worker process."""

import argparse
import gc
import ipaddress
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from calotype import errors
from calotype.admin import logs
from calotype.admin.http_server import Processes, ServerLog, Worker, limit_silence
from calotype.admin.quickstart import quickstart
from calotype.admin.sweep import work
from calotype.admin.worker_process import WorkerProcess
from calotype.app import build
from calotype.parts import Parts, assemble, prepare
from calotype.settings.tree import Settings

LOG = logging.getLogger(__name__)

#: Seconds a stopping process gives its running transfers to come to an end.
GRACE = 300

TRY_IT = """
Calotype serves {url} from {folder} (no authentication: everybody is admin).
Try it, in another terminal, with the client you know (pip install python-openstackclient):

  export OS_AUTH_TYPE=none OS_ENDPOINT={url} OS_IMAGE_ENDPOINT_OVERRIDE={url}
  openstack image create --disk-format qcow2 --file my-disk.qcow2 my-image
  openstack image list
  openstack image save --file copy.qcow2 my-image
"""


@dataclass(frozen=True)
class Listen:
    """Where and with how many processes and threads to serve."""

    host: str
    port: int
    workers: int
    threads: int
    access_log: str | None = None
    graceful_timeout: int = GRACE

    @property
    def url(self) -> str:
        """The address clients on this machine use."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `serve` to the command line."""
    command = commands.add_parser(
        "serve",
        help="serve the Image API",
        description=(
            "Serve the Image API with the configuration of Glance. "
            "Without authentication it listens on loopback only."
        ),
        epilog="example: calotype serve --config-file /etc/glance/glance-api.conf --workers 4",
    )
    command.add_argument("--host", help="address to listen at (default 127.0.0.1)")
    command.add_argument("--port", type=int, help="port to listen at (default 9292)")
    command.add_argument("--workers", type=int, help="API processes (default 2)")
    command.add_argument("--threads", type=int, help="threads in each of them (default 16)")
    command.add_argument(
        "--no-worker", action="store_true", help="start no worker process beside the API"
    )
    command.add_argument(
        "--insecure",
        action="store_true",
        help="serve without authentication on an address that others can reach",
    )
    command.add_argument("--access-log", metavar="FILE", help="log each request; - is stdout")
    command.add_argument(
        "--graceful-timeout",
        type=int,
        default=GRACE,
        metavar="SECONDS",
        help="how long running transfers may go on after SIGTERM (default %(default)s)",
    )
    command.add_argument(
        "--quickstart",
        metavar="DIR",
        type=Path,
        help="no configuration: SQLite and a file store below DIR, no authentication",
    )
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    settings = quickstart(args.quickstart) if args.quickstart else args.settings
    service = settings.service
    listen = Listen(
        host=args.host or service.calotype_bind_host,
        port=args.port or service.calotype_bind_port,
        workers=args.workers or service.calotype_workers,
        threads=args.threads or service.calotype_threads,
        access_log=args.access_log,
        graceful_timeout=args.graceful_timeout,
    )
    refuse_open_door(settings, listen.host, insecure=args.insecure)
    logs.setup(settings)
    parts = assemble(settings)
    prepare(parts, create=bool(args.quickstart))
    if args.quickstart:
        print(TRY_IT.format(url=listen.url, folder=args.quickstart), flush=True)
    worker = None if args.no_worker else WorkerProcess(partial(_work_beside, parts))
    if worker is not None:
        parts.database.when_work_is_left = worker.wake
    Server(parts, listen, worker).run()
    return 0


def _work_beside(parts: Parts, service: int, bell: int) -> None:
    parts.database.after_fork()
    # Ends with the service even if that died before this process had begun.
    work(parts, orphaned=lambda: os.getppid() != service, bell=bell)


def refuse_open_door(settings: Settings, host: str, *, insecure: bool) -> None:
    """Raise BadSettings when anybody on the network would be admin."""
    if settings.auth.strategy != "none" or insecure or _is_loopback(host):
        return
    raise errors.BadSettings(
        f"[paste_deploy] flavor: without authentication everybody who reaches {host} would be "
        "admin. Set flavor = keystone (or http_basic), listen on 127.0.0.1, or add --insecure"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Server(BaseApplication):
    """gunicorn with our application, loaded once and shared by all processes."""

    def __init__(self, parts: Parts, listen: Listen, worker: WorkerProcess | None) -> None:
        self._parts = parts
        self._listen = listen
        self._worker = worker
        super().__init__()

    def run(self) -> None:
        """Serve until a signal ends it."""
        Processes(self).run()

    def load_config(self) -> None:
        """Give gunicorn its settings."""
        listen = self._listen
        host = f"[{listen.host}]" if ":" in listen.host else listen.host
        values: dict[str, Any] = {
            "bind": [f"{host}:{listen.port}"],
            "workers": listen.workers,
            "threads": listen.threads,
            "worker_class": Worker,
            "preload_app": True,
            "keepalive": 75,
            "graceful_timeout": listen.graceful_timeout,
            "limit_request_line": 8190,
            "accesslog": listen.access_log,
            "logger_class": ServerLog,
            "proc_name": "calotype",
            "control_socket_disable": True,
            **self._hooks(),
        }
        for name, value in values.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """The WSGI application."""
        return build(self._parts)

    def _hooks(self) -> dict[str, Callable[..., None]]:
        def post_fork(_server: Any, _worker: Any) -> None:
            self._parts.database.after_fork()
            if self._parts.cache is not None and self._parts.cache.nodes is not None:
                self._parts.cache.nodes.keep_renewing()
            LOG.info("API process %d is ready", os.getpid())

        def when_ready(server: Any) -> None:
            limit_silence(server.LISTENERS, self._parts.settings.service.calotype_client_timeout)
            LOG.info("Calotype serves %s", self._listen.url)
            # What is loaded stays: the collector need not look at it again, which would make each
            # process write to, and so copy, the pages that all of them share.
            gc.collect()
            gc.freeze()
            if self._worker is not None:
                self._worker.start(listener.fileno() for listener in server.LISTENERS)

        def on_exit(_server: Any) -> None:
            if self._worker is not None:
                self._worker.stop()

        return {"post_fork": post_fork, "when_ready": when_ready, "on_exit": on_exit}
