"""Real Glance on the configuration file of a service of ours, with what only it needs beside."""

from pathlib import Path

from tests.servers import Missing
from tests.service import Service
from tools.bench import peers
from tools.bench.peers import GLANCE, Peer

#: Where the distribution keeps the libraries of Ceph that fit its Python.
_DISTRIBUTION = Path("/usr/lib/python3/dist-packages")

#: Beside the file that both read: how Glance asks for tokens, and becomes root for Cinder.
_OWN = """\
[paste_deploy]
flavor = {flavor}
config_file = {folder}/glance-api-paste.ini
[oslo_concurrency]
lock_path = {folder}/lock
[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
"""
#: A `sudo` for those who are root already. Glance asks it for `glance-rootwrap <file> <command>`.
_SUDO = """\
#!/bin/sh
[ "$1" != glance-rootwrap ] || shift 2
exec "$@"
"""


def glance_beside(service: Service, flavor: str = "named") -> Peer:
    """A Glance, not yet started, with the configuration of a service. Raises Missing.

    By default it asks nobody for tokens.
    """
    if not (GLANCE / "bin" / "uwsgi").exists():
        raise Missing("Glance is not installed: make bench installs it into .bench")
    folder = service.folder / "glance"
    folder.mkdir()
    (folder / "glance-api.conf").symlink_to(service.config)
    paste = "glance-api-paste.ini"
    text = (GLANCE / "etc" / "glance" / paste).read_text()
    (folder / paste).write_text(text + peers.NAMED)
    own = _OWN.format(folder=folder, flavor=flavor)
    # Glance reads this file too, and we do not look into this folder.
    (folder / "glance-image-import.conf").write_text(own)
    environment = {
        "OS_GLANCE_CONFIG_DIR": str(folder),
        "PYTHONPATH": str(_libraries(folder)),
        "PATH": f"{_becoming_root(folder)}:{GLANCE}/bin:/usr/sbin:/sbin:/usr/bin:/bin",
    }
    peer = Peer("glance", folder, environment=environment)
    peer.command = peers.uwsgi(peer.port)
    return peer


def _libraries(folder: Path) -> Path:
    """Lets Glance see rados and rbd of the distribution, and no more of its packages."""
    libraries = folder / "libraries"
    libraries.mkdir()
    for name in ("rados", "rbd"):
        for library in _DISTRIBUTION.glob(f"{name}.cpython-*.so"):
            (libraries / library.name).symlink_to(library)
    return libraries


def _becoming_root(folder: Path) -> Path:
    """A folder with the `sudo` that Glance calls to attach volumes."""
    programs = folder / "bin"
    programs.mkdir()
    sudo = programs / "sudo"
    sudo.write_text(_SUDO)
    sudo.chmod(0o755)
    return programs
