"""Tokens of a real Keystone: who gets in with which, and what each role may do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.conftest import Cloud
from tests.clients.people import Answer, User
from tests.keystone import ADMIN, MEMBER, OTHER, PASSWORD, READER, SERVICE, Keystone, Person
from tests.service import Service

IMAGE = {"disk_format": "raw", "container_format": "bare"}
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}

#: A policy that lets everybody read, as the manual says for allow_anonymous_access.
OPEN_POLICY = 'get_images: "@"\nget_image: "@"\ndownload_image: "@"\n'


@pytest.fixture(scope="module")
def expired(keystone: Keystone) -> str:
    """A token of a member whose time is over."""
    return keystone.expired_token(MEMBER)


def bearer(cloud: Cloud, token: str, **headers: str) -> User:
    return cloud.member.with_headers({"X-Auth-Token": token, **headers})


def is_refused(answer: Answer, keystone: Keystone) -> bool:
    assert answer.json["code"] == "401 Unauthorized"
    challenge = answer.headers["WWW-Authenticate"]
    return answer.status == 401 and challenge == f'Keystone uri="{keystone.url}"'


def test_what_each_role_may_do(keystone_cloud: Cloud) -> None:
    path = f"/v2/images/{keystone_cloud.member.put_image('roles', visibility='private')}"
    rename = [{"op": "replace", "path": "/name", "value": "roles"}]
    publish = [{"op": "replace", "path": "/visibility", "value": "public"}]

    def statuses(user: User) -> list[int]:
        return [
            user.ask("GET", "/v2/images").status,
            user.ask("GET", path).status,
            user.ask("POST", "/v2/images", IMAGE).status,
            user.ask("PATCH", path, rename, PATCH).status,
            user.ask("PUT", f"{path}/tags/new").status,
            user.ask("PUT", f"{path}/file", b"data", OCTETS).status,
            user.ask("GET", f"{path}/file").status,
            user.ask("PATCH", path, publish, PATCH).status,
            user.ask("DELETE", path).status,
        ]

    #                list show make name  tag  put  get  publish delete
    stranger, reader = [200, 404, 201, *[404] * 6], [200, 200, *[403] * 7]
    assert statuses(keystone_cloud.other) == stranger
    assert statuses(keystone_cloud.reader) == reader
    assert statuses(keystone_cloud.member)[:-1] == [200, 200, 201, 200, 204, 204, 200, 403]
    path = f"/v2/images/{keystone_cloud.member.put_image('roles', visibility='private')}"
    assert statuses(keystone_cloud.admin) == [200, 200, 201, 200, 204, 204, 200, 200, 204]


@pytest.mark.parametrize("scope", [{"system_scope": "all"}, {"domain_id": "default"}])
def test_images_belong_to_projects(
    keystone: Keystone, keystone_cloud: Cloud, scope: dict[str, str]
) -> None:
    admin = bearer(keystone_cloud, keystone.token(ADMIN, **scope))
    answers = [admin.ask("GET", "/v2/images"), admin.ask("POST", "/v2/images", IMAGE)]
    assert [answer.status for answer in answers] == [403, 403]
    assert "policy rule 'get_images'" in answers[0].json["message"]


def test_the_owner_is_the_project_of_the_token(keystone_cloud: Cloud) -> None:
    mary, blue = keystone_cloud.member, keystone_cloud.projects["blue"]
    # What a client says about itself counts for nothing.
    liar = mary.with_headers(
        {**mary.headers, "X-Project-Id": "mine", "X-Roles": "admin", "X-User-Id": "root"}
    )
    made = liar.ask("POST", "/v2/images", IMAGE)
    assert made.json["owner"] == blue
    assert liar.ask("POST", "/v2/images", {**IMAGE, "visibility": "public"}).status == 403


def test_tokens_that_are_refused(keystone: Keystone, keystone_cloud: Cloud, expired: str) -> None:
    bad = {
        "missing": keystone_cloud.member.with_headers({}),
        "garbage": bearer(keystone_cloud, "garbage"),
        "empty": bearer(keystone_cloud, ""),
        "expired": bearer(keystone_cloud, expired),
    }
    revoked = keystone.token(OTHER)
    keystone.revoke(revoked)
    bad["revoked"] = bearer(keystone_cloud, revoked)
    for name, user in bad.items():
        assert is_refused(user.ask("GET", "/v2/images"), keystone), name
        assert is_refused(user.ask("PUT", "/v2/images/x/file", b"d" * 100_000), keystone), name
        assert user.ask("GET", "/versions").status == 200


def test_work_goes_on_with_a_service_token(
    keystone: Keystone, keystone_cloud: Cloud, expired: str
) -> None:
    """A service may finish with a user's token what began before that expired."""

    def ask_with(person: Person) -> Answer:
        user = bearer(keystone_cloud, expired, **{"X-Service-Token": keystone.token(person)})
        return user.ask("POST", "/v2/images", IMAGE)

    made = ask_with(SERVICE)
    assert made.status == 201
    assert made.json["owner"] == keystone_cloud.projects["blue"]
    assert is_refused(ask_with(OTHER), keystone)  # who is no service cannot vouch


