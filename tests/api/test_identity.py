"""Who passes the guard, as whom, and what is told to those who do not."""

import re
from pathlib import Path
from typing import Any

import pytest

from calotype import errors
from calotype.api.identity import allow_method
from calotype.caller import Caller
from tests.api.asking import Site
from tests.policy.setting import conf_of

#: What a client may send to look like somebody: each as the environment spells it.
FORGED = {
    "X_Identity_Status": "Confirmed",
    "X_Roles": "admin",
    "X_Role": "admin",
    "X_User": "root",
    "X_User_Id": "root",
    "X_User_Name": "root",
    "X_User_Domain_Id": "d",
    "X_Project_Id": "victim",
    "X_Project_Name": "victim",
    "X_Project_Domain_Id": "d",
    "X_Tenant": "victim",
    "X_Tenant_Id": "victim",
    "X_Tenant_Name": "victim",
    "X_Domain_Id": "d",
    "X_Is_Admin_Project": "True",
    "X_Service_Roles": "service",
    "X_Service_Identity_Status": "Confirmed",
    "X_Service_Project_Id": "victim",
    "X_Service_Catalog": "[]",
    "X_System_Scope": "all",
    "OpenStack_System_Scope": "all",
}


@pytest.fixture
def open_site(tmp_path: Path) -> Site:
    return Site(conf_of(tmp_path), "none")


def claims(environ: dict[str, Any]) -> set[str]:
    return {key for key in environ if key.removeprefix("HTTP_") in {f.upper() for f in FORGED}}


# -- no authentication ---------------------------------------------------------------------------


def test_without_authentication_everybody_is_an_admin_of_no_project(open_site: Site) -> None:
    found = open_site.ask().caller
    assert found.is_admin
    assert found.roles == {"admin", "member", "reader"}
    assert (found.project_id, found.user_id, found.read_only) == (None, None, False)
    assert open_site.ask(method="DELETE").status == 200


def test_claims_of_the_client_do_not_reach_the_application(open_site: Site) -> None:
    answer = open_site.ask(**FORGED)
    assert answer.seen is not None
    assert claims(answer.seen) == set()
    assert answer.caller.project_id is None
    assert answer.caller.service_roles == frozenset()
    assert answer.caller.system_scope is None


def test_other_headers_reach_the_application(open_site: Site) -> None:
    seen = open_site.ask(X_Image_Meta="1", X_Openstack_Image_Size="5", X_Service_Token="t").seen
    assert seen is not None
    assert seen["HTTP_X_IMAGE_META"] == "1"
    assert seen["HTTP_X_OPENSTACK_IMAGE_SIZE"] == "5"


def test_an_unknown_strategy_is_refused_at_start(tmp_path: Path) -> None:
    with pytest.raises(errors.BadSettings, match="'kerberos' is not known: expected keystone"):
        Site(conf_of(tmp_path), "kerberos")


# -- request ids ---------------------------------------------------------------------------------

MADE = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_every_answer_has_an_id_that_the_caller_has_too(open_site: Site) -> None:
    one, two = open_site.ask(), open_site.ask()
    assert MADE.fullmatch(one.headers["x-openstack-request-id"])
    assert one.caller.request_id == one.headers["x-openstack-request-id"]
    assert one.caller.request_id != two.caller.request_id
    assert one.headers["x-mine"] == "1"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("req-8a3f", "req-8a3f"),
        (" req-8a3f ", "req-8a3f"),
        ("mine.1_2:3-4", "req-mine.1_2:3-4"),
        ("x" * 60, "req-" + "x" * 60),
        ("x" * 64, "x" * 64),
    ],
)
def test_an_id_of_the_client_is_taken_over(open_site: Site, given: str, expected: str) -> None:
    answer = open_site.ask(X_OpenStack_Request_ID=given)
    assert answer.headers["x-openstack-request-id"] == expected
    assert answer.caller.request_id == expected


@pytest.mark.parametrize("given", ["", "a b", "a\r\nSet-Cookie: x=1", "a\nb", "ä", "<b>", "a\x00"])
def test_an_id_with_odd_characters_is_not(open_site: Site, given: str) -> None:
    answer = open_site.ask(X_OpenStack_Request_ID=given)
    assert answer.status == 200
    assert MADE.fullmatch(answer.headers["x-openstack-request-id"])


def test_an_id_that_is_too_long_is_refused(open_site: Site) -> None:
    answer = open_site.ask(X_OpenStack_Request_ID="x" * 65)
    assert answer.status == 431
    assert answer.message == "X-Openstack-Request-ID is longer than 64 characters"
    assert MADE.fullmatch(answer.headers["x-openstack-request-id"])
    assert answer.headers["content-type"] == "application/json"
    assert answer.seen is None


def test_the_longest_id_is_configurable_and_zero_means_any(tmp_path: Path) -> None:
    conf = conf_of(tmp_path)
    short = Site(conf, "none", options={"max_request_id_length": 5})
    assert short.ask(X_OpenStack_Request_ID="x" * 6).status == 431
    assert short.ask(X_OpenStack_Request_ID="x" * 5).caller.request_id == "x" * 5
    any_ = Site(conf, "none", options={"max_request_id_length": 0})
    assert any_.ask(X_OpenStack_Request_ID="x" * 500).caller.request_id == "req-" + "x" * 500


def test_an_id_that_the_application_sets_itself_is_not_doubled(tmp_path: Path) -> None:
    site = Site(conf_of(tmp_path), "none")

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [("X-OpenStack-Request-Id", "other")])
        return []

    site.guarded._application = application  # type: ignore[attr-defined]
    assert site.ask(X_OpenStack_Request_ID="req-1").headers["x-openstack-request-id"] == "req-1"


# -- read-only callers ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_read_only_caller_may_read(method: str) -> None:
    allow_method(Caller(read_only=True), method)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "MKCOL"])
def test_a_read_only_caller_may_not_write(method: str) -> None:
    allow_method(Caller(), method)
    with pytest.raises(errors.Denied, match="You may only read"):
        allow_method(Caller(read_only=True), method)
