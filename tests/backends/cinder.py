"""A private Cinder: its API, scheduler and volume service, with volumes in a Ceph of ours.

It runs from the environment of the peers, with a Keystone, a MariaDB and a RabbitMQ of its own.

os-brick, which attaches volumes here and in the service, reads the key of a volume's cluster from
`/etc/ceph/<cluster>.client.<user>.keyring` and from nowhere else. So the cluster has a name that no
other has, and the one file that `start` adds to that folder is removed with the rest.
"""

import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from cinderclient import client as cinder_client
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tests.backends.ceph import Ceph
from tests.backends.cinder_share import Share
from tests.backends.rabbitmq import RabbitMQ
from tests.database_servers import MariaDB
from tests.keystone import ADMIN, PASSWORD, REGION, SERVICE, Keystone, Person, peers
from tests.servers import HOST, Missing, Process, free_port, program

#: Whose project the volumes of images belong to, and one whose project may hold but 2 GiB.
IMAGES = Person("ines", "images")
TIGHT = Person("tina", "tight")
TIGHT_GIB = 2

#: Types whose volumes may be attached more than once, that are files, that no backend can make.
MULTIATTACH, FILES, NOWHERE = "multiattach", "files", "nowhere"
_TYPES = {
    FILES: {"volume_backend_name": "nfs"},
    "plain": {"volume_backend_name": "rbd"},
    MULTIATTACH: {"volume_backend_name": "rbd", "multiattach": "<is> True"},
    NOWHERE: {"volume_backend_name": "nowhere"},
}

_KEYRINGS = Path("/etc/ceph")

_CONFIG = """\
[DEFAULT]
use_stderr = true
auth_strategy = keystone
host = tests
my_ip = {host}
transport_url = {broker}
rootwrap_config = {folder}/etc/rootwrap.conf
api_paste_config = {folder}/etc/api-paste.ini
resource_query_filters_file = {folder}/etc/resource_filters.json
state_path = {folder}/state
enabled_backends = {backends}
default_volume_type = plain
report_interval = 1
service_down_time = 60
[database]
connection = {database}
[oslo_concurrency]
lock_path = {folder}/lock
[coordination]
backend_url = file://{folder}/state
[rbd]
volume_backend_name = rbd
volume_driver = cinder.volume.drivers.rbd.RBDDriver
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = {ceph}
rbd_cluster_name = {cluster}
rbd_flatten_volume_from_snapshot = false
{share}
[keystone_authtoken]
www_authenticate_uri = {keystone}
auth_url = {keystone}
auth_type = password
username = {user.name}
password = {password}
project_name = {user.project}
user_domain_id = default
project_domain_id = default
[oslo_policy]
enforce_scope = false
"""

_API = """\
import sys

wsgi_app = "cinder.wsgi.api:application"
bind = "{host}:{port}"
worker_class = "gthread"
threads = 4
control_socket_disable = True
sys.argv = ["cinder-api", "--config-file", "{config}"]
"""


