"""Callers by user name and password, from real bcrypt hashes."""

import base64
import os
import time
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from calotype import errors
from calotype.api import basic_auth, users
from tests.api.asking import Answer, Site
from tests.api.test_identity import FORGED, claims
from tests.policy.setting import conf_of

USERS = """
alice:
  project: p1
  roles: [Member]
  user_id: id-of-alice
  user_domain_id: ud
  project_domain_id: pd
root:
  roles: [admin]
"""


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()


def entry(name: str, password: str) -> str:
    return f"{name}:{hashed(password)}\n"


def make_site(
    folder: Path, passwords: str | None = None, mapping: str | None = USERS, **more: Any
) -> Site:
    if passwords is None:
        passwords = entry("alice", "wonder:land") + entry("root", "röt") + entry("stray", "x")
    (folder / "htpasswd").write_text(passwords)
    if mapping is not None:
        (folder / "users.yaml").write_text(mapping)
    text = f"[oslo_middleware]\nhttp_basic_auth_user_file = {folder}/htpasswd\n"
    return Site(conf_of(folder, text), "http_basic", folder / "users.yaml", **more)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


def ask(site: Site, name: str, password: str, **more: Any) -> Answer:
    pair = base64.b64encode(f"{name}:{password}".encode()).decode()
    return site.ask(Authorization=f"Basic {pair}", **more)


def touch_later(path: Path, text: str) -> None:
    path.write_text(text)
    later = time.time_ns() + 5_000_000_000
    os.utime(path, ns=(later, later))


def test_a_user_becomes_a_caller(site: Site) -> None:
    answer = ask(site, "alice", "wonder:land", X_OpenStack_Request_ID="req-1")
    found = answer.caller
    assert found.user_id == "id-of-alice"
    assert found.project_id == "p1"
    assert found.roles == {"member", "reader"}
    assert not found.is_admin
    assert (found.user_domain_id, found.project_domain_id) == ("ud", "pd")
    assert found.request_id == "req-1"
    assert found.token is None
    assert answer.seen is not None
    assert "HTTP_AUTHORIZATION" not in answer.seen


def test_an_admin_needs_no_project_and_has_all_roles(site: Site) -> None:
    found = ask(site, "root", "röt").caller
    assert found.is_admin
    assert found.project_id is None
    assert found.user_id == "root"
    assert {"admin", "member", "reader"} <= found.roles


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("alice", "wrong"),
        ("alice", ""),
        ("nobody", "x"),
        ("", ""),
        ("alice", "x" * 73),
        ("alice", "wonder:land\x00"),
        ("alice:", "wonder:land"),
    ],
)
def test_a_wrong_name_or_password_is_refused(site: Site, name: str, password: str) -> None:
    answer = ask(site, name, password)
    assert answer.status == 401
    assert answer.message == "User name or password is wrong"
    assert answer.headers["www-authenticate"] == 'Basic realm="Calotype", charset="UTF-8"'
    assert answer.seen is None


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Bearer abc", "Basic ###", "Basic YWxpY2U=", "Basic /w==", "x y"]
)
def test_a_request_that_brings_no_password_is_refused(site: Site, header: str | None) -> None:
    answer = site.ask(**({"Authorization": header} if header is not None else {}))
    assert answer.status == 401
    assert answer.message.startswith("This call needs a user name and password")
    assert answer.headers["www-authenticate"].startswith("Basic ")


def test_headers_do_not_make_an_identity(site: Site) -> None:
    assert site.ask(**FORGED, X_Auth_Token="t").status == 401
    answer = ask(site, "alice", "wonder:land", **FORGED)
    assert answer.caller.project_id == "p1"
    assert not answer.caller.is_admin
    assert answer.seen is not None
    assert claims(answer.seen) == set()


def test_a_user_without_entry_is_told_so(site: Site) -> None:
    answer = ask(site, "stray", "x")
    assert answer.status == 403
    assert answer.message.startswith("User 'stray' has no project and roles here")
    assert ask(site, "stray", "y").status == 401


def test_open_paths_need_no_password(site: Site) -> None:
    assert site.ask("/versions").caller.read_only


