"""A private real Keystone with people in it, for tests that need true tokens.

It runs from the environment of the peers (`make test` builds it), with SQLite, in a folder and on a
port of its own.
"""

import os
import shutil
import subprocess
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tests.servers import HOST, Missing, Process, fast_folder, free_port

#: Names the environment of the peers, where it is not the one that `make` builds.
PEERS = "CALOTYPE_PEERS"

PASSWORD = "a password for everybody"
REGION = "Here"

CONFIG = """\
[token]
expiration = {lifetime}
[database]
connection = sqlite:///{database}
[fernet_tokens]
key_repository = {folder}/keys
[fernet_receipts]
key_repository = {folder}/keys
[identity]
# The lowest cost of bcrypt: a token takes milliseconds.
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
"""

# A file, since Keystone reads the command line of the server as its own.
SERVER = """\
wsgi_app = "keystone.wsgi.api:application"
bind = "{host}:{port}"
worker_class = "gthread"
threads = 1  # with SQLite, a second one now and then finds the database locked
control_socket_disable = True
"""


@dataclass(frozen=True)
class Person:
    """A user of the cloud. `project` is the name of the project the user works in."""

    name: str
    project: str


#: May do everything; also on the system and in the domain.
ADMIN = Person("admin", "admin")
#: May make images in blue, and so may a second one, who is there to share the project.
MEMBER = Person("mary", "blue")
#: May only read in blue.
READER = Person("rita", "blue")
#: May make images, in another project.
OTHER = Person("otto", "red")
#: The image service's own user.
SERVICE = Person("image", "service")

#: A database with all tables and no rows, once there has been one: half of a start is making it.
_EMPTY: list[bytes] = []

_ROLES = {MEMBER: "member", READER: "reader", OTHER: "member", SERVICE: "service"}


def peers() -> Path:
    """The folder of the peers' environment. Raises Missing."""
    folder = Path(os.environ.get(PEERS) or Path(__file__).parents[1] / ".peers").absolute()
    if not (folder / "bin" / "keystone-manage").exists():
        raise Missing(f"{folder} does not hold Keystone and the clients: make test builds it")
    return folder


