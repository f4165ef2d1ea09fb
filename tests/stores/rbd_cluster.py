"""Stores in a real Ceph, and looking into it by other means than the driver."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calotype.stores.rbd_settings import RbdSettings
from tests.backends.ceph import Ceph

if TYPE_CHECKING:
    from calotype.stores.rbd import RbdStore

#: What an image consists of; the rest of a pool belongs to none.
_PARTS = ("rbd_id.", "rbd_header.", "rbd_data.", "rbd_object_map.")


def settings(ceph: Ceph, **changes: Any) -> RbdSettings:
    """The settings of a store in the pool images."""
    return replace(RbdSettings(user="glance", ceph_conf=str(ceph.config)), **changes)


def store_in(ceph: Ceph, **changes: Any) -> "RbdStore":
    """A store in the pool images. Loads Ceph's library, which may be missing."""
    from calotype.stores.rbd import RbdStore

    return RbdStore(settings(ceph, **changes))


def objects(ceph: Ceph, pool: str) -> set[str]:
    """The names of all objects of which the images of a pool consist."""
    return {name for name in ceph.rados("-p", pool, "ls").split("\n") if name.startswith(_PARTS)}


def data_objects(ceph: Ceph, image: str) -> list[int]:
    """The numbers of those objects of an image, e.g. images/NAME, that hold data."""
    prefix = info(ceph, image)["block_name_prefix"] + "."
    names = objects(ceph, image.partition("/")[0])
    return sorted(int(name[len(prefix) :], 16) for name in names if name.startswith(prefix))


def info(ceph: Ceph, image: str) -> dict[str, Any]:
    """What `rbd info` says."""
    said: dict[str, Any] = json.loads(ceph.rbd("info", "--format", "json", image))
    return said


def snapshots(ceph: Ceph, image: str) -> dict[str, bool]:
    """The snapshots of an image, and whether each is protected."""
    said = json.loads(ceph.rbd("snap", "ls", "--format", "json", image))
    return {found["name"]: found["protected"] == "true" for found in said}


def exported(ceph: Ceph, image: str, to: Path) -> bytes:
    """The data of an image as Ceph's own tool gives it."""
    to.unlink(missing_ok=True)
    ceph.rbd("export", image, to)
    return to.read_bytes()


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Run Python with this source in a process of its own."""
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={"PYTHONPATH": f"{root / 'src'}:{root}", "PATH": "/usr/bin:/bin"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
