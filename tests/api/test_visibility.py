"""Who sees what in the list of images, over HTTP, as a matrix."""

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.api.cases import (
    ADMIN,
    HOMELESS,
    MEMBER,
    READER,
    ROLELESS,
    Caller,
    Client,
    Site,
    on_each_engine,
    who,
)
from tests.api.conftest import MakeSite

#: All images of the matrix: owner, visibility, and what "ours" answered as a member.
KINDS = {
    "own private": ("ours", "private", None),
    "own shared": ("ours", "shared", None),
    "own community": ("ours", "community", None),
    "own public": ("ours", "public", None),
    "private": ("theirs", "private", None),
    "shared": ("theirs", "shared", None),
    "shared pending": ("theirs", "shared", "pending"),
    "shared accepted": ("theirs", "shared", "accepted"),
    "shared rejected": ("theirs", "shared", "rejected"),
    "community": ("theirs", "community", None),
    "public": ("theirs", "public", None),
    # A member of what was shared once: made private or public since.
    "once shared": ("theirs", "private", "accepted"),
    "now public": ("theirs", "public", "pending"),
}
OWN = {kind for kind in KINDS if kind.startswith("own ")}
THEIRS = set(KINDS) - OWN
PUBLIC = {"own public", "public", "now public"}
COMMUNITY = {"own community", "community"}
PRIVATE = {"own private", "private", "once shared"}
SHARED = {kind for kind, (_, visibility, _) in KINDS.items() if visibility == "shared"}
ANSWERED = {"accepted": {"shared accepted"}, "pending": {"shared pending"}}
ANSWERED |= {
    "rejected": {"shared rejected"},
    "all": {f"shared {s}" for s in ("accepted", "pending", "rejected")},
}

#: Caller, visibility (None: no such filter), member_status: what is listed.
MATRIX: list[tuple[Caller, str | None, str | None, set[str]]] = [
    *((ADMIN, None, status, set(KINDS) - COMMUNITY) for status in (None, "pending", "all")),
    (ADMIN, "public", None, PUBLIC),
    (ADMIN, "private", None, PRIVATE),
    (ADMIN, "shared", None, SHARED),
    (ADMIN, "community", None, COMMUNITY),
    (ADMIN, "all", None, set(KINDS)),
    *(
        (caller, visibility, status, expected)
        for caller in (MEMBER, READER)
        for status, offered in [(None, ANSWERED["accepted"]), *ANSWERED.items()]
        for visibility, expected in {
            None: OWN | PUBLIC | offered,
            "public": PUBLIC,
            "private": {"own private"},
            "shared": {"own shared"} | offered,
            "community": COMMUNITY,
            "all": OWN | PUBLIC | COMMUNITY | offered,
        }.items()
    ),
    (who("elsewhere", "reader"), None, "all", PUBLIC),
    (who("elsewhere", "reader"), "all", None, PUBLIC | COMMUNITY),
    (who("elsewhere", "reader"), "private", None, set()),
    (who("elsewhere", "reader"), "shared", "all", set()),
    # An administrator of the project that owns some of them sees its community images too.
    (who("theirs", "admin", is_admin=True), None, None, set(KINDS) - {"own community"}),
]


@pytest.fixture
def kinds(admin: Client) -> dict[str, str]:
    """One image of each kind; the ids by what they are."""
    ids = {}
    for kind, (owner, visibility, status) in KINDS.items():
        ids[kind] = admin.create(owner=owner, visibility="shared", name=kind)
        if status:
            admin.share(ids[kind], "ours", status)
        if visibility != "shared":
            changed = [{"op": "replace", "path": "/visibility", "value": visibility}]
            admin.patch(f"/v2/images/{ids[kind]}", changed).gave(200)
    return ids


@on_each_engine
def test_who_sees_what(site: Site, kinds: dict[str, str]) -> None:
    names = {image_id: kind for kind, image_id in kinds.items()}
    for caller, visibility, status, expected in MATRIX:
        query = {"visibility": visibility, "member_status": status}
        wanted = urlencode({name: value for name, value in query.items() if value})
        listed = [names[image_id] for image_id in site.of(caller).ids(wanted)]
        assert sorted(listed) == sorted(expected), (caller, query)


@on_each_engine
def test_hidden_images_stand_in_place_of_the_others(site: Site, kinds: dict[str, str]) -> None:
    admin = site.of(ADMIN)
    hide = [{"op": "replace", "path": "/os_hidden", "value": True}]
    for image_id in kinds.values():
        admin.patch(f"/v2/images/{image_id}", hide).gave(200)
    shown = admin.create(visibility="public")
    names = {image_id: kind for kind, image_id in kinds.items()}
    for caller, visibility, status, expected in MATRIX:
        query = {"visibility": visibility, "member_status": status, "os_hidden": "true"}
        wanted = urlencode({name: value for name, value in query.items() if value})
        assert {names[image_id] for image_id in site.of(caller).ids(wanted)} == expected
        seen = site.of(caller).ids(wanted.replace("os_hidden=true", ""))
        assert set(seen) <= {shown}


@on_each_engine
def test_the_owner_filter_shows_no_more(site: Site, kinds: dict[str, str]) -> None:
    names = {image_id: kind for kind, image_id in kinds.items()}
    for caller, query, expected in [
        (ADMIN, "owner=theirs", THEIRS - {"community"}),
        (ADMIN, "owner=theirs&visibility=all", THEIRS),
        (MEMBER, "owner=theirs", {"public", "now public", "shared accepted"}),
        (MEMBER, "owner=theirs&visibility=community", {"community"}),
        (MEMBER, "owner=theirs&visibility=private", set()),
        (MEMBER, "owner=ours", OWN),
    ]:
        assert {names[image_id] for image_id in site.of(caller).ids(query)} == expected, query


@on_each_engine
def test_a_member_that_left_sees_it_no_more(site: Site, kinds: dict[str, str]) -> None:
    shared = kinds["shared accepted"]
    member = site.of(MEMBER)
    assert shared in member.ids()
    site.of(ADMIN).delete(f"/v2/images/{shared}/members/ours").gave(204)
    assert shared not in member.ids("visibility=all&member_status=all")


#: Who may list at all.
@pytest.mark.parametrize(
    ("caller", "status"),
    [(ADMIN, 200), (READER, 200), (ROLELESS, 403), (HOMELESS, 403), (None, 401)],
)
def test_who_may_list(site: Site, caller: Caller | None, status: int) -> None:
    site.of(caller).get("/v2/images").gave(status)


def test_rows_that_the_policy_denies_are_left_out_and_the_next_page_is_found(
    make_site: MakeSite, tmp_path: Any
) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text('"get_image": "\'yes\':%(shown)s"\n')
    client = make_site(text=f"[oslo_policy]\npolicy_file = {rules}\n").of(ADMIN)
    ids = []
    for number in range(6):
        body = {"name": str(number), "shown": "yes" if number % 3 == 0 else "no"}
        ids.append(client.post("/v2/images", body).gave(201).json["id"])
    page = client.get("/v2/images?sort=name:asc&limit=2").gave(200).json
    assert [image["name"] for image in page["images"]] == ["0"]
    assert list(client.walk(page["next"])) == [ids[3]]