class Keystone:
    """One Keystone: started empty, then peopled. Raises Missing without the peers."""

    def __init__(self, folder: Path) -> None:
        self._bin = peers() / "bin"
        self.folder = folder
        # Each of the many steps that make the tables waits for a disk.
        memory = tempfile.mkdtemp(prefix="keystone-", dir=fast_folder())
        weakref.finalize(self, shutil.rmtree, memory)
        self._database = Path(memory) / "keystone.db"
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}/v3"
        #: Ids of projects by name.
        self.projects: dict[str, str] = {}
        self._process = self._server(folder / "server", self.port, lifetime=3600)

    def start(self) -> Self:
        """Make the database and the keys, start serving, add people and projects."""
        owner = ("--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
        keys = self._manage("fernet_setup", *owner)
        if _EMPTY:
            self._database.write_bytes(_EMPTY[0])
        else:
            _end_well(self._manage("db_sync"))
            _EMPTY.append(self._database.read_bytes())
        _end_well(keys)
        _end_well(
            self._manage(
                *("bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", REGION),
                *("--bootstrap-public-url", self.url, "--bootstrap-internal-url", self.url),
            )
        )
        self.resume()
        self._people()
        return self

    def stop(self) -> None:
        """End the server."""
        self._process.stop()

    def resume(self) -> None:
        """Serve again after `stop`."""
        self._process.start().wait_url(self.url)

    def serve_images_at(self, url: str, region: str = REGION) -> None:
        """Put the image service of a region into the catalogue; once for each."""
        self.serve("image", f"calotype of {region}", url, region)

    def serve(self, kind: str, name: str, url: str, region: str = REGION) -> None:
        """Put a service of any type into the catalogue; once for each."""
        admin = self._api()
        if region != REGION:
            admin.post("/regions", json={"region": {"id": region}})
        # One service of a type, with endpoints in all regions: some clients look at the first only.
        found = admin.get("/services", params={"type": kind}).json()["services"]
        service = {"service": {"type": kind, "name": name}}
        made = found[0] if found else admin.post("/services", json=service).json()["service"]
        where = {"service_id": made["id"], "region_id": region, "url": url}
        for interface in ("public", "internal"):
            admin.post("/endpoints", json={"endpoint": {**where, "interface": interface}})

    def token(self, person: Person, **scope: Any) -> str:
        """A token of a person for the person's project, or for `scope` as keystoneauth calls it.

        For example `system_scope="all"`, or `domain_id="default"`.
        """
        found = _session(self.url, person, **scope).get_token()
        assert found is not None
        return found

    def expired_token(self, person: Person) -> str:
        """A token of a person for the person's project whose time is over."""
        port = free_port()
        server = self._server(self.folder / "server-of-expired-tokens", port, lifetime=0)
        url = f"http://{HOST}:{port}/v3"
        with server:
            server.wait_url(url)
            found = _session(url, person).get_token()
        assert found is not None
        return found

    def revoke(self, token: str) -> None:
        """Make a token invalid."""
        self._api().delete("/auth/tokens", headers={"X-Subject-Token": token})

    def application_credential(self, person: Person) -> tuple[str, str]:
        """The id and secret of a new application credential of a person."""
        session = _session(self.url, person)
        user = session.get_user_id()
        wanted = {"application_credential": {"name": f"of {person.name}"}}
        made = session.post(f"{self.url}/users/{user}/application_credentials", json=wanted)
        credential = made.json()["application_credential"]
        return credential["id"], credential["secret"]

    def environment(self, person: Person) -> dict[str, str]:
        """What a person has in the environment to work with the clients."""
        return {
            "OS_AUTH_TYPE": "password",
            "OS_AUTH_URL": self.url,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": REGION,
            "OS_USERNAME": person.name,
            "OS_PASSWORD": PASSWORD,
            "OS_PROJECT_NAME": person.project,
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
        }

    def sections(self, more: str = "") -> str:
        """What goes into glance-api.conf for this Keystone; `more` ends [keystone_authtoken]."""
        return f"""\
[paste_deploy]
flavor = keystone
[keystone_authtoken]
www_authenticate_uri = {self.url}
auth_url = {self.url}
auth_type = password
username = {SERVICE.name}
password = {PASSWORD}
project_name = {SERVICE.project}
user_domain_id = default
project_domain_id = default
{more}
"""

    def _server(self, home: Path, port: int, *, lifetime: int) -> Process:
        """A server of this Keystone that issues tokens of `lifetime` seconds."""
        home.mkdir(parents=True, exist_ok=True)
        (home / "keystone.conf").write_text(self._config(lifetime))
        (home / "gunicorn.conf.py").write_text(SERVER.format(host=HOST, port=port))
        environment = _clean() | {
            "OS_KEYSTONE_CONFIG_DIR": str(home),
            "OS_KEYSTONE_CONFIG_FILES": str(home / "keystone.conf"),
        }
        return Process([self._bin / "gunicorn"], home / "log", env=environment, cwd=home)

    def _config(self, lifetime: int) -> str:
        return CONFIG.format(folder=self.folder, database=self._database, lifetime=lifetime)

    def _manage(self, *arguments: str) -> subprocess.Popen[str]:
        config = self.folder / "server" / "keystone.conf"
        return subprocess.Popen(
            [self._bin / "keystone-manage", "--config-file", config, *arguments],
            env=_clean(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _api(self) -> Adapter:
        return Adapter(_session(self.url, ADMIN), endpoint_override=self.url)

    def add(self, people: Mapping[Person, str]) -> None:
        """Add people with a role each, and the projects that they need."""
        admin, roles = self._api(), self._roles()
        for project in sorted({person.project for person in people} - self.projects.keys()):
            made = admin.post("/projects", json={"project": {"name": project}}).json()
            self.projects[project] = made["project"]["id"]
        for person, role in people.items():
            user = {"name": person.name, "password": PASSWORD}
            id_ = admin.post("/users", json={"user": user}).json()["user"]["id"]
            admin.put(f"/projects/{self.projects[person.project]}/users/{id_}/roles/{roles[role]}")

    def _people(self) -> None:
        self.add(_ROLES)
        admin, roles = self._api(), self._roles()
        id_ = admin.get("/users", params={"name": ADMIN.name}).json()["users"][0]["id"]
        admin.put(f"/domains/default/users/{id_}/roles/{roles['admin']}")

    def _roles(self) -> dict[str, str]:
        return {role["name"]: role["id"] for role in self._api().get("/roles").json()["roles"]}


def _session(url: str, person: Person, **scope: Any) -> Session:
    chosen = scope or {"project_name": person.project, "project_domain_id": "default"}
    who: dict[str, Any] = {"username": person.name, "user_domain_id": "default", **chosen}
    return Session(v3.Password(auth_url=url, password=PASSWORD, **who))


def _clean() -> dict[str, str]:
    """Our environment without any cloud in it."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    return {**clean, "PYTHONWARNINGS": "ignore"}


def _end_well(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output[-4000:]
