"""The released client with names and passwords from a file, as the manual shows."""

from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.clients.people import User
from tests.service import Service

SECTIONS = """\
[paste_deploy]
flavor = http_basic
[oslo_middleware]
http_basic_auth_user_file = {folder}/htpasswd
"""
USERS = """\
alice: {project: blue, roles: [member]}
bob: {project: blue, roles: [reader]}
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    hashes = {
        name: bcrypt.hashpw(f"{name}'s word".encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
        for name in ("alice", "bob")
    }
    text = "".join(f"{name}:{hash_.replace('$2a$', '$2y$')}\n" for name, hash_ in hashes.items())
    (tmp_path / "htpasswd").write_text(text)
    (tmp_path / "users.yaml").write_text(USERS)
    with Service(
        tmp_path / "service",
        default=f"calotype_basic_auth_users = {tmp_path}/users.yaml",
        extra=SECTIONS.format(folder=tmp_path),
    ) as running:
        yield running


def someone(name: str, password: str, service: Service, programs: Path) -> User:
    environment = {
        "OS_AUTH_TYPE": "http_basic",
        "OS_USERNAME": name,
        "OS_PASSWORD": password,
        "OS_ENDPOINT": service.url,
        "OS_IMAGE_ENDPOINT_OVERRIDE": service.url,
    }
    return User(programs, service.folder, service.url, environment, {})


def test_names_and_passwords(service: Service, programs: Path, disk: Path) -> None:
    alice = someone("alice", "alice's word", service, programs)
    made = alice.openstack(
        *("image", "create", "one", "--disk-format", "raw", "--container-format", "bare"),
        *("--file", disk, "--private", "-f", "json"),
    ).json
    assert (made["status"], made["owner"]) == ("active", "blue")
    bob = someone("bob", "bob's word", service, programs)
    [row] = bob.openstack("image", "list", "-f", "json").json
    assert row["ID"] == made["id"]
    assert (
        "policy rule 'delete_image'"
        in bob.openstack("image", "delete", made["id"], status=1).complaint
    )
    guessing = someone("bob", "a guess", service, programs)
    assert "401" in guessing.openstack("image", "list", status=1).complaint
