"""A site with three file stores whose tasks are run when the test says so."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from calotype.db.engine import Database
from calotype.jobs import make_runner
from tests.api.cases import ADMIN, MEMBER, OCTETS, Answer, Client
from tests.api.many_stores import WEIGHTS, ManyStores, many_stores
from tests.stores.conftest import small_folder

__all__ = ["small_folder"]

FORMATS = {"disk_format": "raw", "container_format": "bare"}


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a test is marked `on_each_engine`."""
    return str(getattr(request, "param", "sqlite"))


@dataclass
class Importing:
    """What the tests of imports do to a site."""

    site: ManyStores

    @property
    def client(self) -> Client:
        """A member of the project that owns the images."""
        return self.site.of(MEMBER)

    @property
    def admin(self) -> Client:
        return self.site.of(ADMIN)

    def staged(self, data: bytes = b"data", **fields: Any) -> str:
        """A new image whose data is staged; its id."""
        image_id = self.client.create(**{**FORMATS, **fields})
        url = f"/v2/images/{image_id}/stage"
        self.client.ask("PUT", url, data, {"Content-Type": OCTETS}).gave(204)
        return image_id

    def ask(
        self,
        image_id: str,
        method: str | dict[str, Any] = "glance-direct",
        client: Client | None = None,
        headers: dict[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """Ask for an import."""
        named = {"name": method} if isinstance(method, str) else method
        url = f"/v2/images/{image_id}/import"
        return (client or self.client).ask("POST", url, {"method": named, **body}, headers)

    def work(self) -> None:
        """Do all tasks that wait."""
        make_runner(self.site.parts).run_waiting()

    def tasks(self, image_id: str) -> list[dict[str, Any]]:
        """The tasks of an image, the newest first."""
        answer = self.admin.get(f"/v2/images/{image_id}/tasks").gave(200)
        found: list[dict[str, Any]] = answer.json["tasks"]
        return found

    def task(self, image_id: str) -> tuple[str, str]:
        """How the only task of an image stands, and what it says."""
        (task,) = self.tasks(image_id)
        return task["status"], task["message"]

    def held(self) -> dict[str, list[str]]:
        """What lies in each store, and in the staging folder, by name."""
        folders = [*WEIGHTS, "staging"]
        found = {name: self.site.folder / name for name in folders}
        return {
            name: sorted(path.name for path in folder.iterdir())
            for name, folder in found.items()
            if folder.is_dir() and any(folder.iterdir())
        }


@pytest.fixture
def importing(database: Database, tmp_path: Path) -> Iterator[Importing]:
    site = many_stores(database, tmp_path)
    yield Importing(site)
    site.parts.database.close()
