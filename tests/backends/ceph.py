"""A private Ceph of one node: a monitor, a manager, one disk that is a sparse file, radosgw."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.servers import HOST, Missing, Process, program

#: Where radosgw, ceph-mon and their like lie for those whose PATH does not say so.
_SYSTEM = ("/usr/bin", "/usr/sbin", "/usr/local/bin")
_BROUGHT_BY = "ceph-mon ceph-mgr ceph-osd ceph-common"

#: The pools of images are two, so that images can be copied from one to the other.
POOLS = ("images", "more", "volumes")

_CONFIG = """\
[global]
fsid = {fsid}
mon host = [v2:{host}:{port},v1:{host}:{old_port}]
mon initial members = a
public addr = {host}
cluster addr = {host}
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
auth allow insecure global id reclaim = false
keyring = {folder}/ceph.$name.keyring
run dir = {folder}/run
admin socket = {folder}/run/$name.asok
log file = {folder}/log/$name.log
crash dir = {folder}/run
mon cluster log file = {folder}/log/cluster.log
pid file =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon allow pool delete = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
# The disk of this machine may be nearly full, which is no concern of the tests.
mon data avail crit = 1
mon data avail warn = 2
mon osd full ratio = .98
mon osd nearfull ratio = .97
mon osd backfillfull ratio = .975
osd failsafe full ratio = .99
# What a quota is measured by is told each second.
mgr stats period = 1
mgr tick period = 1
mgr initial modules =
# What must be agreed upon, e.g. a snapshot, need not wait for more of its kind.
paxos propose interval = 0.05
paxos min wait = 0.01
# A client that was killed counts as gone after so many seconds.
osd client watch timeout = 10
{class_dir}
ms bind ipv6 = false
[client]
admin socket =
log file = {folder}/log/$name.$pid.log
[mon.a]
mon data = {folder}/mon
keyring = {folder}/mon/keyring
[mgr.x]
mgr data = {folder}/mgr
keyring = {folder}/mgr/keyring
[osd.0]
osd data = {folder}/osd
keyring = {folder}/osd/keyring
osd objectstore = bluestore
bluestore block size = {size}
bluestore block create = true
bluestore block db size = 0
bluestore block wal size = 0
bluestore fsck on mount = false
osd memory target = 939524096
[client.rgw]
rgw data = {folder}/rgw
rgw enable ops log = false
rgw dns name = localhost
rgw swift account in url = true
"""


@dataclass(frozen=True)
class Radosgw:
    """A running radosgw and who may use it by S3."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)