def test_anonymous_access_is_for_keystone_only(tmp_path: Path) -> None:
    assert make_site(tmp_path, options={"allow_anonymous": True}).ask().status == 401


# -- remembered passwords --------------------------------------------------------------------------


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords that were really checked."""
    seen: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, against: bytes) -> bool:
        seen.append(password)
        return check(password, against)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return seen


def test_a_right_password_is_checked_once_a_wrong_one_always(
    site: Site, checks: list[bytes]
) -> None:
    assert ask(site, "alice", "wonder:land").status == 200
    assert ask(site, "alice", "wonder:land").status == 200
    assert checks == [b"wonder:land"]
    assert ask(site, "alice", "wonder:lane").status == 401
    assert ask(site, "alice", "wonder:lane").status == 401
    assert len(checks) == 3


def test_a_remembered_password_is_forgotten(
    site: Site, checks: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(basic_auth, "REMEMBER", -1.0)
    ask(site, "alice", "wonder:land")
    assert ask(site, "alice", "wonder:land").status == 200
    assert len(checks) == 2


def test_only_so_many_are_remembered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic_auth, "REMEMBER_MOST", 1)
    for name, password in [("alice", "wonder:land"), ("root", "röt")] * 2:
        assert ask(site, name, password).status == 200
    strategy = site.guarded._strategy  # type: ignore[attr-defined]
    assert len(strategy._passwords._right) == 1


def test_a_changed_password_counts_at_once(site: Site, tmp_path: Path) -> None:
    assert ask(site, "alice", "wonder:land").status == 200
    touch_later(tmp_path / "htpasswd", entry("alice", "other"))
    assert ask(site, "alice", "wonder:land").status == 401
    assert ask(site, "alice", "other").status == 200


def test_without_the_password_file_nobody_can_be_known(site: Site, tmp_path: Path) -> None:
    assert ask(site, "alice", "wonder:land").status == 200
    (tmp_path / "htpasswd").unlink()
    answer = ask(site, "alice", "wonder:land")
    assert answer.status == 503
    assert answer.message.startswith("Who you are cannot be established")


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("passwords", "reason"),
    [("alice:plain\n", "Only bcrypt digested passwords"), ("alice:$apr1$x$y\n", "Only bcrypt")],
)
def test_a_password_file_of_another_kind_is_refused_at_start(
    tmp_path: Path, passwords: str, reason: str
) -> None:
    with pytest.raises(
        errors.BadSettings, match=f"http_basic_auth_user_file: .*htpasswd: {reason}"
    ):
        make_site(tmp_path, passwords)


def test_a_password_file_that_is_missing_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "users.yaml").write_text(USERS)
    text = "[oslo_middleware]\nhttp_basic_auth_user_file = /nowhere/htpasswd\n"
    with pytest.raises(errors.BadSettings, match="/nowhere/htpasswd: it cannot be read"):
        Site(conf_of(tmp_path, text), "http_basic", tmp_path / "users.yaml")


def test_a_damaged_hash_refuses_its_user_only(tmp_path: Path) -> None:
    site = make_site(tmp_path, "alice:$2y$05$damaged\n" + entry("root", "right"))
    assert ask(site, "alice", "wonder:land").status == 401
    assert ask(site, "root", "right").status == 200


def test_a_users_file_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(errors.BadSettings, match="calotype_basic_auth_users: must name the file"):
        Site(conf_of(tmp_path), "http_basic")


def test_changed_users_count_and_a_broken_change_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(users, "LOOK_AGAIN", 0.0)
    site = make_site(tmp_path)
    touch_later(tmp_path / "users.yaml", "alice: {project: p2, roles: [reader]}\n")
    assert ask(site, "alice", "wonder:land").caller.project_id == "p2"
    assert ask(site, "root", "röt").status == 403
    (tmp_path / "users.yaml").write_text("alice: {project: [p3]}")
    assert ask(site, "alice", "wonder:land").caller.project_id == "p2"
    assert ask(site, "alice", "wonder:land").status == 200
    assert caplog.text.count("The users stay as they were") == 1
