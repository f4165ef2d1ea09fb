"""What is done to a server to measure it: one thing, once; the numbers it gave."""

import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.bench import accounting
from tools.bench.peers import ROOT, Peer
from tools.bench.plan import Plan
from tools.bench.rows import image_ids

GIB = 1 << 30

Sample = dict[str, float]

#: Names the store of the upload to a backend.
TO_STORE = "x-image-meta-store: store"
_RESIZED = re.compile(r"(?:changed|Extended the volume \S+) (\d+) times")


class Failed(Exception):
    """A server did not do what was asked; the message says what it answered."""


@dataclass
class Bench:
    """What measurements need: the plan, the servers of one database, and the data to send."""

    plan: Plan
    source: Path
    small_source: Path
    peers: Mapping[str, Peer]
    stored: dict[str, str] = field(default_factory=dict)
    stored_small: dict[str, str] = field(default_factory=dict)

    def client(self, peer: Peer, job: str, **arguments: Any) -> dict[str, Any]:
        """What the client process found. Raises Failed."""
        order = json.dumps({"job": job, "port": peer.port, **arguments})
        command = [sys.executable, "-m", "tools.bench.client"]
        done = subprocess.run(
            command, input=order, capture_output=True, text=True, cwd=ROOT, check=False
        )
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            raise Failed(f"the client broke: {done.stderr[-500:]}") from None
        if "failed" in found:
            raise Failed(str(found["failed"]))
        return found

    def costing(self, peer: Peer, job: str, **arguments: Any) -> tuple[dict[str, Any], float]:
        """The same, and the CPU seconds it cost the server."""
        before = accounting.cpu_seconds(peer.pid)
        found = self.client(peer, job, **arguments)
        return found, accounting.cpu_seconds(peer.pid) - before

    def create(self, peer: Peer, count: int) -> dict[str, Any]:
        """Create empty images one after the other: times and ids."""
        body = {"name": "bench", "disk_format": "raw", "container_format": "bare"}
        asked = [("POST", "/v2/images", json.dumps(body))] * count
        found = self.client(peer, "ask", requests=asked, status=201, keep=True)
        return found | {"ids": [json.loads(answer)["id"] for answer in found["bodies"]]}

    def delete(self, peer: Peer, ids: list[str]) -> None:
        """Delete images."""
        asked = [("DELETE", f"/v2/images/{image_id}", "") for image_id in ids]
        self.client(peer, "ask", requests=asked, status=204)


Work = Callable[[Bench, Peer], Sample]


# -- bytes ---------------------------------------------------------------------------------------


def upload(count: int, *, small: bool = False) -> Work:
    """Send `count` images at once."""

    def work(bench: Bench, peer: Peer) -> Sample:
        source = bench.small_source if small else bench.source
        ids = [] if peer.name == "bare" else bench.create(peer, count)["ids"]
        paths = [f"/v2/images/{image_id}/file" for image_id in ids] or ["/file"] * count
        os.sync()  # nobody pays for what another left to be written
        try:
            found, cpu = bench.costing(peer, "upload", file=str(source), paths=paths)
        finally:
            if ids:
                bench.delete(peer, ids)
            else:
                shutil.rmtree(peer.folder / "files")
                (peer.folder / "files").mkdir()
        return _transfer(count * source.stat().st_size, found, cpu)

    return work


def upload_to_store(bench: Bench, peer: Peer) -> Sample:
    """Send one image, its size declared, to the store that is in a backend."""
    (image_id,) = bench.create(peer, 1)["ids"]
    order = {"file": str(bench.source), "paths": [f"/v2/images/{image_id}/file"]}
    os.sync()
    before, calls = accounting.memory(peer.pid), _resizes(peer)
    try:
        with accounting.PeakMemory(peer.pid) as memory_now:
            found, cpu = bench.costing(peer, "upload", headers=[TO_STORE], **order)
    finally:
        bench.delete(peer, [image_id])
    sample = _transfer(bench.source.stat().st_size, found, cpu)
    growth = max(0.0, memory_now.peak - before)
    return {**sample, "growth": growth, "resizes": _resizes(peer) - calls}


def _resizes(peer: Peer) -> int:
    """How often an upload changed the size of what it wrote to, as the log has it."""
    log = (peer.folder / "server.log").read_text(errors="replace")
    return sum(int(times) for times in _RESIZED.findall(log))


def warm_store(bench: Bench, peer: Peer) -> None:
    """Have both processes of a server log in to the backend and load what that needs."""
    small = Bench(bench.plan, bench.small_source, bench.small_source, bench.peers)
    for _ in range(3):
        with suppress(Failed):  # what fails here fails again when it counts
            upload_to_store(small, peer)


def warm_uploads(bench: Bench, peer: Peer) -> None:
    """Have every process take an upload: the first one loads code, once and for all."""
    for _ in range(2):
        with suppress(Failed):  # what fails here fails again when it counts
            upload(4, small=True)(bench, peer)


def store_one(bench: Bench, peer: Peer) -> None:
    """Upload the image that will be downloaded, and see that it comes back as it was."""
    if peer.name == "nginx":
        path = "/file"
    elif peer.name in bench.stored:
        path = bench.stored[peer.name]
    else:
        (image_id,) = bench.create(peer, 1)["ids"]
        path = f"/v2/images/{image_id}/file"
        bench.client(peer, "upload", file=str(bench.source), paths=[path])
        bench.stored[peer.name] = path
    if bench.client(peer, "digest", path=path)["digest"] != _digest(bench.source):
        raise Failed("what comes back is not what was sent")


