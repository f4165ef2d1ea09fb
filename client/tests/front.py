"""nginx in front of a service, with TLS, set up as the manual says."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import HOST, Process, free_port, program

MANUAL = Path(__file__).parents[2] / "docs" / "operate" / "install.md"

CONFIG = """\
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen {host}:{port} ssl;
        ssl_certificate {folder}/server.pem;
        ssl_certificate_key {folder}/server.key;
{manual}
        location / {{
            proxy_pass http://{host}:{behind};
            proxy_http_version 1.1;
            add_header Set-Cookie "route={cookie}; Path=/; HttpOnly";
        }}
    }}
}}
"""
#: What keeps a caller on one node; nobody else should have it.
COOKIE = "4d3f0c7ae1"


@dataclass(frozen=True)
class Front:
    """Where it is, and the authority that signed its certificate."""

    url: str
    authority: Path


@contextmanager
def front(folder: Path, behind: int) -> Iterator[Front]:
    """nginx in front of a port, while the block runs. Raises Missing."""
    nginx = program("nginx", "/usr/sbin", brought_by="nginx-light")
    authority = make_certificate(folder)
    port = free_port()
    (folder / "nginx.conf").write_text(
        CONFIG.format(
            folder=folder, host=HOST, port=port, behind=behind, cookie=COOKIE, manual=_manual()
        )
    )
    command = [nginx, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
    with Process(command, folder / "log") as running:
        running.wait_port(port)
        yield Front(f"https://{HOST}:{port}", authority)


def make_certificate(folder: Path) -> Path:
    """`server.pem` and `server.key` of this machine; the authority that has signed them."""
    authority = make_authority(folder, "authority")
    _sign(folder, "authority")
    return authority


def make_authority(folder: Path, name: str) -> Path:
    """The certificate of a new authority."""
    _openssl(
        *("req", "-x509", *_new_key(folder, name), "-days", "2"),
        *("-subj", f"/CN={name}", "-out", folder / f"{name}.pem"),
    )
    return folder / f"{name}.pem"


def _sign(folder: Path, authority: str) -> None:
    """A certificate of this machine, which the authority has signed."""
    request, names = folder / "server.csr", folder / "names"
    names.write_text(f"subjectAltName=IP:{HOST}\n")
    _openssl("req", *_new_key(folder, "server"), "-subj", f"/CN={HOST}", "-out", request)
    _openssl(
        *("x509", "-req", "-in", request, "-days", "2", "-CAcreateserial", "-extfile", names),
        *("-CA", folder / f"{authority}.pem", "-CAkey", folder / f"{authority}.key"),
        *("-out", folder / "server.pem"),
    )


def _new_key(folder: Path, name: str) -> tuple[str | Path, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    return (*curve, "-nodes", "-keyout", folder / f"{name}.key")


def _openssl(*words: str | Path) -> None:
    openssl = program("openssl", brought_by="openssl")
    subprocess.run([openssl, *words], check=True, capture_output=True)


def _manual() -> str:
    """The lines that the manual gives for nginx."""
    found = re.search(r"for nginx that is\n\n((?: {4}.*\n)+)", MANUAL.read_text())
    assert found is not None
    return found[1]