def test_without_a_keystone_the_token_is_not_to_blame(
    keystone: Keystone, keystone_cloud: Cloud
) -> None:
    unseen = bearer(keystone_cloud, keystone.token(READER))
    keystone.stop()
    try:
        answer = unseen.ask("GET", "/v2/images")
    finally:
        keystone.resume()
    assert answer.status == 503
    assert "Keystone" in answer.json["message"]
    assert unseen.ask("GET", "/v2/images").status == 200


def test_when_we_cannot_log_in_the_token_is_not_to_blame(
    keystone: Keystone, keystone_cloud: Cloud, tmp_path: Path
) -> None:
    wrong = keystone.sections().replace(f"password = {PASSWORD}", "password = mistyped")
    with Service(tmp_path / "service", extra=wrong) as service:
        answer = keystone_cloud.member.at(service.url).ask("GET", "/v2/images")
    assert answer.status == 503
    assert "Identity server rejected authorization" in service.process.output()


@pytest.fixture
def open_door(
    keystone: Keystone, keystone_cloud: Cloud, tmp_path: Path
) -> Iterator[tuple[User, User, User]]:
    """Anonymous, a member and an admin, in front of a service that allows anonymous access."""
    (tmp_path / "policy.yaml").write_text(OPEN_POLICY)
    service = Service(
        tmp_path / "service",
        default="allow_anonymous_access = true",
        extra=f"{keystone.sections()}\n[oslo_policy]\npolicy_file = {tmp_path}/policy.yaml",
    )
    with service:
        yield (
            keystone_cloud.member.at(service.url).with_headers({}),
            keystone_cloud.member.at(service.url),
            keystone_cloud.admin.at(service.url),
        )


def test_anonymous_readers(open_door: tuple[User, User, User]) -> None:
    anybody, mary, admin = open_door
    public = admin.put_image("public", b"for all", visibility="public")
    private = mary.put_image("private", b"for us", visibility="private")
    listed = anybody.ask("GET", "/v2/images")
    assert [image["id"] for image in listed.json["images"]] == [public]
    assert anybody.ask("GET", f"/v2/images/{public}/file").body == b"for all"
    assert anybody.ask("GET", f"/v2/images/{private}").status == 404
    for method, path in (("POST", "/v2/images"), ("DELETE", f"/v2/images/{public}")):
        answer = anybody.ask(method, path, IMAGE if method == "POST" else None)
        assert answer.status == 403
        assert answer.json["message"].startswith("You may only read: send a valid token")
    stale = anybody.with_headers({"X-Auth-Token": "garbage"})
    assert stale.ask("GET", f"/v2/images/{public}").status == 200
    assert {image["id"] for image in mary.ask("GET", "/v2/images").json["images"]} == {
        public,
        private,
    }
