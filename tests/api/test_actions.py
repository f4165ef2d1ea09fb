"""Deactivating and reactivating images over HTTP."""

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


@on_each_engine
def test_an_image_is_closed_and_opened_again(member: Client, admin: Client) -> None:
    image_id = member.create_active(b"data", x="y", tags=["t"])
    image = f"/v2/images/{image_id}"
    before = member.image(image_id)
    for _ in range(2):  # the second time nothing happens
        assert member.post(f"{image}/actions/deactivate").gave(204).body == b""
        closed = {**member.image(image_id), "updated_at": before["updated_at"]}
        assert closed == {**before, "status": "deactivated"}
        member.get(f"{image}/file").gave(403, "deactivated")
        assert admin.get(f"{image}/file").gave(200).body == b"data"
    assert member.ids("status=deactivated") == [image_id]
    for _ in range(2):
        member.post(f"{image}/actions/reactivate").gave(204)
        opened = {**member.image(image_id), "updated_at": before["updated_at"]}
        assert opened == before
        assert member.get(f"{image}/file").gave(200).body == b"data"


def test_an_image_that_is_closed_can_be_changed_and_deleted(member: Client) -> None:
    image_id = member.create_active()
    image = f"/v2/images/{image_id}"
    member.post(f"{image}/actions/deactivate").gave(204)
    member.patch(image, [{"op": "add", "path": "/x", "value": "y"}]).gave(200)
    member.put(f"{image}/tags/t").gave(204)
    member.delete(image).gave(204)


@pytest.mark.parametrize("action", ["deactivate", "reactivate"])
def test_an_image_without_data_is_neither_closed_nor_opened(member: Client, action: str) -> None:
    image_id = member.create()
    member.post(f"/v2/images/{image_id}/actions/{action}").gave(403, f"Image {image_id} is queued")
    assert member.image(image_id)["status"] == "queued"


#: Who may close and open an image of "ours" that is shared with "theirs".
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
    image_id = owner.create_active()
    owner.share(image_id, "theirs")
    for action, other_action, end in [
        ("deactivate", "reactivate", "deactivated"),
        ("reactivate", "deactivate", "active"),
    ]:
        owner.post(f"/v2/images/{image_id}/actions/{other_action}").gave(204)
        before = owner.image(image_id)["status"]
        site.of(caller).post(f"/v2/images/{image_id}/actions/{action}").gave(status)
        assert owner.image(image_id)["status"] == (end if status == 204 else before)


def test_an_image_that_is_not_there(member: Client) -> None:
    for action in ("deactivate", "reactivate"):
        member.post(f"/v2/images/{NOWHERE}/actions/{action}").gave(404)
        member.post(f"/v2/images/x/actions/{action}").gave(404)


def test_an_action_that_is_none(member: Client) -> None:
    member.post(f"/v2/images/{member.create_active()}/actions/explode").gave(404)


def test_an_accepting_member_loses_the_data_of_a_closed_image(
    member: Client, other: Client
) -> None:
    image_id = member.create_active(b"data")
    member.share(image_id, "theirs", "accepted")
    assert other.get(f"/v2/images/{image_id}/file").gave(200).body == b"data"
    member.post(f"/v2/images/{image_id}/actions/deactivate").gave(204)
    other.get(f"/v2/images/{image_id}/file").gave(403)
    assert other.image(image_id)["status"] == "deactivated"
