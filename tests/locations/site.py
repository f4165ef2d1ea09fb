"""A real service with stores of files and of the web, for the tests of locations."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import bcrypt

from calotype.db.engine import connect
from tests.remote.data_server import DataServer, Manners
from tests.service import Service
from tests.tasks.site import Answer
from tests.tasks.site import Site as TaskSite

USERS = """
admin: {project: operations, roles: [admin]}
mary: {project: ours, roles: [member]}
rita: {project: ours, roles: [reader]}
otto: {project: theirs, roles: [member]}
nova: {project: service, roles: [service]}
"""
NAMES = ("admin", "mary", "rita", "otto", "nova")

OPTIONS = """\
[web]
store_description = The web
[fast]
filesystem_store_datadir = {folder}/fast
[import_filtering_opts]
allowed_hosts = [127.0.0.1]
allowed_ports = [{port}]
[paste_deploy]
flavor = http_basic
[oslo_middleware]
http_basic_auth_user_file = {folder}/htpasswd
"""


@dataclass(frozen=True)
class Site(TaskSite):
    """The service, and the server on the web whose data it may read."""

    web: DataServer | None = None

    def at(self, data: bytes | None, path: str = "") -> str:
        """The address of data that the server has from now on; of none when that is None."""
        assert self.web is not None
        path = path or f"/{len(self.web.files)}.img"
        if data is not None:
            self.web.files[path] = data
        return f"{self.web.url}{path}"

    def behaves(self, **manners: Any) -> Manners:
        """Let the server of the web behave in another way."""
        assert self.web is not None
        self.web.manners = Manners(**manners)
        return self.web.manners

    def add(self, image_id: str, url: str, digest: Mapping[str, str] | None = None) -> Answer:
        """POST …/locations."""
        body: dict[str, Any] = {"url": url}
        if digest:
            algorithm, value = next(iter(digest.items()))
            body["validation_data"] = {"os_hash_algo": algorithm, "os_hash_value": value}
        return self.ask("POST", f"/v2/images/{image_id}/locations", json=body)

    def added(self, image_id: str, url: str, digest: Mapping[str, str] | None = None) -> Any:
        """The task that adds a location, once it has ended."""
        before = {task["id"] for task in self.tasks(image_id)}
        self.add(image_id, url, digest).gave_nothing(202)
        return self.ended(image_id, self.task_besides(image_id, before))

    def task_besides(self, image_id: str, before: set[str]) -> str:
        """The id of the only task of an image that was not there before."""
        [task_id] = {task["id"] for task in self.tasks(image_id)} - before
        return str(task_id)

    def locations(self, image_id: str) -> list[dict[str, Any]]:
        """GET …/locations, as another service sees them."""
        answer = self.as_("nova").ask("GET", f"/v2/images/{image_id}/locations").gave(200)
        return list(answer.json)

    def as_(self, name: str) -> Self:
        return replace(self, name=name)


def make_service(folder: Path, web: DataServer, default: str = "", named: str = "") -> Service:
    """A service with people, not yet started. `named`: its stores, `fast` being the default."""
    folder.mkdir(parents=True, exist_ok=True)
    hashed = {name: bcrypt.hashpw(name.encode(), bcrypt.gensalt(4)).decode() for name in NAMES}
    (folder / "htpasswd").write_text("".join(f"{n}:{hashed[n]}\n" for n in NAMES))
    (folder / "users.yaml").write_text(USERS)
    stores = named or "fast:file, web:http"
    return Service(
        folder,
        default=(
            f"calotype_basic_auth_users = {folder}/users.yaml\nenabled_backends = {stores}\n"
            f"{default}\n"
        ),
        extra="default_backend = fast\n" + OPTIONS.format(folder=folder, port=web.port),
        arguments=("--workers", "1", "--no-worker"),
    )


@contextmanager
def serving(service: Service, web: DataServer) -> Iterator[Site]:
    """The service while the block runs, as a member sees it."""
    database = connect(service.database)
    with service:
        yield Site(service, database, "mary", web)
    database.close()


Make = Callable[..., Site]
