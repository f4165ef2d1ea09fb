"""Calotype and real Glance on the same stores, database and configuration file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.backends import kinds
from tests.backends.glance_beside import glance_beside
from tests.backends.kinds import KINDS, Backend
from tests.backends.scene import BIG, FILES, SMALL, STORE, TWIN, make_service, pieces
from tests.glance.conftest import glance
from tests.glance.test_taking_turns import ASKED, OCTETS, Turn
from tests.service import Service, environment
from tests.stores.sources import content
from tests.tasks.site import MIB, until
from tools.bench.peers import Peer

__all__ = ["glance"]

#: More than one step of those backends whose volumes grow in steps, when nobody says the size.
GROWN = content(9 * MIB + 1, shift=11)


class StoreTurn(Turn):
    """One of the two while it serves, with several stores."""

    def stored(self, name: str, data: bytes, store: str = STORE) -> dict[str, Any]:
        """The fields of a new image whose data was sent without its size."""
        body = {"name": name, "disk_format": "raw", "container_format": "bare"}
        body |= {"tags": ["ä"], "colour": "grün"}
        made = ASKED.post(self.url, json=body, timeout=60)
        assert made.status_code == 201, made.text
        image_id = made.json()["id"]
        put = ASKED.put(
            f"{self.url}/{image_id}/file",
            data=pieces(data),
            headers={**OCTETS, "x-image-meta-store": store},
            timeout=300,
        )
        assert put.status_code == 204, put.text
        return self.show(image_id)

    def copied(self, image_id: str, *stores: str) -> None:
        """Copy an image to further stores and wait until it is there."""
        body = {"method": {"name": "copy-image"}, "stores": [*stores]}
        asked = ASKED.post(f"{self.url}/{image_id}/import", json=body, timeout=60)
        assert asked.status_code == 202, asked.text
        until(lambda: set(stores) <= self.stores(image_id), "the copies")

    def stores(self, image_id: str) -> set[str]:
        return set(ASKED.get(f"{self.url}/{image_id}", timeout=60).json()["stores"].split(","))

    def part(self, image_id: str, first: int, last: int) -> bytes:
        """Some bytes of the data of an image."""
        headers = {"Range": f"bytes={first}-{last}"}
        answer = ASKED.get(f"{self.url}/{image_id}/file", headers=headers, timeout=60)
        assert answer.status_code == 206, answer.text
        return answer.content

    def serves(self, image: dict[str, Any], data: bytes) -> None:
        """Assert that an image that the other one has stored is here as it was there."""
        image_id = image["id"]
        assert self.show(image_id) == image
        assert image["size"] == len(data)
        assert self.data(image_id) == data

    def serves_parts(self, image: dict[str, Any], data: bytes) -> None:
        """Assert that parts of an image are served, which Glance can do for few stores."""
        for first, last in [(0, 0), (1000, MIB + 1000), (len(data) - 10, len(data) - 1)]:
            assert self.part(image["id"], first, last) == data[first : last + 1]


@pytest.fixture(scope="module", params=KINDS)
def backend(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """Each kind in turn."""
    return kinds.make(request.param, request, tmp_path_factory.mktemp(request.param))


@pytest.fixture
def service(glance: Path, mariadb: Any, backend: Backend, tmp_path: Path) -> Iterator[Service]:
    """A service with its tables, not started. There is no SQLite that Glance would wait for."""
    name = mariadb.create()
    service = make_service(tmp_path / "both", backend, database=mariadb.url(name))
    synced = service.run("db", "sync")
    assert synced.returncode == 0, synced.stderr
    yield service
    mariadb.drop(name)


def ours(service: Service) -> StoreTurn:
    peer = Peer("calotype", service.folder, environment=environment())
    peer.command = service.command("serve", "--port", str(peer.port), "--workers", "1")
    return StoreTurn(peer)


def test_each_serves_and_deletes_what_the_other_stored(service: Service, backend: Backend) -> None:
    real, before = StoreTurn(glance_beside(service)), backend.held()
    with real as glance, ours(service) as calotype:
        small, big = glance.stored("small", SMALL), glance.stored("big", BIG, TWIN)
        grown = glance.stored("grown", GROWN)
        for image, data in ((small, SMALL), (big, BIG), (grown, GROWN)):
            calotype.serves(image, data)
            calotype.serves_parts(image, data)
        calotype.copied(grown["id"], FILES, TWIN)
        for image in (small, big):
            calotype.delete(image["id"])
            assert not any(image["id"] in name for name in backend.held())

        unknown, declared = calotype.stored("unknown", BIG), calotype.store("declared", SMALL)
        calotype.copied(declared["id"], STORE, TWIN)
        for image in (grown, declared):
            image |= {"updated_at": calotype.show(image["id"])["updated_at"]}
        for image, data in ((grown, GROWN), (unknown, BIG), (declared, SMALL)):
            glance.serves(image, data)
            glance.delete(image["id"])
        assert backend.held() <= before
        assert glance.names() == calotype.names() == []