class Ceph:
    """A cluster of ours, not yet started, in a folder that `remove` takes away."""

    def __init__(self, *, size: int = 24 << 30) -> None:
        """`size`: the bytes that the sparse file of the disk may grow to."""
        # A short name: the sockets in it allow but 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="calotype-ceph-"))
        self.fsid = str(uuid.uuid4())
        self.config = self.folder / "ceph.conf"
        self._size = size
        self._processes: list[Process] = []
        self._radosgw: Radosgw | None = None

    # -- for tests -------------------------------------------------------------------------------

    def keyring(self, user: str) -> Path:
        """The file with the key of a user, e.g. `glance` for client.glance."""
        return self.folder / f"ceph.client.{user}.keyring"

    def key(self, user: str) -> str:
        """The key of a user."""
        return self.ceph("auth", "get-key", f"client.{user}")

    def ceph(self, *arguments: str | Path) -> str:
        """What `ceph` prints, as the administrator of the cluster."""
        return self._run("ceph", "--connect-timeout", "20", *arguments)

    def rbd(self, *arguments: str | Path) -> str:
        """What `rbd` prints, as the administrator of the cluster."""
        return self._run("rbd", *arguments)

    def rados(self, *arguments: str | Path) -> str:
        """What `rados` prints, as the administrator of the cluster."""
        return self._run("rados", *arguments)

    def radosgw_admin(self, *arguments: str) -> str:
        """What `radosgw-admin` prints, as the gateway."""
        return self._run("radosgw-admin", "-n", "client.rgw", *arguments)

    def user(self, name: str, *capabilities: str) -> Path:
        """Make the user client.`name`; returns its keyring."""
        keyring = self.keyring(name)
        self.ceph("auth", "get-or-create", f"client.{name}", *capabilities, "-o", keyring)
        return keyring

    def pool(self, name: str) -> None:
        """Make a pool for images of disks."""
        self.ceph("osd", "pool", "create", name, "4")
        self.rbd("pool", "init", name)

    def remove_pool(self, name: str) -> None:
        """Remove a pool with all that is in it."""
        self.ceph("osd", "pool", "rm", name, name, "--yes-i-really-really-mean-it")

    @contextlib.contextmanager
    def without_disks(self) -> Iterator[None]:
        """The disk of the cluster does not answer within; its data stays."""
        os.kill(self._disk.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._disk.pid, signal.SIGCONT)

    def status(self) -> dict[str, Any]:
        """What `ceph status` says."""
        said: dict[str, Any] = json.loads(self.ceph("status", "--format", "json"))
        return said

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Make the cluster, start it, and return when it takes data. Raises Missing."""
        for name in ("ceph-mon", "ceph-mgr", "ceph-osd", "ceph", "rbd"):
            program(name, *_SYSTEM, brought_by=_BROUGHT_BY)
        for name in ("mon", "mgr", "osd", "rgw", "run", "log"):
            (self.folder / name).mkdir()
        self._start_monitor()
        self.ceph("auth", "get-or-create", "mgr.x", "mon", "allow profile mgr", "osd", "allow *",
                  "mds", "allow *", "-o", self.folder / "mgr" / "keyring")  # fmt: skip
        self._daemon("ceph-mgr", "-i", "x")
        self._start_disk()
        for pool in POOLS:
            self.pool(pool)
        self._make_users()
        return self

    def start_radosgw(self) -> Radosgw:
        """The object gateway of the cluster, started when it is first asked for. Raises Missing."""
        if self._radosgw is None:
            program("radosgw", *_SYSTEM, brought_by="radosgw")
            self.user("rgw", "mon", "allow rw", "osd", "allow rwx")
            port = _free_ports(1)
            front = f"beast endpoint={HOST}:{port}"
            daemon = self._daemon("radosgw", "-n", "client.rgw", "--rgw-frontends", front)
            daemon.wait_url(f"http://{HOST}:{port}/", 120)
            self._radosgw = Radosgw(f"http://{HOST}:{port}", "calotype-access", "calotype-secret")
            self._make_s3_user(self._radosgw)
        return self._radosgw

    def stop(self) -> None:
        """Stop the servers, the last one first; their files stay."""
        while self._processes:
            self._processes.pop().stop()

    def remove(self) -> None:
        """Stop the servers at once and remove their files."""
        # What they hold is removed next: nothing is gained by their writing it down.
        while self._processes:
            self._processes.pop().kill()
        shutil.rmtree(self.folder)

    # -- how -------------------------------------------------------------------------------------

    def _start_monitor(self) -> None:
        port = _free_ports(2)
        self.config.write_text(
            _CONFIG.format(
                folder=self.folder, fsid=self.fsid, host=HOST, port=port, old_port=port + 1,
                size=self._size, class_dir=_class_dir(),
            )
        )  # fmt: skip
        addresses = f"[v2:{HOST}:{port},v1:{HOST}:{port + 1}]"
        admin, monitor = self.keyring("admin"), self.folder / "mon.keyring"
        monitor_map = self.folder / "monmap"
        everything = [part for who in ("mon", "osd", "mgr", "mds") for part in
                      ("--cap", who, "allow *")]  # fmt: skip
        self._tool("ceph-authtool", "--create-keyring", admin, "--gen-key", "-n", "client.admin",
                   *everything)  # fmt: skip
        self._tool("ceph-authtool", "--create-keyring", monitor, "--gen-key", "-n", "mon.",
                   "--cap", "mon", "allow *")  # fmt: skip
        self._tool("ceph-authtool", monitor, "--import-keyring", admin)
        self._tool("monmaptool", "--create", "--fsid", self.fsid, "--addv", "a", addresses,
                   monitor_map)  # fmt: skip
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monitor_map, "--keyring", monitor)
        shutil.copy(monitor, self.folder / "mon" / "keyring")
        self._daemon("ceph-mon", "-i", "a").wait_until(self._has_monitor)

    def _start_disk(self) -> None:
        number, keyring = str(uuid.uuid4()), self.folder / "osd" / "keyring"
        secret = self._tool("ceph-authtool", "--gen-print-key")
        given = self.folder / "osd.json"
        given.write_text(json.dumps({"cephx_secret": secret}))
        self.ceph("osd", "new", number, "-i", given)
        self._tool("ceph-authtool", "--create-keyring", keyring, "-n", "osd.0",
                   "--add-key", secret)  # fmt: skip
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", number)
        self._disk = self._daemon("ceph-osd", "-i", "0").wait_until(
            lambda: json.loads(self.ceph("osd", "stat", "--format", "json"))["num_up_osds"] == 1
        )

    def _make_users(self) -> None:
        images = "profile rbd pool=images, profile rbd pool=more"
        self.user("glance", "mon", "profile rbd", "osd", images, "mgr", images)
        readable = "profile rbd-read-only pool=images, profile rbd-read-only pool=more"
        self.user("cinder", "mon", "profile rbd", "osd", f"profile rbd pool=volumes, {readable}",
                  "mgr", "profile rbd pool=volumes")  # fmt: skip

    def _make_s3_user(self, gateway: Radosgw) -> None:
        self._run(
            *("radosgw-admin", "-n", "client.rgw", "user", "create", "--uid", "calotype"),
            *("--display-name", "calotype", "--access-key", gateway.access_key),
            *("--secret-key", gateway.secret_key),
        )

    def _has_monitor(self) -> bool:
        with contextlib.suppress(RuntimeError):
            self._run("ceph", "--connect-timeout", "2", "quorum_status")
            return True
        return False

    def _daemon(self, name: str, *arguments: str) -> Process:
        path = program(name, *_SYSTEM, brought_by=_BROUGHT_BY)
        command = [path, "-f", "-c", str(self.config), *arguments]
        process = Process(command, self.folder / "log" / f"{name}.out").start()
        self._processes.append(process)
        return process

    def _run(self, name: str, *arguments: str | Path) -> str:
        return self._tool(name, "-c", self.config, *arguments)

    def _tool(self, name: str, *arguments: str | Path) -> str:
        """What a program prints. Raises RuntimeError with what it says when it fails."""
        path = program(name, *_SYSTEM, brought_by=_BROUGHT_BY)
        command = [path, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} {' '.join(command[1:])}: {done.stderr.strip()[-2000:]}")
        return done.stdout.strip()


def _free_ports(count: int) -> int:
    """The first of `count` ports in a row on which nothing listens just now."""
    while True:
        with contextlib.ExitStack() as listeners, contextlib.suppress(OSError, OverflowError):
            first = listeners.enter_context(socket.socket())
            first.bind((HOST, 0))
            port = int(first.getsockname()[1])
            for further in range(port + 1, port + count):
                listeners.enter_context(socket.socket()).bind((HOST, further))
            return port


def _class_dir() -> str:
    """The line that says where the disk finds its parts, where the built-in folder is wrong."""
    for pattern in ("*/rados-classes", "rados-classes"):
        for root in ("/usr/lib", "/usr/lib64"):
            for folder in Path(root).glob(pattern):
                if (folder / "libcls_rbd.so").exists():
                    return f"osd class dir = {folder}"
    raise Missing("Ceph's libcls_rbd.so was not found: apt-get install ceph-osd")
