"""Real Glance on the configuration file of a service of ours, with what only it needs beside."""

from pathlib import Path

from tests.backends.scene import STORE, TWIN
from tests.servers import Missing
from tests.service import Service
from tools.bench import peers
from tools.bench.peers import GLANCE, Peer

#: Where the distribution keeps the libraries of Ceph that fit its Python.
_DISTRIBUTION = Path("/usr/lib/python3/dist-packages")

#: Beside the file that both read: how Glance asks nobody for tokens, and becomes root for Cinder.
_OWN = """\
[paste_deploy]
flavor = named
config_file = {folder}/glance-api-paste.ini
[oslo_concurrency]
lock_path = {folder}/lock
[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
"""
_ROOTWRAP = """\
[DEFAULT]
filters_path = {folder}/rootwrap.d
exec_dirs = {bin},/usr/sbin,/sbin,/usr/bin,/bin
"""
_FILTERS = """\
[Filters]
chown: CommandFilter, chown, root
mount: CommandFilter, mount, root
umount: CommandFilter, umount, root
privsep-helper: CommandFilter, privsep-helper, root
"""


def glance_beside(service: Service) -> Peer:
    """A Glance, not yet started, with the configuration of a service. Raises Missing."""
    if not (GLANCE / "bin" / "uwsgi").exists():
        raise Missing("Glance is not installed: make bench installs it into .bench")
    folder = service.folder / "glance"
    folder.mkdir()
    (folder / "glance-api.conf").symlink_to(service.config)
    paste = "glance-api-paste.ini"
    text = (GLANCE / "etc" / "glance" / paste).read_text()
    (folder / paste).write_text(text + peers.NAMED)
    own = _OWN.format(folder=folder)
    if ":cinder" in service.config.read_text():
        own += "".join(
            f"[{name}]\nrootwrap_config = {folder}/rootwrap.conf\n" for name in (STORE, TWIN)
        )
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
    """A `sudo` for those who are root already, and what Glance may do with it."""
    (folder / "rootwrap.d").mkdir()
    (folder / "rootwrap.d" / "cinder.filters").write_text(_FILTERS)
    (folder / "rootwrap.conf").write_text(_ROOTWRAP.format(folder=folder, bin=GLANCE / "bin"))
    programs = folder / "bin"
    programs.mkdir()
    sudo = programs / "sudo"
    sudo.write_text('#!/bin/sh\nexec "$@"\n')
    sudo.chmod(0o755)
    return programs