def store_small(bench: Bench, peer: Peer) -> None:
    """Upload the smaller image, for those who will download it."""
    (image_id,) = bench.create(peer, 1)["ids"]
    path = f"/v2/images/{image_id}/file"
    bench.client(peer, "upload", file=str(bench.small_source), paths=[path])
    bench.stored_small[peer.name] = image_id


def cold_downloads(count: int) -> Work:
    """Get an image that is not in the cache, `count` times at once."""

    def work(bench: Bench, peer: Peer) -> Sample:
        image_id, size = bench.stored_small[peer.name], bench.small_source.stat().st_size
        bench.client(peer, "forget", path=f"/v2/cache/{image_id}")
        paths = [f"/v2/images/{image_id}/file"] * count
        found, cpu = bench.costing(peer, "download", paths=paths, size=size)
        return {"time": found["seconds"] * 1000, **_transfer(count * size, found, cpu)}

    return work


def download(count: int) -> Work:
    """Get the stored image `count` times at once."""

    def work(bench: Bench, peer: Peer) -> Sample:
        path, size = bench.stored.get(peer.name, "/file"), bench.source.stat().st_size
        found, cpu = bench.costing(peer, "download", paths=[path] * count, size=size)
        return _transfer(count * size, found, cpu)

    return work


def _transfer(size: int, found: Mapping[str, Any], cpu: float) -> Sample:
    seconds = float(found["seconds"])
    return {
        "rate": size / 1e6 / seconds,
        "cpu": cpu * GIB / size,
        "client": found["cpu"] / seconds,
    }


def _digest(path: Path) -> str:
    done = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


# -- records -------------------------------------------------------------------------------------


def warm_up(bench: Bench, peer: Peer) -> None:
    """Have every process of a server do the work once, so that what it loads late is loaded."""
    paths = [*_image_paths(bench)[:20], f"/v2/images?limit={bench.plan.small_page}"]
    bench.client(peer, "load", paths=paths, connections=8, period=min(1, bench.plan.load_seconds))


def listing(bench: Bench, peer: Peer) -> Sample:
    """A page of the list."""
    return _listing(bench, peer, bench.plan.page, bench.plan.lists)


def small_listing(bench: Bench, peer: Peer) -> Sample:
    """A small page of the list."""
    return _listing(bench, peer, bench.plan.small_page, bench.plan.small_lists)


def _listing(bench: Bench, peer: Peer, page: int, times: int) -> Sample:
    asked = [("GET", f"/v2/images?limit={page}", "")] * times
    return _times(bench.client(peer, "ask", requests=asked, status=200))


def walk(bench: Bench, peer: Peer) -> Sample:
    """All pages of the list."""
    found = bench.client(peer, "walk", path=f"/v2/images?limit={bench.plan.page}")
    if found["count"] < bench.plan.images:
        raise Failed(f"the list has {found['count']} images, not {bench.plan.images}")
    return {"time": found["seconds"] * 1000, "client": found["cpu"] / found["seconds"]}


def show(bench: Bench, peer: Peer) -> Sample:
    """One image after the other."""
    asked = [("GET", path, "") for path in _image_paths(bench)[: bench.plan.shows]]
    return _times(bench.client(peer, "ask", requests=asked, status=200))


def show_load(bench: Bench, peer: Peer) -> Sample:
    """Images, asked for by eight clients."""
    period, paths = bench.plan.load_seconds, _image_paths(bench)
    found, cpu = bench.costing(peer, "load", paths=paths, connections=8, period=period)
    return {
        "rate": found["count"] / found["seconds"],
        "cpu": cpu * 1000 / found["count"],
        "client": found["cpu"] / found["seconds"],
    }


def create(bench: Bench, peer: Peer) -> Sample:
    """New images, one after the other."""
    found = bench.create(peer, bench.plan.creates)
    bench.delete(peer, found["ids"])
    return _times(found)


def _times(found: Mapping[str, Any]) -> Sample:
    return {
        "time": statistics.median(found["times"]) * 1000,
        "client": found["cpu"] / found["seconds"],
    }


def _image_paths(bench: Bench) -> list[str]:
    ids = image_ids(bench.plan.images)
    step = math.ceil(len(ids) / 200)
    return [f"/v2/images/{image_id}" for image_id in ids[::step]]


# -- the process ---------------------------------------------------------------------------------


def start(bench: Bench, peer: Peer) -> Sample:
    """From the start of the process to its first list."""
    try:
        return {"time": peer.start() * 1000}
    finally:
        peer.stop()


def memory(bench: Bench, peer: Peer) -> Sample:
    """What the processes take when they have done no more than answer."""
    peer.start()
    try:
        warm_up(bench, peer)
        return {"idle": accounting.memory(peer.pid)}
    finally:
        peer.stop()


def memory_of_uploads(bench: Bench, peer: Peer) -> Sample:
    """What four uploads at once add, of images large and small."""
    peer.start()
    try:
        warm_uploads(bench, peer)
        ready = accounting.memory(peer.pid)
        with accounting.PeakMemory(peer.pid) as small:
            upload(4, small=True)(bench, peer)
        with accounting.PeakMemory(peer.pid) as large:
            upload(4)(bench, peer)
    finally:
        peer.stop()
    return {
        "peak": max(small.peak, large.peak),
        "small": max(0, small.peak - ready) / 4,
        "growth": max(0, large.peak - ready) / 4,
    }
