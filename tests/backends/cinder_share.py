"""A share of NFS for Cinder, without NFS: a folder that is mounted already where it is looked for.

Cinder and os-brick mount a share at a path that its address tells, unless something is mounted
there. So a bind mount of a folder does, and neither a server nor a kernel with NFS is needed: what
is tested is how volumes are used that are files.
"""

import hashlib
import os
import subprocess
from pathlib import Path

from tests.servers import HOST

_SECTION = """\
[nfs]
volume_backend_name = nfs
volume_driver = cinder.volume.drivers.nfs.NfsDriver
nfs_shares_config = {shares}
nfs_mount_point_base = {mounts}
nas_secure_file_operations = false
nas_secure_file_permissions = false
nfs_sparsed_volumes = true
"""


class Share:
    """One folder, and the places where it is mounted until `remove`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.export = folder / "export"
        self.address = f"{HOST}:{self.export}"
        self._mounts: list[Path] = []

    def start(self, *bases: Path) -> bool:
        """Mount it below Cinder's folder and further ones; False where this is not permitted."""
        self.export.mkdir(parents=True)
        (self.folder / "shares").write_text(f"{self.address}\n")
        name = hashlib.md5(self.address.encode(), usedforsecurity=False).hexdigest()
        return os.geteuid() == 0 and all(
            self._mount(base / name) for base in (self.folder / "mounts", *bases)
        )

    def section(self) -> str:
        """What goes into cinder.conf."""
        return _SECTION.format(shares=self.folder / "shares", mounts=self.folder / "mounts")

    def remove(self) -> None:
        """Unmount it everywhere."""
        while self._mounts:
            subprocess.run(["umount", "--lazy", self._mounts.pop()], check=True)

    def _mount(self, place: Path) -> bool:
        place.mkdir(parents=True)
        command = ["mount", "--bind", str(self.export), str(place)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            self._mounts.append(place)
        return done.returncode == 0
