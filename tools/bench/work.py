"""Measurements of work that goes on after the answer: imports, copies, digests."""

import json
import os
import subprocess
import time
from typing import Any

from tools.bench.measurements import GIB, Bench, Sample, Work
from tools.bench.peers import OpenSSL, Peer

#: The digests that a hash task calculates, beside each other.
DIGESTS = ("md5", "sha512")
#: What the tasks of an image say when one has come to nothing.
FAILED = '"status": ?"failure"'


def imported(bench: Bench, peer: Peer) -> Sample:
    """Import what is staged; the staging is not measured."""
    image_id = _new(bench, peer)
    _send(bench, peer, f"/v2/images/{image_id}/stage")
    order = {"method": {"name": "glance-direct"}, "stores": ["file"]}
    return _begin(bench, peer, image_id, "import", order, done='"status": ?"active"')


def copied(bench: Bench, peer: Peer) -> Sample:
    """Copy an image to a second file store."""
    image_id = _new(bench, peer)
    _send(bench, peer, f"/v2/images/{image_id}/file")
    order = {"method": {"name": "copy-image"}, "stores": ["second"]}
    done = '"os_glance_importing_to_stores": ?"".*"stores": ?"file,second"'
    both = f"(?s)({done}|" + '"stores": ?"file,second".*"os_glance_importing_to_stores": ?"")'
    return _begin(bench, peer, image_id, "import", order, done=both)


def hashed(algorithms: tuple[str, ...] = DIGESTS) -> Work:
    """Calculate the digests of an image again; `openssl` does one after the other."""

    def work(bench: Bench, peer: Peer) -> Sample:
        if isinstance(peer, OpenSSL):
            return {"rate": min(_openssl(bench, name) for name in algorithms)}
        image_id = _new(bench, peer)
        _send(bench, peer, f"/v2/images/{image_id}/file")
        order = {"os_hash_algo": "sha512"}
        tasks = f"/v2/images/{image_id}/tasks"
        return _begin(
            bench, peer, image_id, "hash", order, done='"status": ?"success"', look_at=tasks
        )

    return work


def _openssl(bench: Bench, algorithm: str) -> float:
    began = time.perf_counter()
    subprocess.run(
        ["openssl", "dgst", f"-{algorithm}", str(bench.source)], stdout=subprocess.PIPE, check=True
    )
    return bench.source.stat().st_size / 1e6 / (time.perf_counter() - began)


def _new(bench: Bench, peer: Peer) -> str:
    image_id: str = bench.create(peer, 1)["ids"][0]
    return image_id


def _send(bench: Bench, peer: Peer, path: str) -> None:
    bench.client(peer, "upload", file=str(bench.source), paths=[path])
    os.sync()  # what is still to be written is not part of the work


def _begin(
    bench: Bench,
    peer: Peer,
    image_id: str,
    what: str,
    order: dict[str, Any],
    *,
    done: str,
    look_at: str = "",
) -> Sample:
    image = f"/v2/images/{image_id}"
    found, cpu = bench.costing(
        peer,
        "until",
        request=["POST", f"{image}/{what}", json.dumps(order)],
        look_at=look_at or image,
        done=done,
        failed=FAILED,
    )
    size = bench.source.stat().st_size
    bench.delete(peer, [image_id])
    return {
        "time": found["seconds"] * 1000,
        "rate": size / 1e6 / found["seconds"],
        "cpu": cpu * GIB / size,
        "client": found["cpu"] / found["seconds"],
    }
