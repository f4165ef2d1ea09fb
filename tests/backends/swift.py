"""A private Swift of one node: proxy, account, container and object server, memcached.

Who asks may show a token of Swift's own (tempauth), one of Keystone, or sign as for S3.
"""

import getpass
import json
import os
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.keystone import PASSWORD, SERVICE, Keystone, Person, peers
from tests.servers import HOST, Missing, Process, free_port, program

#: The user of Keystone whose data the store's is, and who may reach into all accounts.
STORE = Person("store", "storage")
#: Bytes that an object may have; data that is larger goes in segments.
LARGEST = 12 << 20

_CONSTRAINTS = """\
[swift-hash]
swift_hash_path_prefix = of
swift_hash_path_suffix = tests
[storage-policy:0]
name = one
default = yes
[swift-constraints]
max_file_size = {largest}
"""

_SERVER = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
swift_dir = {folder}/etc
devices = {folder}/disks
mount_check = false
disable_fallocate = true
workers = 0
user = {user}
log_level = WARNING
log_address = {folder}/no-socket
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
recon_cache_path = {folder}/cache
"""

_PROXY = """\
[DEFAULT]
bind_ip = {host}
bind_port = {port}
swift_dir = {folder}/etc
workers = 0
user = {user}
log_level = WARNING
log_address = {folder}/no-socket
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache bulk s3api {keystone} tempauth copy {quotas}
[app:proxy-server]
use = egg:swift#proxy
allow_account_management = true
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = {host}:{memcached}
[filter:bulk]
use = egg:swift#bulk
[filter:copy]
use = egg:swift#copy
[filter:container-quotas]
use = egg:swift#container_quotas
[filter:account-quotas]
use = egg:swift#account_quotas
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:s3api]
use = egg:swift#s3api
allow_no_owner = true
[filter:tempauth]
use = egg:swift#tempauth
reseller_prefix = TA
user_{account}_{user_name} = {key} .admin .reseller_admin
"""

_KEYSTONE = """\
[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
www_authenticate_uri = {url}
auth_url = {url}
auth_type = password
username = {user}
password = {password}
project_name = {project}
user_domain_id = default
project_domain_id = default
delay_auth_decision = true
[filter:keystoneauth]
use = egg:swift#keystoneauth
operator_roles = admin, member
reseller_admin_role = admin
"""


@dataclass(frozen=True)
class Login:
    """How a user shows up: at `auth_url` (v1), and with the same words for S3."""

    url: str
    account: str = "images"
    user: str = "calotype"
    key: str = field(default="key-of-calotype", repr=False)

    @property
    def auth_url(self) -> str:
        """Where a token is given."""
        return f"{self.url}/auth/v1.0"

    @property
    def name(self) -> str:
        """The user with the account; it is the access key of S3, too."""
        return f"{self.account}:{self.user}"


class Swift:
    """A Swift of ours, not yet started, in a folder that `remove` takes away."""

    def __init__(self, keystone: Keystone | None = None, *, largest: int = LARGEST) -> None:
        """`keystone`: whose tokens are good, too. `largest`: bytes that one object may have."""
        self.bin = peers() / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="calotype-swift-"))
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.login = Login(self.url)
        self.keystone = keystone
        self._largest = largest
        self._processes: list[Process] = []

    # -- for tests -------------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str = "",
        headers: dict[str, str] | None = None,
        *,
        account: str | None = None,
    ) -> tuple[dict[str, str], bytes]:
        """What Swift answers, headers in lower case and body, as the owner of all accounts.

        `path`: within the account, e.g. `/container/object`; `account`: another one than ours, as
        AUTH_<project id>. Raises urllib's HTTPError.
        """
        where = f"{self.url}/v1/{account or 'TA_' + self.login.account}{path}"
        token = {"X-Auth-Token": self._token()}
        asked = urllib.request.Request(where, method=method, headers=token | (headers or {}))
        with urllib.request.urlopen(asked, timeout=30) as answer:
            found = {name.lower(): value for name, value in answer.headers.items()}
            return found, answer.read()

    def names(self, container: str, *, account: str | None = None) -> list[str]:
        """The names of all objects in a container; empty when there is no such container."""
        try:
            _, body = self.ask("GET", f"/{container}?format=json", account=account)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 404:
                return []
            raise
        return [item["name"] for item in json.loads(body or b"[]")]

    def containers(self, *, account: str | None = None) -> list[str]:
        """The names of all containers of an account."""
        _, body = self.ask("GET", "?format=json", account=account)
        return [item["name"] for item in json.loads(body or b"[]")]

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Make the rings and the disk, start the servers. Raises Missing."""
        if not (self.bin / "swift-proxy-server").exists():
            raise Missing(f"{self.bin.parent} does not hold Swift: make test builds it")
        memcached = program("memcached", "/usr/bin", brought_by="memcached")
        for name in ("etc", "disks/one", "cache", "log"):
            (self.folder / name).mkdir(parents=True)
        self._need_attributes()
        ports = {kind: free_port() for kind in ("account", "container", "object", "memcached")}
        self._configure(ports)
        user = ("-u", "root") if os.geteuid() == 0 else ()
        self._run("memcached", memcached, "-l", HOST, "-p", str(ports["memcached"]), "-U", "0",
                  *user)  # fmt: skip
        for kind in ("account", "container", "object"):
            self._server(kind).wait_port(ports[kind])
        self._server("proxy").wait_url(f"{self.url}/healthcheck")
        return self

    def remove(self) -> None:
        """Stop the servers at once and remove their files."""
        while self._processes:
            self._processes.pop().kill()
        shutil.rmtree(self.folder)

    # -- how -------------------------------------------------------------------------------------

    def _need_attributes(self) -> None:
        """Raise Missing where files can have no attributes, in which Swift keeps what it knows."""
        try:
            os.setxattr(self.folder / "disks" / "one", "user.test", b"x" * 2000)
        except OSError as error:
            raise Missing(f"{self.folder} has no extended attributes: {error}") from error

    def _configure(self, ports: dict[str, int]) -> None:
        etc = self.folder / "etc"
        values: dict[str, Any] = {"host": HOST, "folder": self.folder, "user": getpass.getuser()}
        (etc / "swift.conf").write_text(_CONSTRAINTS.format(largest=self._largest))
        for kind in ("account", "container", "object"):
            text = _SERVER.format(kind=kind, port=ports[kind], **values)
            (etc / f"{kind}-server.conf").write_text(text)
            self._ring(kind, ports[kind])
        proxy = _PROXY.format(
            port=self.port, memcached=ports["memcached"],
            quotas="container-quotas account-quotas slo dlo proxy-server",
            keystone="authtoken keystoneauth" if self.keystone else "",
            account=self.login.account, user_name=self.login.user, key=self.login.key, **values,
        )  # fmt: skip
        if self.keystone:
            proxy += _KEYSTONE.format(
                url=self.keystone.url, user=SERVICE.name, project=SERVICE.project,
                password=PASSWORD,
            )  # fmt: skip
        (etc / "proxy-server.conf").write_text(proxy)

    def _ring(self, kind: str, port: int) -> None:
        builder = str(self.folder / "etc" / f"{kind}.builder")
        for words in (
            ("create", "4", "1", "1"),
            ("add", f"r1z1-{HOST}:{port}/one", "1"),
            ("rebalance",),
        ):
            command = [str(self.bin / "swift-ring-builder"), builder, *words]
            made = subprocess.run(command, capture_output=True, text=True, check=False)
            # It ends with 1 to say that it warns of something.
            if made.returncode not in (0, 1):
                raise RuntimeError(made.stdout + made.stderr)

    def _server(self, kind: str) -> Process:
        config = self.folder / "etc" / f"{kind}-server.conf"
        return self._run(kind, self.bin / f"swift-{kind}-server", config)

    def _run(self, name: str, *command: str | Path) -> Process:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        process = Process(command, self.folder / "log" / name, env=clean)
        self._processes.append(process.start())
        return process

    def _token(self) -> str:
        login = {"X-Auth-User": self.login.name, "X-Auth-Key": self.login.key}
        asked = urllib.request.Request(self.login.auth_url, headers=login)
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return str(answer.headers["X-Auth-Token"])