class Cinder:
    """A Cinder of ours, not yet started, in a folder that `remove` takes away."""

    def __init__(self, ceph: Ceph) -> None:
        """`ceph` is running and stays the caller's."""
        self.ceph = ceph
        self.folder = Path(tempfile.mkdtemp(prefix="calotype-cinder-"))
        self.cluster = self.folder.name
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/v3"
        self.log = self.folder / "log"
        self._bin = peers() / "bin"
        self._config = self.folder / "etc" / "cinder.conf"
        self._keyring = _KEYRINGS / f"{self.cluster}.client.cinder.keyring"
        self._database = MariaDB()
        self._broker = RabbitMQ()
        self._share = Share(self.folder / "share")
        #: Whether there are volumes of the type FILES.
        self.has_files = False
        self.keystone = Keystone(self.folder / "keystone")
        self._processes: dict[str, Process] = {}

    # -- for tests -------------------------------------------------------------------------------

    def client(self, person: Person = IMAGES) -> Any:
        """What a person has to ask Cinder with."""
        login = v3.Password(
            auth_url=self.keystone.url,
            username=person.name,
            password=PASSWORD,
            user_domain_id="default",
            project_name=person.project,
            project_domain_id="default",
        )
        return cinder_client.Client("3.60", session=Session(login), region_name=REGION)

    def options(self, person: Person = IMAGES, **more: Any) -> dict[str, Any]:
        """The options of a store whose volumes are a person's; `more` options come on top."""
        return {
            "cinder_store_auth_address": self.keystone.url,
            "cinder_store_user_name": person.name,
            "cinder_store_password": PASSWORD,
            "cinder_store_project_name": person.project,
            "cinder_mount_point_base": str(self.folder / "mnt"),
            **more,
        }

    def stop_api(self) -> None:
        """Stop answering."""
        self._processes["api"].stop()

    def resume_api(self) -> None:
        """Answer again after `stop_api`."""
        self._processes["api"].start().wait_url(self.url)

    def stop_volumes(self) -> None:
        """Stop the service that makes and attaches volumes; the API goes on."""
        self._processes["volume"].stop()

    def resume_volumes(self) -> None:
        """Make and attach volumes again after `stop_volumes`."""
        self._processes["volume"].start()
        self._await_services()

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start everything and return when volumes can be made. Raises Missing."""
        self._write_files()
        self.has_files = self._share.start(self.folder / "mnt" / "nfs")
        self._write_config()
        with ThreadPoolExecutor(3) as threads:
            started = [
                threads.submit(start)
                for start in (self._start_database, self._broker.start, self._start_keystone)
            ]
        for one in started:
            one.result()
        self._start("scheduler", self._bin / "cinder-scheduler", "--config-file", self._config)
        self._start("volume", self._bin / "cinder-volume", "--config-file", self._config)
        self._start("api", self._bin / "gunicorn", "--config", self.folder / "etc" / "api.py")
        self._processes["api"].wait_url(self.url, 90)
        self._await_services()
        self._people()
        return self

    def remove(self) -> None:
        """Stop the servers at once and remove their files."""
        for process in self._processes.values():
            process.kill()
        self._broker.remove()
        self.keystone.stop()
        self._database.remove()
        self._share.remove()
        self._keyring.unlink(missing_ok=True)
        shutil.rmtree(self.folder)

    # -- how -------------------------------------------------------------------------------------

    def _write_files(self) -> None:
        if not os.access(_KEYRINGS, os.W_OK):
            raise Missing(f"{_KEYRINGS} is not there for us to put a key in: only root can")
        templates = self._bin.parent / "etc" / "cinder"
        if not templates.exists():
            raise Missing(f"{templates} is not there: make test builds the peers, with Cinder")
        shutil.copytree(templates, self.folder / "etc")
        for name in ("log", "lock", "state", "mnt", "libraries", "bin"):
            (self.folder / name).mkdir()
        self._write_programs()
        self._link_libraries()
        shutil.copy(self.ceph.keyring("cinder"), self._keyring)

    def _write_programs(self) -> None:
        monitors = self.folder / "monitors.json"
        monitors.write_text(self.ceph.ceph("mon", "dump", "--format=json"))
        ceph = program("ceph", brought_by="ceph-common")
        scripts = {
            # Everything runs as one user, who may have to be root; and the share is mounted.
            "sudo": 'exec "$@"',
            "mount.nfs": "exit 1",
            # Cinder asks for the monitors each time it attaches a volume, and the answer, always
            # the same here, takes more time than all the rest.
            "ceph": f'case "$*" in mon\\ dump\\ *) cat {monitors};; *) exec {ceph} "$@";; esac',
        }
        for name, script in scripts.items():
            path = self.folder / "bin" / name
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def _write_config(self) -> None:
        self._config.write_text(
            _CONFIG.format(
                host=HOST, broker=self._broker.url, folder=self.folder,
                backends="rbd,nfs" if self.has_files else "rbd",
                share=self._share.section() if self.has_files else "",
                database="{database}", ceph=self.ceph.config, cluster=self.cluster,
                keystone=self.keystone.url, user=SERVICE, password=PASSWORD,
            )
        )  # fmt: skip
        (self.folder / "etc" / "api.py").write_text(
            _API.format(host=HOST, port=self.port, config=self._config)
        )
        wrapper = self.folder / "etc" / "rootwrap.conf"
        text = wrapper.read_text().replace("/etc/cinder/rootwrap.d", f"{wrapper.parent}/rootwrap.d")
        ours = f"{self.folder}/bin,{self._bin}"
        wrapper.write_text(text.replace("exec_dirs=", f"exec_dirs={ours},"))

    def _link_libraries(self) -> None:
        """Let the peers see the distribution's rados and rbd, and no more of its packages."""
        for name in ("rados", "rbd"):
            found = sorted(Path("/usr/lib/python3/dist-packages").glob(f"{name}.cpython-*.so"))
            if not found:
                raise Missing(f"no {name} for Python: apt-get install python3-rbd")
            for library in found:
                (self.folder / "libraries" / library.name).symlink_to(library)

    def _start_database(self) -> None:
        self._database.start()
        url = self._database.url(self._database.create())
        self._config.write_text(self._config.read_text().replace("{database}", url))
        manage = str(self._bin / "cinder-manage")
        command = [manage, "--config-file", str(self._config), "db", "sync"]
        done = subprocess.run(
            command, env=self._environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]

    def _start_keystone(self) -> None:
        self.keystone.start()
        for kind in ("volumev3", "block-storage"):
            self.keystone.serve(kind, f"cinder as {kind}", f"{self.url}/%(project_id)s")
        self.keystone.add({IMAGES: "member", TIGHT: "member"})

    def _start(self, name: str, *command: str | Path) -> None:
        log = self.log / f"{name}.log"
        process = Process(list(command), log, env=self._environment(), cwd=self.folder)
        self._processes[name] = process.start()

    def _await_services(self) -> None:
        services = self.client(ADMIN).services

        def up() -> bool:
            states = {service.host: service.state for service in services.list()}
            hosts = ["tests", "tests@rbd", *(["tests@nfs"] if self.has_files else [])]
            return [states.get(host) for host in hosts] == ["up"] * len(hosts)

        self._processes["volume"].wait_until(up, 90)

    def _people(self) -> None:
        admin = self.client(ADMIN)
        for name, keys in _TYPES.items():
            admin.volume_types.create(name).set_keys(keys)
        many = {"gigabytes": -1, "volumes": -1}
        admin.quotas.update(self.keystone.projects[IMAGES.project], **many)
        admin.quotas.update(self.keystone.projects[TIGHT.project], gigabytes=TIGHT_GIB)

    def _environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        path = f"{self.folder}/bin:{self._bin}:{clean.get('PATH', '')}:/usr/sbin:/sbin"
        libraries = str(self.folder / "libraries")
        return {**clean, "PATH": path, "PYTHONPATH": libraries, "PYTHONWARNINGS": "ignore"}
