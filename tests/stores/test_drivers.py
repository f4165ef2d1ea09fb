"""A driver and its library are loaded where they are configured, and only there."""

import importlib.util
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype.stores import drivers
from tests.servers import HOST
from tests.service import Service, environment

#: Type -> modules of its libraries, and what brings them.
LIBRARIES = {
    "rbd": (("rados", "rbd"), "python3-rbd"),
    "s3": (("boto3", "botocore"), "pip install 'calotype[s3]'"),
    "swift": (("swiftclient",), "pip install 'calotype[swift]'"),
    "cinder": (("cinderclient", "os_brick"), "pip install 'calotype[cinder]'"),
}
HAVE_DRIVERS = [kind for kind in LIBRARIES if importlib.util.find_spec(f"calotype.stores.{kind}")]
each_kind = pytest.mark.parametrize("kind", HAVE_DRIVERS)

#: Options with which a store asks a server at a port of this machine.
OPTIONS = {
    "rbd": "rbd_store_ceph_conf = {folder}/ceph.conf\n",
    "s3": "s3_store_host = http://{host}:{port}\ns3_store_access_key = key\n"
    "s3_store_secret_key = secret\ns3_store_bucket = images\n",
    "swift": "swift_store_auth_address = http://{host}:{port}/v3\n"
    "swift_store_user = service:image\nswift_store_key = secret\n",
    "cinder": "cinder_store_auth_address = http://{host}:{port}/v3\n"
    "cinder_store_user_name = image\ncinder_store_password = secret\n"
    "cinder_store_project_name = service\n",
}
#: Keeps modules from being found, as if they were not installed.
BLOCKER = """\
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
#: Which of the modules are loaded once the parts are made.
LOADED = """\
import json, sys
from calotype.parts import assemble
from calotype.settings.load import load
assemble(load([sys.argv[1]]))
print(json.dumps(sorted(set(sys.argv[2:]) & set(sys.modules))))
"""


def configured(
    folder: Path, *kinds: str, port: int = 1, arguments: tuple[str, ...] = ()
) -> Service:
    """A service with a store of files, which is the default, and one of each of these types."""
    folder.mkdir(exist_ok=True)
    (folder / "ceph.conf").write_text(
        f"[global]\nmon_host = {HOST}:{port}\nauth_supported = none\n"
    )
    sections = "".join(
        f"[my-{kind}]\n{OPTIONS[kind].format(folder=folder, host=HOST, port=port)}"
        for kind in kinds
    )
    named = ", ".join(["files:file", *(f"my-{kind}:{kind}" for kind in kinds)])
    return Service(
        folder,
        default=f"enabled_backends = {named}",
        extra=f"default_backend = files\n[files]\nfilesystem_store_datadir = {folder}/files\n"
        + sections,
        arguments=arguments,
    )


def test_all_types_are_tried() -> None:
    assert {"file", *LIBRARIES} == set(drivers.MAKERS)


@pytest.mark.parametrize("kinds", [(), *((kind,) for kind in HAVE_DRIVERS)], ids="".join)
def test_only_what_is_configured_is_loaded(tmp_path: Path, kinds: tuple[str, ...]) -> None:
    service = configured(tmp_path, *kinds)
    modules = {name: kind for kind, (names, _) in LIBRARIES.items() for name in names}
    ours = {f"calotype.stores.{kind}": kind for kind in LIBRARIES}
    output = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", LOADED, service.config, *modules, *ours],
        env=environment(),
        text=True,
    )
    loaded = {{**modules, **ours}[name] for name in json.loads(output)}
    assert loaded == set(kinds)


@each_kind
def test_a_library_that_is_missing_stops_the_start(tmp_path: Path, kind: str) -> None:
    names, brought_by = LIBRARIES[kind]
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(BLOCKER.format(names=set(names)))
    service = configured(tmp_path, kind)
    found = environment()
    found["PYTHONPATH"] = f"{tmp_path / 'site'}:{found['PYTHONPATH']}"
    done = subprocess.run(
        service.command("serve"), env=found, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"ERROR: The store my-{kind} needs "), done.stderr
    assert brought_by in said and "Traceback" not in done.stderr


@each_kind
def test_wrong_options_stop_the_start(tmp_path: Path, kind: str) -> None:
    service = configured(tmp_path, kind)
    wrong = {
        "rbd": "rbd_store_chunk_size = 7",
        "s3": "s3_store_bucket =",
        "swift": "swift_store_auth_address =",
        "cinder": "cinder_store_auth_address =",
    }[kind]
    text = service.config.read_text()
    name = wrong.partition(" ")[0]
    kept = [line for line in text.splitlines() if not line.startswith(name)]
    service.config.write_text("\n".join(kept) + f"\n{wrong}\n")
    done = service.run("serve")
    assert done.returncode == 1, done.stderr
    said = done.stderr.splitlines()[-1]
    assert said.startswith("ERROR: ") and name in said and "Traceback" not in done.stderr
    assert "secret" not in done.stderr


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that accepts connections and says nothing."""
    with socket.create_server((HOST, 0), backlog=64) as listener:
        yield listener.getsockname()[1]


def test_silent_backends_hold_up_neither_the_start_nor_the_end(tmp_path: Path, silent: int) -> None:
    """The start waits for all together; at the end the worker is busy with looking into them."""
    with configured(tmp_path, *HAVE_DRIVERS, port=silent, arguments=("--workers", "1")) as service:
        service.process.wait_until(lambda: "Worker process" in service.process.output())
        said = service.process.output()
        for kind in HAVE_DRIVERS:
            assert said.count(f"Store my-{kind} is not usable: ") == 1, said
        assert "Store files" not in said and "Traceback" not in said and "secret" not in said
        begun = time.monotonic()
        assert service.process.stop(seconds=60) == 0
        assert time.monotonic() - begun < 40
