"""`make demo`: a real client pushes a real disk image in and gets the same bytes back.

Serves on a free port from a temporary folder and ends by itself; exit 0 when the digests agree.
"""

import argparse
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path


def main() -> int:
    """Run the demo; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--openstack", type=Path, required=True, help="the client's program")
    openstack = parser.parse_args().openstack.absolute()
    with tempfile.TemporaryDirectory(prefix="calotype-demo-") as name:
        folder = Path(name)
        port = free_port()
        server = start_server(folder, port)
        try:
            wait_until_up(port, server)
            return push_and_pull(openstack, folder, f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait()


def push_and_pull(openstack: Path, folder: Path, url: str) -> int:
    """Create, list, save, compare."""
    source, disk_format = make_disk(folder)
    copy = folder / "copy"
    print(f"\nA disk image of {source.stat().st_size:,} bytes ({disk_format}); its SHA-512 is")
    print(f"  {digest(source)}")
    create = ["image", "create", "demo", "--container-format", "bare"]
    run(openstack, url, *create, "--disk-format", disk_format, "--file", str(source))
    run(openstack, url, "image", "list", "--long", "-c", "Name", "-c", "Status", "-c", "Size")
    run(openstack, url, "image", "save", "demo", "--file", str(copy))
    print(f"\nWhat came back: {copy.stat().st_size:,} bytes; its SHA-512 is\n  {digest(copy)}")
    if digest(copy) != digest(source):
        print("\nFAILED: the bytes differ")
        return 1
    print("\nThe same bytes. It works.")
    return 0


def run(openstack: Path, url: str, *arguments: str) -> None:
    """Run one command of the client and show it."""
    print(f"\n$ openstack {' '.join(arguments)}", flush=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    identity = {
        "OS_AUTH_TYPE": "none",
        "OS_ENDPOINT": url,
        "OS_IMAGE_ENDPOINT_OVERRIDE": url,
        "OS_IMAGE_API_VERSION": "2",
    }
    subprocess.run([openstack, *arguments], check=True, env=clean | identity)


def make_disk(folder: Path) -> tuple[Path, str]:
    """A disk image with something on it, and its format: a qcow2 where qemu-img is installed."""
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        for number in range(32):  # a disk with some data and some emptiness
            file.seek(number * 8 << 20)
            file.write(os.urandom(1 << 20))
        file.truncate(256 << 20)
    qemu_img = shutil.which("qemu-img")
    if qemu_img is None:
        return raw, "raw"
    disk = folder / "disk.qcow2"
    subprocess.run([qemu_img, "convert", "-O", "qcow2", raw, disk], check=True)
    return disk, "qcow2"


def digest(path: Path) -> str:
    """The SHA-512 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha512").hexdigest()


def free_port() -> int:
    """A port nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_server(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """`calotype serve` below the folder."""
    command = [sys.executable, "-m", "calotype", "serve", "--quickstart", str(folder / "var"),
               "--port", str(port)]  # fmt: skip
    print(f"$ calotype serve --quickstart {folder}/var --port {port}", flush=True)
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def wait_until_up(port: int, server: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Return when the service answers. Raises SystemExit when it does not."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit("FAILED: calotype serve does not answer; its messages are above")


if __name__ == "__main__":
    sys.exit(main())
