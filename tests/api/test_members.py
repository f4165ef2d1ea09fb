"""Sharing images over HTTP: the whole life of a membership, and who may do what with it."""

from typing import Any

import pytest

from calotype.caller import Caller
from tests.api.cases import (
    ADMIN,
    MEMBER,
    NOWHERE,
    OTHER,
    OTHER_READER,
    READER,
    ROLELESS,
    STRANGER,
    Client,
    Site,
    on_each_engine,
)
from tests.api.conftest import MakeSite

EMOJI = "\N{GRINNING FACE}"


@pytest.fixture
def shared(member: Client) -> str:
    """The members of a shared image of "ours"."""
    return f"/v2/images/{member.create()}/members"


@on_each_engine
def test_the_life_of_a_membership(member: Client, other: Client, shared: str) -> None:
    image_id = shared.split("/")[3]
    image, theirs = f"/v2/images/{image_id}", f"{shared}/theirs"
    other.get(image).gave(404)

    offered = member.post(shared, {"member": "theirs"}).gave(200).json
    assert offered["member_id"] == "theirs"
    assert offered["image_id"] == image_id
    assert offered["status"] == "pending"
    assert offered["schema"] == "/v2/schemas/member"
    assert set(offered) == {
        *("member_id", "image_id", "status", "created_at", "updated_at", "schema")
    }
    assert member.get(theirs).gave(200).json == offered
    assert member.get(shared).gave(200).json == {
        "members": [offered],
        "schema": "/v2/schemas/members",
    }

    # By its id it is seen at once, in the list when it is accepted.
    other.get(image).gave(200)
    for status in ("accepted", "rejected", "pending", "rejected", "accepted"):
        answered = other.put(theirs, {"status": status}).gave(200).json
        assert answered["status"] == status
        assert other.get(theirs).gave(200).json == answered
        assert other.ids() == ([image_id] if status == "accepted" else [])
        assert other.ids(f"member_status={status}") == [image_id]
        assert other.ids("member_status=all") == [image_id]
        other.get(image).gave(200)

    member.delete(theirs).gave(204)
    member.get(theirs).gave(404, "is not shared with a project 'theirs'")
    member.delete(theirs).gave(404)
    assert member.get(shared).gave(200).json["members"] == []
    other.get(image).gave(404)
    other.put(theirs, {"status": "accepted"}).gave(404)
    assert other.ids("member_status=all&visibility=all") == []

    again = member.post(shared, {"member": "theirs"}).gave(200).json
    assert again["status"] == "pending"
    other.get(image).gave(200)
    assert other.ids() == []


@on_each_engine
def test_a_member_is_added_once(member: Client, shared: str) -> None:
    member.post(shared, {"member": "theirs"}).gave(200)
    member.post(shared, {"member": "theirs"}).gave(409, "already shared with the project 'theirs'")
    assert len(member.get(shared).gave(200).json["members"]) == 1


@on_each_engine
def test_members_are_listed_in_the_order_they_came(member: Client, shared: str) -> None:
    names = ["z", "a", "ö", "漢", "with space", "x" * 255, "percent%25", "'\"\\"]
    for name in names:
        member.post(shared, {"member": name}).gave(200)
    listed = member.get(shared).gave(200).json["members"]
    assert [one["member_id"] for one in listed] == names


@on_each_engine
@pytest.mark.parametrize(
    ("name", "path"), [("ö", "%C3%B6"), ("a b", "a%20b"), ("50%", "50%25"), ("'\"\\", "'%22%5C")]
)
def test_names_in_the_path(member: Client, shared: str, name: str, path: str) -> None:
    member.post(shared, {"member": name}).gave(200)
    assert member.get(f"{shared}/{path}").gave(200).json["member_id"] == name
    member.delete(f"{shared}/{path}").gave(204)


