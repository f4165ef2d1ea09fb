"""Clients as people type them: each a process of its own, timed whole, before one Calotype."""

import filecmp
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.keystone import peers as released
from tools.bench import accounting
from tools.bench.measurements import Bench, Failed, Sample, store_one
from tools.bench.peers import ROOT, Peer

#: What is typed after the program, before the name of the new image.
CREATE = {
    "calotype-client": ("image", "create"),
    "openstackclient": ("image", "create"),
    "glanceclient": ("image-create", "--name"),
}
#: What is typed after the program, before the id of the image.
SAVE = {
    "calotype-client": ("image", "save"),
    "openstackclient": ("image", "save"),
    "glanceclient": ("image-download",),
}


@dataclass
class Client(Peer):
    """No server of its own: a program that people type, and the Calotype that it speaks to."""

    server: Peer = field(kw_only=True)

    def start(self) -> float:
        """Have the server run, which may be the one that another client has started."""
        return 0.0 if self.server.process else self.server.start()

    def stop(self) -> None:
        """End the server."""
        self.server.stop()

    @property
    def pid(self) -> int:
        """That of the server."""
        return self.server.pid


def calotype(server: Peer) -> Client:
    """Our client, by the script that its installation makes."""
    found = _client("calotype-client", Path(sys.executable).with_name("calotype"), server)
    sources = os.pathsep.join(str(ROOT / folder) for folder in ("client/src", "src"))
    found.environment = {**found.environment, "PYTHONPATH": sources}
    return found


def openstack(server: Peer) -> Client:
    """python-openstackclient. Raises Missing when not installed."""
    return _client("openstackclient", released() / "bin" / "openstack", server)


def glance(server: Peer) -> Client:
    """python-glanceclient. Raises Missing when not installed."""
    return _client("glanceclient", released() / "bin" / "glance", server)


def _client(name: str, program: Path, server: Peer) -> Client:
    folder = server.folder.with_name(name)
    folder.mkdir(parents=True)
    url = f"http://127.0.0.1:{server.port}"
    # No cloud of whoever measures; `glance` believes a token, the others need none.
    identity = {
        "HOME": str(folder),
        "OS_AUTH_TYPE": "none",
        "OS_ENDPOINT": url,
        "OS_IMAGE_ENDPOINT_OVERRIDE": url,
    }
    if name == "glanceclient":
        identity = {"HOME": str(folder), "OS_IMAGE_URL": url, "OS_AUTH_TOKEN": "any"}
    return Client(name, folder, [str(program)], identity, port=server.port, server=server)


# -- what is done ----------------------------------------------------------------------------------


def warm(bench: Bench, peer: Peer) -> None:
    """Run a client once, so that its code is in memory and its bytecode made."""
    _created(bench, peer, bench.small_source)


def store_and_warm(bench: Bench, peer: Peer) -> None:
    """The same, and have the image there that all clients save."""
    warm(bench, peer)
    store_one(bench, bench.peers["calotype"])


def create(bench: Bench, peer: Peer) -> Sample:
    """Create an image with its data."""
    return _created(bench, peer, bench.source)


def save(bench: Bench, peer: Peer) -> Sample:
    """Save the stored image into a file."""
    image_id = bench.stored["calotype"].split("/")[3]
    saved = peer.folder / "saved"
    os.sync()  # nobody pays for what another left to be written
    try:
        sample = timed(peer, [*SAVE[peer.name], image_id, "--file", str(saved)])
        if not filecmp.cmp(bench.source, saved, shallow=False):
            raise Failed("what was saved is not what was sent")
    finally:
        saved.unlink(missing_ok=True)
    return sample


def _created(bench: Bench, peer: Peer, source: Path) -> Sample:
    path = f"/v2/images/{(image_id := str(uuid.uuid4()))}"
    formats = ("--disk-format", "raw", "--container-format", "bare")
    os.sync()
    try:
        sample = timed(
            peer,
            [*CREATE[peer.name], "bench", "--id", image_id, *formats, "--file", str(source)],
        )
        answer = bench.client(peer, "ask", requests=[("GET", path, "")], status=200, keep=True)
        image = json.loads(answer["bodies"][0])
        if (image["status"], image["size"]) != ("active", source.stat().st_size):
            raise Failed(f"the image is {image['status']}, of {image['size']} bytes")
    finally:
        bench.client(peer, "forget", path=path)
    return sample


def timed(peer: Peer, words: Sequence[str]) -> Sample:
    """Run a client to its end: seconds, and CPU seconds of it and its children. Raises Failed."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OS_") and name != "PYTHONPATH"
    }
    log, before = peer.folder / "client.log", accounting.cpu_seconds(peer.pid)
    with log.open("wb") as out:
        began = time.perf_counter()
        with subprocess.Popen(
            [*peer.command, *words],
            env=clean | dict(peer.environment),
            cwd=peer.folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as process:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        text = log.read_text(errors="replace")[-500:]
        raise Failed(f"{peer.name} ended with {process.returncode}: {text}")
    servers = accounting.cpu_seconds(peer.pid) - before
    return {"time": seconds, "cpu": used.ru_utime + used.ru_stime, "server": servers}
