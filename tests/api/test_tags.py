"""Tags by their path, over HTTP."""

from urllib.parse import quote

import pytest

from calotype.caller import Caller
from tests.api.cases import (
    ADMIN,
    MEMBER,
    NOWHERE,
    OTHER,
    READER,
    ROLELESS,
    STRANGER,
    Client,
    Site,
    on_each_engine,
)
from tests.api.conftest import MakeSite

#: Tags that must come through as they are.
TAGS = [
    *("plain", "ö", "漢字", "with space", "50%", "a+b", "'\"\\`", "a;b", "a,b", "?x=y&z", "#1"),
    *("x" * 255, "漢" * 255, "A", "a", "ä", "a ", "\n", "\x7f", "..", "\uffff", "<b>", "%2F", "é"),
]


def _path(image_id: str, tag: str) -> str:
    return f"/v2/images/{image_id}/tags/{quote(tag, safe='')}"


@on_each_engine
def test_tags_come_and_go_one_by_one(member: Client) -> None:
    image_id = member.create(tags=["there"])
    there = ["there"]
    for tag in TAGS:
        answer = member.put(_path(image_id, tag)).gave(204)
        assert answer.body == b""
        there.append(tag)
        assert sorted(member.image(image_id)["tags"]) == sorted(there)
    for tag in TAGS:
        member.put(_path(image_id, tag)).gave(204)  # it is there already
    assert sorted(member.image(image_id)["tags"]) == sorted(there)
    for tag in TAGS:
        member.delete(_path(image_id, tag)).gave(204)
        there.remove(tag)
        assert sorted(member.image(image_id)["tags"]) == sorted(there), tag
        member.delete(_path(image_id, tag)).gave(404, "has no tag")


@on_each_engine
def test_a_tag_comes_back(member: Client) -> None:
    image_id = member.create()
    for _ in range(3):
        member.put(_path(image_id, "t")).gave(204)
        assert member.ids("tag=t") == [image_id]
        member.delete(_path(image_id, "t")).gave(204)
        assert member.ids("tag=t") == []


def test_a_tag_is_found_whoever_set_it(member: Client) -> None:
    by_path, by_body = member.create(), member.create(tags=["grün 漢"])
    member.put(_path(by_path, "grün 漢")).gave(204)
    assert set(member.ids(f"tag={quote('grün 漢')}")) == {by_path, by_body}


#: Tags as they stand in a path, the status, and what the message says.
REFUSED = [
    ("x" * 256, 400, "tag: must be a string of at most 255 characters"),
    (quote("漢" * 256), 400, "tag"),
    (quote("\N{GRINNING FACE}"), 400, "U+1F600"),
    ("%00", 400, "U+0000"),
    ("%FF", 400, "not valid UTF-8"),
    ("%C3%28", 400, "not valid UTF-8"),
    ("%ED%A0%80", 400, "not valid UTF-8"),
    ("", 404, ""),
    ("a/b", 404, ""),
    ("a%2Fb", 404, ""),
]


@pytest.mark.parametrize(("path", "status", "says"), REFUSED)
def test_tags_that_are_none(member: Client, path: str, status: int, says: str) -> None:
    image_id = member.create(tags=["there"])
    url = f"/v2/images/{image_id}/tags/{path}"
    member.put(url).gave(status, says)
    assert member.delete(url).status in (400, 404)
    assert member.image(image_id)["tags"] == ["there"]


#: Who may tag an image of "ours" that is shared with "theirs".
WHO = [
    (ADMIN, 204),
    (MEMBER, 204),
    (READER, 403),
    (ROLELESS, 404),
    (OTHER, 403),
    (STRANGER, 404),
]


@pytest.mark.parametrize(("caller", "status"), WHO)
def test_who_may(site: Site, caller: Caller, status: int) -> None:
    owner = site.of(MEMBER)
    image_id = owner.create(tags=["there"])
    owner.share(image_id, "theirs")
    site.of(caller).put(_path(image_id, "new")).gave(status)
    site.of(caller).put(_path(image_id, "there")).gave(status)
    expected = {"there", "new"} if status == 204 else {"there"}
    assert set(owner.image(image_id)["tags"]) == expected
    site.of(caller).delete(_path(image_id, "there")).gave(status)
    site.of(caller).delete(_path(image_id, "nothing")).gave(404 if status == 204 else status)


def test_an_image_that_is_not_there(member: Client) -> None:
    member.put(_path(NOWHERE, "t")).gave(404)
    member.delete(_path(NOWHERE, "t")).gave(404)


def test_the_quota(make_site: MakeSite) -> None:
    client = make_site({("DEFAULT", "image_tag_quota"): 2}).of(MEMBER)
    image_id = client.create(tags=["a"])
    client.put(_path(image_id, "b")).gave(204)
    client.put(_path(image_id, "c")).gave(413, "tags: at most 2 are allowed")
    client.put(_path(image_id, "b")).gave(204)
    client.delete(_path(image_id, "a")).gave(204)
    client.put(_path(image_id, "c")).gave(204)


def test_tags_of_an_image_with_data(member: Client) -> None:
    image_id = member.create_active(protected=True)
    before = member.image(image_id)
    member.put(_path(image_id, "t")).gave(204)
    after = member.image(image_id)
    assert {**after, "tags": [], "updated_at": before["updated_at"]} == before