#: What is sent for a new member, the status, and what the message says.
NEW: list[tuple[Any, int, str]] = [
    ({"member": "theirs"}, 200, ""),
    ({"member": "x" * 255}, 200, ""),
    ({"member": 5}, 200, ""),
    ({"member": 5.0}, 200, ""),
    ({"member": "theirs", "status": "accepted"}, 200, ""),  # is pending all the same
    ({"member": "theirs", "more": 1}, 200, ""),
    (b"", 400, "needs a JSON body"),
    (b"{", 400, "not valid JSON"),
    ({}, 400, "member: is required"),
    ([], 400, "must be a JSON object"),
    ("theirs", 400, "must be a JSON object"),
    ({"member": ""}, 400, "member"),
    ({"member": None}, 400, "member"),
    ({"member": ["theirs"]}, 400, "member"),
    ({"member": {"id": "theirs"}}, 400, "member"),
    ({"member": True}, 400, "member"),
    ({"member": 0}, 400, "member"),
    ({"member": -5}, 400, "member"),
    ({"member": 1.5}, 400, "member"),
    ({"member": "x" * 256}, 400, "member"),
    ({"member": EMOJI}, 400, "member: the character U+1F600"),
    ({"member": "a\0"}, 400, "member: the character U+0000"),
]


@pytest.mark.parametrize(("body", "status", "says"), NEW, ids=lambda value: str(value)[:40])
def test_a_new_member(member: Client, shared: str, body: Any, status: int, says: str) -> None:
    answer = member.post(shared, body).gave(status, says)
    listed = member.get(shared).gave(200).json["members"]
    assert listed == ([answer.json] if status == 200 else [])
    if status == 200:
        assert answer.json["status"] == "pending"


#: What is sent as an answer, the status, and what the message says.
ANSWERS: list[tuple[Any, int, str]] = [
    ({"status": "accepted"}, 200, ""),
    ({"status": "accepted", "member": "else"}, 200, ""),
    (b"", 400, "needs a JSON body"),
    ({}, 400, "status: is required"),
    ([], 400, "must be a JSON object"),
    ({"status": "maybe"}, 400, "status: must be one of pending, accepted, rejected"),
    ({"status": "ACCEPTED"}, 400, "status"),
    ({"status": ""}, 400, "status"),
    ({"status": None}, 400, "status"),
    ({"status": ["accepted"]}, 400, "status"),
    ({"status": True}, 400, "status"),
    ({"status": 1}, 400, "status"),
]


@pytest.mark.parametrize(("body", "status", "says"), ANSWERS, ids=lambda value: str(value)[:40])
def test_answers(
    member: Client, other: Client, shared: str, body: Any, status: int, says: str
) -> None:
    before = member.post(shared, {"member": "theirs"}).gave(200).json
    other.put(f"{shared}/theirs", body).gave(status, says)
    now = member.get(f"{shared}/theirs").gave(200).json
    assert now["status"] == ("accepted" if status == 200 else before["status"])
    assert now["member_id"] == "theirs"


#: Of a shared image of "ours" with the members "theirs" and "others": what each caller gets for
#: GET members, POST members, GET theirs, PUT theirs, DELETE theirs.
WHO: list[tuple[Caller, tuple[int, int, int, int, int]]] = [
    (ADMIN, (200, 200, 200, 200, 204)),
    (MEMBER, (200, 200, 200, 403, 204)),
    (READER, (200, 403, 200, 403, 403)),
    (ROLELESS, (404, 404, 404, 404, 404)),
    (OTHER, (200, 403, 200, 200, 403)),
    (OTHER_READER, (200, 403, 200, 403, 403)),
    (STRANGER, (404, 404, 404, 404, 404)),
]


@on_each_engine
@pytest.mark.parametrize(("caller", "statuses"), WHO)
def test_who_may(
    site: Site, shared: str, caller: Caller, statuses: tuple[int, int, int, int, int]
) -> None:
    owner, client = site.of(MEMBER), site.of(caller)
    owner.post(shared, {"member": "theirs"}).gave(200)
    owner.post(shared, {"member": "others"}).gave(200)
    theirs = f"{shared}/theirs"
    client.get(shared).gave(statuses[0])
    client.post(shared, {"member": "new"}).gave(statuses[1])
    client.get(theirs).gave(statuses[2])
    client.put(theirs, {"status": "accepted"}).gave(statuses[3])
    client.delete(theirs).gave(statuses[4])

    left = {m["member_id"]: m["status"] for m in owner.get(shared).gave(200).json["members"]}
    expected = {"others": "pending"}
    if statuses[4] != 204:
        expected["theirs"] = "accepted" if statuses[3] == 200 else "pending"
    if statuses[1] == 200:
        expected["new"] = "pending"
    assert left == expected


