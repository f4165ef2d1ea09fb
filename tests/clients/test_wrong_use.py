"""Who does something wrong reads in the client what it was."""

from pathlib import Path

from tests.clients.conftest import Cloud


def test_data_that_is_refused(cloud: Cloud, disk: Path) -> None:
    mary = cloud.member
    wrong = (
        "The data is in format raw, but disk_format is qcow2: "
        "set the disk_format of the image to that of its data, or convert the data"
    )
    create = ("--disk-format", "qcow2", "--container-format", "bare", "--file", disk)
    shown = mary.openstack("image", "create", "wrong format", *create, status=1)
    assert shown.complaint.startswith("HttpException: 415: Client Error for url:")
    assert shown.complaint.endswith(f"/file, {wrong}\n")
    shown = mary.glance("image-create", "--name", "wrong format", *create, status=1)
    assert shown.complaint == f"HTTP 415 Unsupported Media Type: {wrong}\n"
    id_ = shown.fields["id"]
    assert mary.ask("GET", f"/v2/images/{id_}").json["status"] == "queued"
    assert mary.ask("GET", f"/v2/images/{id_}/file").status == 204


def test_a_size_that_is_not_kept(cloud: Cloud) -> None:
    mary = cloud.member
    id_ = mary.put_image("wrong size")
    upload = ("image-upload", id_, "--size")
    long = mary.glance(*upload, "9", standard_input=b"0123456789", status=1)
    assert long.complaint == (
        "HTTP 400 Bad Request: Size exceeds: expected 9 bytes, got 10 bytes or more\n"
    )
    short = mary.glance(*upload, "11", standard_input=b"0123456789", status=1)
    assert short.complaint == (
        "HTTP 400 Bad Request: Size mismatch: expected 11 bytes, got 10 bytes\n"
    )
    assert mary.ask("GET", f"/v2/images/{id_}").json["status"] == "queued"
    mary.glance(*upload, "10", standard_input=b"0123456789")
    again = mary.glance(*upload, "10", standard_input=b"0123456789", status=1)
    assert again.complaint == (
        f"HTTP 409 Conflict: Image {id_} is active: data can be uploaded to a queued image only\n"
    )


def test_a_protected_image(cloud: Cloud) -> None:
    mary = cloud.member
    id_ = mary.put_image("precious", b"data", protected=True)
    shown = mary.openstack("image", "delete", id_, status=1)
    assert f"Image {id_} is protected: set protected to false first\n" in shown.complaint
    shown = mary.glance("image-delete", id_, status=1)
    assert shown.complaint == f"You are not permitted to delete the image '{id_}'.\n"
    assert mary.ask("GET", f"/v2/images/{id_}/file").body == b"data"


def test_values_that_are_refused(cloud: Cloud) -> None:
    mary = cloud.member
    id_ = mary.put_image("values", b"data")
    too_long = mary.openstack("image", "set", id_, "--name", "a" * 256, status=1)
    assert too_long.complaint.endswith(
        ", name: must be a string of at most 255 characters or null, got a string of 256 "
        "characters\n"
    )
    emoji = mary.openstack("image", "set", id_, "--property", "mood=😀", status=1)
    assert emoji.complaint.endswith(
        ", mood: the character U+1F600 is not supported; use those from U+0001 to U+FFFF\n"
    )
    formats = mary.openstack("image", "set", id_, "--disk-format", "iso", status=1)
    assert formats.complaint.endswith(
        ", disk_format: cannot change once an image has data; this one is active\n"
    )
    ours = mary.openstack("image", "set", id_, "--property", "status=queued", status=1)
    assert ours.complaint.endswith(", 'status' is read-only: leave it out\n")
    negative = mary.glance("image-update", id_, "--min-ram=-5", status=1)
    assert negative.complaint == (
        "HTTP 400 Bad Request: min_ram: must be a whole number from 0 to 2147483647, got -5\n"
    )
    tag = mary.glance("image-tag-delete", id_, "none", status=1)
    assert tag.complaint == f"HTTP 404 Not Found: Image {id_} has no tag 'none'\n"


def test_what_is_not_there(cloud: Cloud) -> None:
    mary = cloud.member
    nowhere = "00000000-0000-4000-8000-00000000dead"
    shown = mary.glance("image-download", nowhere, status=1)
    assert f"There is no image with the id {nowhere}, or you may not see it" in shown.complaint
    assert "No Image found for" in mary.openstack("image", "show", nowhere, status=1).complaint


def test_what_the_role_does_not_allow(keystone_cloud: Cloud) -> None:
    mary, rita, otto = keystone_cloud.member, keystone_cloud.reader, keystone_cloud.other
    id_ = mary.put_image("not theirs", b"data", visibility="private")
    create = ("--disk-format", "raw", "--container-format", "bare")
    not_allowed = "You may not do this: policy rule '{}' does not allow it"

    shown = rita.openstack("image", "create", "forbidden", *create, status=1)
    assert shown.complaint.startswith("ForbiddenException: 403: Client Error for url:")
    assert shown.complaint.endswith(f", {not_allowed.format('add_image')}\n")
    shown = rita.glance("image-create", *create, status=1)
    assert shown.complaint == f"HTTP 403 Forbidden: {not_allowed.format('add_image')}\n"
    shown = rita.openstack("image", "delete", id_, status=1)
    assert f", {not_allowed.format('delete_image')}\n" in shown.complaint
    shown = rita.glance("image-download", id_, status=1)
    assert not_allowed.format("download_image") in shown.complaint
    shown = mary.openstack("image", "set", id_, "--public", status=1)
    assert shown.complaint.endswith(f", {not_allowed.format('publicize_image')}\n")

    assert "No Image found" in otto.openstack("image", "show", id_, status=1).complaint
    shown = otto.glance("image-show", id_, status=1)
    assert shown.complaint == (
        f"HTTP 404 Not Found: There is no image with the id {id_}, or you may not see it\n"
    )


def test_sharing_that_makes_no_sense(keystone_cloud: Cloud) -> None:
    mary, red = keystone_cloud.member, keystone_cloud.projects["red"]
    id_ = mary.put_image("shared badly", b"data", visibility="private")
    shown = mary.openstack("image", "add", "project", id_, red, status=1)
    assert shown.complaint.endswith(f", Only shared images have members; image {id_} is private\n")
    mary.ask(
        "PATCH",
        f"/v2/images/{id_}",
        [{"op": "replace", "path": "/visibility", "value": "shared"}],
        {"Content-Type": "application/openstack-images-v2.1-json-patch"},
    )
    mary.glance("member-create", id_, red)
    shown = mary.openstack("image", "add", "project", id_, red, status=1)
    assert shown.complaint.endswith(f"is already shared with the project '{red}'\n")


def test_a_token_that_is_none(keystone_cloud: Cloud) -> None:
    stranger = keystone_cloud.member.with_glance_environment(
        {"OS_IMAGE_URL": keystone_cloud.url, "OS_AUTH_TOKEN": "garbage"}
    )
    shown = stranger.glance("image-list", status=1)
    assert shown.complaint == "Invalid OpenStack Identity credentials.\n"
