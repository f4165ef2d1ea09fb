"""Callers by their Keystone tokens: the real token middleware, asking a Keystone of a few lines."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from oslo_context.context import get_current

from calotype import errors
from tests.api.asking import Site
from tests.api.fake_keystone import Keystone, project, running, token
from tests.api.test_identity import FORGED, claims
from tests.policy.setting import conf_of

OPTIONS = """
[keystone_authtoken]
www_authenticate_uri = http://identity.example/v3
auth_type = password
auth_url = {url}
username = image
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
token_cache_time = -1
http_request_max_retries = 0
"""


@pytest.fixture(scope="module")
def keystone() -> Iterator[Keystone]:
    with running() as server:
        yield server


def site_of(folder: Path, url: str, more: str = "", **options: Any) -> Site:
    return Site(conf_of(folder, OPTIONS.format(url=url) + more), "keystone", options=options)


@pytest.fixture
def site(tmp_path: Path, keystone: Keystone) -> Iterator[Site]:
    keystone.tokens = {
        "alice": token("Member", "reader", user="alice", project=project("p1")),
        "root": token("admin", "member", "reader", user="root", project=project("p2")),
        "operator": token("admin", user="operator", system={"all": True}),
        "domain": token("admin", user="domain", domain={"id": "d1", "name": "D"}),
        "nova": token("service", "admin", user="nova", project=project("services")),
        "robot": token("service", user="robot", system={"all": True}),
        "pretender": token("member", user="pretender", project=project("p3")),
        "expired": {**token("member"), "expires_at": "2001-01-01T00:00:00.000000Z"},
    }
    yield site_of(tmp_path, keystone.url)


def test_a_token_makes_a_caller(site: Site) -> None:
    found = site.ask(X_Auth_Token="alice", X_OpenStack_Request_ID="req-1").caller
    assert found.user_id == "alice"
    assert found.project_id == "p1"
    assert found.roles == {"member", "reader"}
    assert not found.is_admin
    assert not found.read_only
    assert found.request_id == "req-1"
    assert found.token == "alice"
    assert (found.user_domain_id, found.project_domain_id) == ("default", "default")
    assert (found.domain_id, found.system_scope) == (None, None)
    assert found.service_roles == frozenset()


def test_the_lines_of_the_log_name_the_caller(site: Site) -> None:
    site.ask(X_Auth_Token="alice", X_OpenStack_Request_ID="req-7")
    logged = get_current()
    assert logged is not None
    values = logged.get_logging_values()
    assert values["request_id"] == "req-7"
    assert values["user_identity"].split() == ["alice", "p1", "-", "default", "default"]
    site.ask(X_Auth_Token="nobody", X_OpenStack_Request_ID="req-8")
    logged = get_current()
    assert logged is not None
    assert (logged.request_id, logged.user_id) == ("req-8", None)


def test_the_policy_says_who_is_an_admin(site: Site) -> None:
    assert site.ask(X_Auth_Token="root").caller.is_admin


def test_system_and_domain_scopes_are_seen(site: Site) -> None:
    operator = site.ask(X_Auth_Token="operator").caller
    assert (operator.system_scope, operator.project_id, operator.domain_id) == ("all", None, None)
    domain = site.ask(X_Auth_Token="domain").caller
    assert (domain.system_scope, domain.project_id, domain.domain_id) == (None, None, "d1")


@pytest.mark.parametrize("sent", ["nobody", "expired", "", None])
def test_without_a_good_token_there_is_a_challenge(site: Site, sent: str | None) -> None:
    answer = site.ask(**({"X_Auth_Token": sent} if sent is not None else {}))
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Keystone uri="http://identity.example/v3"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert b'"code":"401 Unauthorized","title":"Unauthorized"' in answer.body
    assert "send a valid token in X-Auth-Token" in answer.message
    assert answer.seen is None


def test_an_answer_to_head_has_no_body(site: Site) -> None:
    answer = site.ask(method="HEAD")
    assert (answer.status, answer.body) == (401, b"")


def test_headers_do_not_make_an_identity(site: Site) -> None:
    assert site.ask(**FORGED).status == 401
    assert site.ask(**FORGED, X_Auth_Token="nobody").status == 401
    answer = site.ask(**FORGED, X_Auth_Token="alice")
    assert answer.caller.project_id == "p1"
    assert answer.caller.roles == {"member", "reader"}
    assert answer.caller.system_scope is None
    assert answer.caller.service_roles == frozenset()
    assert answer.seen is not None
    assert claims(answer.seen) == set()


def test_a_service_token_gives_service_roles(site: Site) -> None:
    found = site.ask(X_Auth_Token="alice", X_Service_Token="nova").caller
    assert found.service_roles == {"service", "admin"}
    assert found.roles == {"member", "reader"}
    assert not found.is_admin


@pytest.mark.parametrize("status", ["Invalid", None])
def test_service_roles_count_only_when_confirmed(status: str | None) -> None:
    from calotype.api.keystone import caller_from

    headers = {"HTTP_X_SERVICE_ROLES": "service", "HTTP_X_SERVICE_IDENTITY_STATUS": status}
    assert caller_from(headers, "req-1").service_roles == frozenset()
    confirmed = {**headers, "HTTP_X_SERVICE_IDENTITY_STATUS": "Confirmed"}
    assert caller_from(confirmed, "req-1").service_roles == {"service"}


@pytest.mark.parametrize("service", ["pretender", "nobody"])
def test_a_service_token_that_is_none_gives_nothing(site: Site, service: str) -> None:
    found = site.ask(X_Auth_Token="alice", X_Service_Token=service).caller
    assert (found.user_id, found.service_roles) == ("alice", frozenset())


def test_a_service_token_does_not_change_the_scope_of_the_caller(site: Site) -> None:
    operator = site.ask(X_Auth_Token="operator", X_Service_Token="nova").caller
    assert operator.system_scope == "all"
    alice = site.ask(X_Auth_Token="alice", X_Service_Token="robot").caller
    assert (alice.project_id, alice.system_scope) == ("p1", None)


@pytest.mark.parametrize("path", ["", "/", "/versions", "/healthcheck", "/v2/openapi.json"])
def test_open_paths_need_no_token(site: Site, path: str) -> None:
    answer = site.ask(path, **FORGED)
    found = answer.caller
    assert found.read_only
    assert (found.roles, found.project_id, found.is_admin) == (frozenset(), None, False)
    assert answer.seen is not None
    assert claims(answer.seen) == set()


@pytest.mark.parametrize(
    "path", ["/v2/schemas/image", "/v2/info/import", "/v2", "/v2/", "//", "/versions/", "/V2/x"]
)
def test_all_others_do(site: Site, path: str) -> None:
    assert site.ask(path).status == 401


def test_anonymous_callers_may_read_where_the_site_says_so(
    tmp_path: Path, keystone: Keystone
) -> None:
    site = site_of(tmp_path, keystone.url, allow_anonymous=True)
    found = site.ask().caller
    assert found.read_only
    assert (found.roles, found.project_id, found.is_admin) == (frozenset(), None, False)
    assert site.ask(X_Auth_Token="nobody").caller.read_only
    answer = site.ask(method="POST", body=b"{}")
    assert answer.status == 403
    assert answer.message.startswith("You may only read")
    assert answer.seen is None


def test_a_keystone_that_is_broken_does_not_make_tokens_bad(site: Site, keystone: Keystone) -> None:
    keystone.broken = True
    try:
        answer = site.ask(X_Auth_Token="alice")
    finally:
        keystone.broken = False
    assert answer.status == 503
    assert answer.message.startswith("Keystone cannot be asked")
    assert "www-authenticate" not in answer.headers
    assert site.ask(X_Auth_Token="alice").status == 200


def test_a_keystone_that_is_down_does_not_make_tokens_bad(tmp_path: Path) -> None:
    with running() as gone:
        url = gone.url
    site = site_of(tmp_path, url, allow_anonymous=True)
    assert site.ask(X_Auth_Token="alice").status == 503
    assert site.ask().caller.read_only


def test_there_is_no_challenge_without_an_address(tmp_path: Path, keystone: Keystone) -> None:
    text = OPTIONS.format(url=keystone.url).replace("www_authenticate_uri", "#")
    answer = Site(conf_of(tmp_path, text), "keystone").ask()
    assert answer.status == 401
    assert "www-authenticate" not in answer.headers


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", r"\[keystone_authtoken\] auth_type: must be set"),
        ("[keystone_authtoken]\nauth_type = password\n", r"\[keystone_authtoken\] is not usable"),
        ("[keystone_authtoken]\nauth_type = nosuch\n", r"\[keystone_authtoken\] is not usable"),
        ("[keystone_authtoken]\nauth_section = other\n", r"\[other\] auth_type: must be set"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_start(
    tmp_path: Path, text: str, reason: str
) -> None:
    with pytest.raises(errors.BadSettings, match=reason):
        Site(conf_of(tmp_path, text), "keystone")


def test_our_own_access_may_stand_in_another_section(tmp_path: Path, keystone: Keystone) -> None:
    keystone.tokens = {"alice": token("member", project=project("p1"))}
    head, own = OPTIONS.format(url=keystone.url).split("auth_type")
    text = f"{head}auth_section = access\n[access]\nauth_type{own}"
    site = Site(conf_of(tmp_path, text), "keystone")
    assert site.ask(X_Auth_Token="alice").caller.project_id == "p1"


def test_the_bytes_of_an_answer_do_not_pass_through_the_middleware(site: Site) -> None:
    assert site.ask(X_Auth_Token="alice").seen is not None
    sent = [b"one", b"two"]

    class Stream:
        def __iter__(self) -> Iterator[bytes]:
            return iter(sent)

    stream = Stream()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return stream

    site.guarded._application = application  # type: ignore[attr-defined]
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v2/x", "HTTP_X_AUTH_TOKEN": "alice"}
    assert site.guarded(environ, lambda *_: None) is stream  # type: ignore[arg-type]