@on_each_engine
def test_a_member_sees_nothing_of_the_other_members(
    member: Client, other: Client, admin: Client, shared: str
) -> None:
    for name in ("theirs", "others"):
        member.post(shared, {"member": name}).gave(200)
    listed = other.get(shared).gave(200).json["members"]
    assert [one["member_id"] for one in listed] == ["theirs"]
    other.get(f"{shared}/others").gave(404)
    other.put(f"{shared}/others", {"status": "accepted"}).gave(403)
    for client in (member, admin):
        assert len(client.get(shared).gave(200).json["members"]) == 2


#: Visibility; what the owner gets for GET members, POST, GET theirs, DELETE theirs,
#: and "theirs", a member from before, for PUT theirs.
NOT_SHARED = [
    ("private", (403, 403, 404, 403, 404)),
    ("community", (403, 403, 404, 403, 404)),
    ("public", (403, 403, 404, 403, 404)),
]


@pytest.mark.parametrize(("visibility", "statuses"), NOT_SHARED)
def test_only_shared_images_have_members(
    site: Site, shared: str, visibility: str, statuses: tuple[int, ...]
) -> None:
    admin, member, other = (site.of(caller) for caller in (ADMIN, MEMBER, OTHER))
    member.post(shared, {"member": "theirs"}).gave(200)
    changed = [{"op": "replace", "path": "/visibility", "value": visibility}]
    image = shared.removesuffix("/members")
    admin.patch(image, changed).gave(200)
    theirs = f"{shared}/theirs"
    for client in (admin, member):
        client.get(shared).gave(statuses[0], f"is {visibility}")
        client.post(shared, {"member": "new"}).gave(statuses[1], f"is {visibility}")
        client.get(theirs).gave(statuses[2])
        client.delete(theirs).gave(statuses[3], f"is {visibility}")
    for client in (admin, other):
        client.put(theirs, {"status": "accepted"}).gave(statuses[4])
    # Shared again, its members are what they were.
    admin.patch(image, [{"op": "replace", "path": "/visibility", "value": "shared"}]).gave(200)
    assert member.get(theirs).gave(200).json["status"] == "pending"


def test_an_image_that_is_not_there(member: Client) -> None:
    members = f"/v2/images/{NOWHERE}/members"
    member.get(members).gave(404)
    member.post(members, {"member": "theirs"}).gave(404)
    member.get(f"{members}/theirs").gave(404)
    member.put(f"{members}/theirs", {"status": "accepted"}).gave(404)
    member.delete(f"{members}/theirs").gave(404)


def test_somebody_who_is_no_member(member: Client, admin: Client, shared: str) -> None:
    member.get(f"{shared}/nobody").gave(404, "is not shared with a project 'nobody'")
    admin.put(f"{shared}/nobody", {"status": "accepted"}).gave(404)
    member.delete(f"{shared}/nobody").gave(404)
    member.get(f"{shared}/{'x' * 4000}").gave(404)


def test_the_quota(make_site: MakeSite) -> None:
    client = make_site({("DEFAULT", "image_member_quota"): 2}).of(MEMBER)
    members = f"/v2/images/{client.create()}/members"
    client.post(members, {"member": "a"}).gave(200)
    client.post(members, {"member": "b"}).gave(200)
    client.post(members, {"member": "c"}).gave(413, "members: at most 2 are allowed")
    client.delete(f"{members}/a").gave(204)
    client.post(members, {"member": "c"}).gave(200)


def test_no_quota(make_site: MakeSite) -> None:
    client = make_site({("DEFAULT", "image_member_quota"): -1}).of(MEMBER)
    members = f"/v2/images/{client.create()}/members"
    for number in range(130):
        client.post(members, {"member": str(number)}).gave(200)
