"""In front of a service that has names and passwords in a file."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
from prepared import Prepared
from terminal import Terminal

from tests.service import Service

WORD = "alice's word"
SECTIONS = """\
[paste_deploy]
flavor = http_basic
[oslo_middleware]
http_basic_auth_user_file = {folder}/htpasswd
"""


@pytest.fixture(scope="module")
def basic_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("basic")
    hashed = bcrypt.hashpw(WORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()
    (folder / "htpasswd").write_text(f"alice:{hashed.replace('$2a$', '$2y$')}\n")
    (folder / "users.yaml").write_text("alice: {project: blue, roles: [member]}\n")
    users = f"calotype_basic_auth_users = {folder}/users.yaml"
    with Service(folder / "service", default=users, extra=SECTIONS.format(folder=folder)) as run:
        yield run


@pytest.fixture
def alice(basic_service: Service, prepared: Prepared, tmp_path: Path) -> Terminal:
    identity = {
        "OS_AUTH_TYPE": "http_basic",
        "OS_USERNAME": "alice",
        "OS_PASSWORD": WORD,
        "OS_ENDPOINT": basic_service.url,
    }
    return Terminal(tmp_path, identity, prepared)


def test_a_name_and_a_password(alice: Terminal, disk: Path) -> None:
    made = alice.json("image", "create", "basic", "--file", disk)
    assert (made["status"], made["owner"]) == ("active", "blue")
    assert [it["ID"] for it in alice.json("image", "list")] == [made["id"]]
    alice.type("image", "save", "basic", "--file", "back")
    assert (alice.folder / "back").read_bytes() == disk.read_bytes()
    assert alice.type("image", "save", "basic").raw == disk.read_bytes()


@pytest.mark.parametrize("words", ["image list", "image create no --file disk", "image save basic"])
def test_a_wrong_password(alice: Terminal, words: str) -> None:
    (alice.folder / "disk").write_bytes(b"data")
    said = alice.having(OS_PASSWORD="a guess").complaint(*words.split(), status=4)
    assert said and "a guess" not in said


def test_the_password_is_masked(alice: Terminal, disk: Path) -> None:
    log = alice.folder / "log"
    words = ("--log-file", log, "image", "create", "masked", "--file", disk)
    said = alice.type("--debug", *words).complaint
    pair = base64.b64encode(f"alice:{WORD}".encode()).decode()
    # A guess could be compared with the digest, and passwords can be guessed.
    digest = hashlib.sha256(f"Basic {pair}".encode()).hexdigest()
    for shown in (said, log.read_text()):
        assert "/v2/images" in shown and "PUT http" in shown
        assert shown.count("***") >= 3
        for secret in (WORD, pair, digest):
            assert secret not in shown
