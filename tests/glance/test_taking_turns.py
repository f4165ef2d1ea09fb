"""Calotype and real Glance, one after the other on the same database and store."""

import pytest
import requests

from calotype.db import schema
from calotype.db.engine import connect
from tests.servers import HOST
from tools.bench import peers
from tools.bench.client import WHO

OCTETS = {"Content-Type": "application/octet-stream"}
#: What changes when nobody changes an image: nothing but the form of the answers.
FIELDS = (
    "id", "name", "status", "visibility", "checksum", "os_hash_algo", "os_hash_value", "size",
    "min_disk", "min_ram", "owner", "protected", "os_hidden", "disk_format", "container_format",
    "created_at", "updated_at", "tags", "colour",
)  # fmt: skip

#: Says who asks, to a Glance that is set up to believe it.
ASKED = requests.Session()
ASKED.headers.update(line.split(": ") for line in WHO)


class Turn:
    """One of the two, while it serves."""

    def __init__(self, peer):
        self.peer = peer
        self.url = f"http://{HOST}:{peer.port}/v2/images"

    def __enter__(self):
        self.peer.start()
        return self

    def __exit__(self, *error):
        self.peer.stop()

    def store(self, name, data):
        """The fields of a new image with this data."""
        body = {"name": name, "disk_format": "raw", "container_format": "bare"}
        body |= {"tags": ["ä"], "colour": "grün"}
        made = ASKED.post(self.url, json=body, timeout=60)
        assert made.status_code == 201, made.text
        image_id = made.json()["id"]
        put = ASKED.put(f"{self.url}/{image_id}/file", data=data, headers=OCTETS, timeout=60)
        assert put.status_code == 204, put.text
        return self.show(image_id)

    def show(self, image_id):
        answer = ASKED.get(f"{self.url}/{image_id}", timeout=60)
        assert answer.status_code == 200, answer.text
        return {field: answer.json()[field] for field in FIELDS}

    def data(self, image_id):
        return ASKED.get(f"{self.url}/{image_id}/file", timeout=60).content

    def names(self):
        listed = ASKED.get(self.url, params={"sort": "name:asc"}, timeout=60)
        return [image["name"] for image in listed.json()["images"]]

    def delete(self, image_id):
        assert ASKED.delete(f"{self.url}/{image_id}", timeout=60).status_code == 204


@pytest.fixture
def calotype(fresh_url, tmp_path):
    database = connect(fresh_url)
    schema.sync(database)
    database.close()
    return lambda: Turn(peers.calotype("calotype", tmp_path / "both", fresh_url))


@pytest.fixture
def real(glance, fresh_url, tmp_path):
    return lambda: Turn(peers.glance("glance", tmp_path / "both", fresh_url))


@pytest.mark.parametrize("engine_name", ["mariadb"])
def test_each_reads_and_deletes_what_the_other_wrote(calotype, real):
    with real() as glance:
        one, two = glance.store("one", b"1" * 1000), glance.store("two", b"2" * 70_000)
        glance.delete(one["id"])

    with calotype() as ours:
        assert ours.names() == ["two"]
        assert ours.show(two["id"]) == two
        assert ours.data(two["id"]) == b"2" * 70_000
        ours.delete(two["id"])
        three, four = ours.store("three", b"3" * 3000), ours.store("four", b"")

    with real() as glance:
        assert glance.names() == ["four", "three"]
        assert glance.show(three["id"]) == three
        assert glance.data(three["id"]) == b"3" * 3000
        glance.delete(four["id"])
        assert glance.names() == ["three"]
