"""The servers that are measured: how each is configured, started and stopped.

Calotype and Glance get the same configuration file, but for the address of the database and the
folders. Each is a tree of private processes on loopback, in a folder of its own.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.keystone import peers as released
from tests.servers import HOST, Missing, Process, free_port, program
from tools.bench.client import Connection, Refused, request

ROOT = Path(__file__).parents[2]
#: Where `make bench` has installed Glance.
GLANCE = ROOT / ".bench"
#: API processes and, for Glance, threads in each (Calotype has its default).
PROCESSES, THREADS = 2, 4

CONFIG = """\
[DEFAULT]
enabled_backends = file:file,second:file
{default}
[database]
connection = {database}
[glance_store]
default_backend = file
[file]
filesystem_store_datadir = {folder}/images
[second]
filesystem_store_datadir = {folder}/second
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[oslo_concurrency]
lock_path = {folder}/lock
[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
[paste_deploy]
{paste}
"""

#: Glance does no import for nobody, and so is told who asks, as a middleware before it would; the
#: client says it in the headers of every request.
NAMED = """
[composite:glance-api-named]
paste.composite_factory = glance.api:root_app_factory
/: named
/healthcheck: healthcheck
[pipeline:named]
pipeline = cors http_proxy_to_wsgi versionnegotiation osprofiler context rootapp
[composite:glance-api-named-cache]
paste.composite_factory = glance.api:root_app_factory
/: named-cache
/healthcheck: healthcheck
[pipeline:named-cache]
pipeline = cors http_proxy_to_wsgi versionnegotiation osprofiler context cache cachemanage rootapp
"""

NGINX = """\
daemon off;
worker_processes {processes};
{user}
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    sendfile on;
    tcp_nopush on;
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen {host}:{port}; root {folder}/root; }}
}}
"""


@dataclass
class Peer:
    """One server: `ready` is a path it answers with 200 when it can serve."""

    name: str
    folder: Path
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/v2/images?limit=1"
    port: int = field(default_factory=free_port)
    process: Process | None = None

    def start(self) -> float:
        """Start it; the seconds until its first answer."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        log = self.folder / "server.log"
        self.process = Process(self.command, log, env=clean | dict(self.environment))
        began = time.perf_counter()
        self.process.start().wait_until(self._answers)
        return time.perf_counter() - began

    def stop(self) -> None:
        """End it and all its processes."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    @property
    def pid(self) -> int:
        """The root of its tree of processes."""
        assert self.process is not None, f"{self.name} is not started"
        return self.process.pid

    def _answers(self) -> bool:
        connection = Connection(self.port)
        try:
            connection.ask(request("GET", self.ready, "Connection: close"))
            connection.answer(200)
        except (OSError, Refused):
            return False
        finally:
            connection.close()
        return True


class Bare(Peer):
    """The bare socket loop, which answers nothing but uploads."""

    def _answers(self) -> bool:
        connection = Connection(self.port)
        try:
            connection.fileno()
        except OSError:
            return False
        finally:
            connection.close()
        return True


def calotype(name: str, folder: Path, database: str, *options: str, cache: bool = False) -> Peer:
    """`calotype serve`, worker process included, on a database that has its tables."""
    peer = Peer(name, folder, environment={"PYTHONPATH": str(ROOT / "src")})
    default = [*options, *(_cache(peer) if cache else ())]
    paste = "flavor = cachemanagement" if cache else ""
    config = _configure(folder, database, "\n".join(default), paste)
    peer.command = [
        *(sys.executable, "-m", "calotype", "--config-file", str(config)),
        *("serve", "--port", str(peer.port), "--workers", str(PROCESSES)),
    ]
    return peer


def glance(name: str, folder: Path, database: str, *, cache: bool = False) -> Peer:
    """Real Glance on uWSGI, as its documentation runs it. Raises Missing when not installed."""
    if not (GLANCE / "bin" / "uwsgi").exists():
        raise Missing("Glance is not installed: make bench installs it into .bench")
    peer = Peer(name, folder, environment={"OS_GLANCE_CONFIG_DIR": str(folder)})
    paste = folder / "glance-api-paste.ini"
    flavor = "named-cache" if cache else "named"
    default = "\n".join(_cache(peer) if cache else ())
    config = _configure(folder, database, default, f"flavor = {flavor}\nconfig_file = {paste}")
    paste.write_text((GLANCE / "etc" / "glance" / paste.name).read_text() + NAMED)
    _run([str(GLANCE / "bin" / "glance-manage"), "--config-file", str(config), "db_sync"], {})
    peer.command = uwsgi(peer.port)
    return peer


def uwsgi(port: int) -> list[str]:
    """The command that serves Glance, whose configuration is in OS_GLANCE_CONFIG_DIR."""
    return [
        *(str(GLANCE / "bin" / "uwsgi"), "--virtualenv", str(GLANCE)),
        *("--http-socket", f"{HOST}:{port}"),
        *("--module", "glance.wsgi.api:application", "--master", "--need-app", "--lazy-apps"),
        *("--processes", str(PROCESSES), "--threads", str(THREADS), "--enable-threads"),
        *("--die-on-term", "--exit-on-reload", "--buffer-size", "65535", "--thunder-lock"),
        *("--socket-timeout", "60", "--http-auto-chunked", "--http-chunked-input"),
        *("--http-raw-body", "--add-header", "Connection: close", "--disable-logging"),
    ]


def _cache(peer: Peer) -> list[str]:
    return [
        f"image_cache_dir = {peer.folder}/cache",
        f"worker_self_reference_url = http://{HOST}:{peer.port}",
        "image_cache_max_size = 107374182400",
    ]


def nginx(folder: Path, static: Path) -> Peer:
    """nginx that serves one static file. Raises Missing when not installed."""
    server = program("nginx", "/usr/sbin", brought_by="nginx-light")
    peer = Peer("nginx", folder, ready="/ready")
    root = folder / "root"
    root.mkdir(parents=True)
    (root / "ready").write_text("yes")
    (root / "file").hardlink_to(static)
    # Started by root it would give its processes away to a user who cannot enter here.
    user = "user root;" if os.geteuid() == 0 else ""
    text = NGINX.format(folder=folder, host=HOST, port=peer.port, processes=PROCESSES, user=user)
    (folder / "nginx.conf").write_text(text)
    peer.command = [server, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    return peer


def bare(folder: Path) -> Peer:
    """The bare socket loop of `tools/bench/bare.py`."""
    peer = Bare("bare", folder)
    (folder / "files").mkdir(parents=True)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    peer.environment = {"PYTHONPATH": path}
    peer.command = [
        *(sys.executable, "-m", "tools.bench.bare"),
        *(str(peer.port), str(folder / "files")),
    ]
    return peer


class OpenSSL(Peer):
    """No server: the command that hashes a file."""

    def start(self) -> float:
        """Nothing to start. Raises Missing when it is not installed."""
        program("openssl", "/usr/bin", brought_by="openssl")
        return 0.0


def openssl(folder: Path) -> Peer:
    """The command `openssl`."""
    return OpenSSL("openssl", folder)


def versions() -> dict[str, str]:
    """The versions of all that is measured, as far as it is installed."""
    found = {
        name: importlib.metadata.version(name) for name in ("calotype", "gunicorn", "SQLAlchemy")
    }
    found |= _installed(GLANCE, "glance", "uwsgi")
    with suppress(Missing):
        found |= _installed(released(), "python-openstackclient", "python-glanceclient")
    for name, option in (("nginx", "-v"), ("mariadbd", "--version")):
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin")
        if path:
            words = _run([path, option], {}).replace("nginx/", "").split()
            found[name] = next(word for word in words if word[0].isdigit())
    return found


def _installed(environment: Path, *names: str) -> dict[str, str]:
    """The versions of distributions in an environment, if it is there."""
    python = environment / "bin" / "python"
    if not python.exists():
        return {}
    ask = f"from importlib.metadata import version as v; print(*map(v, {names}))"
    return dict(zip(names, _run([str(python), "-c", ask], {}).split(), strict=True))


def _configure(folder: Path, database: str, default: str, paste: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("images", "second", "staging", "tasks", "cache"):
        (folder / name).mkdir(exist_ok=True)
    config = folder / "glance-api.conf"
    config.write_text(CONFIG.format(folder=folder, database=database, default=default, paste=paste))
    return config


def _run(command: Sequence[str], environment: Mapping[str, str]) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    done = subprocess.run(
        command,
        env=clean | dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-4000:]}")
    return done.stdout
