"""`openstack image …`, the released client, does what it says on our service."""

import hashlib
from pathlib import Path

from tests.clients.conftest import Cloud


def test_the_life_of_an_image(cloud: Cloud, disk: Path, tmp_path: Path) -> None:
    mary = cloud.member
    made = mary.openstack(
        *("image", "create", "life", "--file", disk, "--disk-format", "raw"),
        *("--container-format", "bare", "--private", "--min-disk", "1", "--min-ram", "64"),
        *("--tag", "old", "--tag", "ümläut", "--property", "os_type=linux"),
        *("--property", "a key=a value", "--progress", "-f", "json"),
    ).json
    data = disk.read_bytes()
    assert made["status"] == "active"
    assert made["visibility"] == "private"
    assert made["protected"] is False
    assert made.get("owner") == (cloud.projects["blue"] if cloud.identity == "keystone" else None)
    assert (made["size"], made["virtual_size"]) == (len(data), len(data))
    assert (made["min_disk"], made["min_ram"]) == (1, 64)
    assert made["checksum"] == hashlib.md5(data).hexdigest()
    assert sorted(made["tags"]) == ["old", "ümläut"]
    properties = made["properties"]
    assert properties["os_type"] == "linux"
    assert properties["a key"] == "a value"
    assert properties["os_hash_algo"] == "sha512"
    assert properties["os_hash_value"] == hashlib.sha512(data).hexdigest()

    mary.openstack(
        *("image", "set", "life", "--name", "new life", "--min-ram", "128", "--shared"),
        *("--tag", "new", "--property", "os_type=hurd", "--property", "more=less"),
        *("--os-distro", "debian", "--hidden"),
    )
    mary.openstack("image", "unset", made["id"], "--tag", "old", "--property", "a key")
    shown = mary.openstack("image", "show", made["id"], "-f", "json").json
    assert (shown["name"], shown["min_ram"]) == ("new life", 128)
    assert shown["visibility"] == "shared"
    assert sorted(shown["tags"]) == ["new", "ümläut"]
    changed = {"os_type": "hurd", "more": "less", "os_distro": "debian", "os_hidden": True}
    assert changed.items() <= shown["properties"].items()
    assert "a key" not in shown["properties"]
    assert shown["checksum"] == made["checksum"]

    copy = tmp_path / "copy"
    mary.openstack("image", "save", made["id"], "--file", copy)
    assert copy.read_bytes() == data
    assert mary.openstack("image", "save", made["id"]).raw == data

    mary.openstack("image", "delete", made["id"])
    assert "No Image found for" in mary.openstack("image", "show", made["id"], status=1).complaint


def test_lists(cloud: Cloud) -> None:
    mary = cloud.member
    small = mary.put_image("list-a", b"1", tags=["listed"], visibility="private")
    large = mary.put_image("list-b", b"12345", tags=["listed", "big"], colour="red")
    waiting = mary.put_image("list-c", tags=["listed"], os_hidden=False, colour="blue")
    hidden = mary.put_image("list-d", tags=["listed"], os_hidden=True)

    def ids(*options: str) -> list[str]:
        """The ids that `openstack image list` shows of the images of this test."""
        shown = mary.openstack("image", "list", "--tag", "listed", "-f", "json", *options)
        return [row["ID"] for row in shown.json]

    every = [small, large, waiting]
    assert ids("--sort", "name:asc") == every
    # One by one: that client sorts each page anew, and a marker is the end of a page.
    [first] = ids("--limit", "1")
    rest = ids("--limit", "2", "--marker", first)
    assert sorted([first, *rest]) == sorted(every)
    red = ("--name", "list-b", "--property", "colour=red", "--shared", "--tag", "big")
    assert ids(*red) == [large]
    assert ids("--status", "queued", "--property", "colour=blue") == [waiting]
    assert ids("--hidden") == [hidden]
    long = mary.openstack("image", "list", "--private", "--tag", "listed", "--long", "-f", "json")
    [row] = long.json
    assert (row["ID"], row["Size"], row["Disk Format"]) == (small, 1, "raw")
    assert (row["Visibility"], row["Status"], row["Tags"]) == ("private", "active", ["listed"])
    assert row["Checksum"] == hashlib.md5(b"1").hexdigest()
    mary.openstack("image", "delete", small, large, waiting, hidden)
    left = mary.ask("GET", "/v2/images?tag=listed&os_hidden=true").json["images"]
    assert left + mary.ask("GET", "/v2/images?tag=listed").json["images"] == []


def test_a_deactivated_image_keeps_its_data_to_itself(cloud: Cloud, tmp_path: Path) -> None:
    mary = cloud.member
    id_ = mary.put_image("closed", b"data")
    copy = tmp_path / "copy"
    mary.openstack("image", "set", id_, "--deactivate")
    shown = mary.openstack("image", "show", id_, "-f", "value", "-c", "status")
    assert shown.text == "deactivated\n"
    if cloud.identity == "keystone":  # without it, everybody is an admin, who may
        # That client takes the refusal for the data, and says that the digest is wrong.
        mary.openstack("image", "save", id_, "--file", copy, status=1)
    cloud.admin.openstack("image", "save", id_, "--file", copy)
    assert copy.read_bytes() == b"data"
    mary.openstack("image", "set", id_, "--activate")
    mary.openstack("image", "save", id_, "--file", copy)
    assert copy.read_bytes() == b"data"


def test_who_sees_what(keystone_cloud: Cloud) -> None:
    admin, mary, otto = keystone_cloud.admin, keystone_cloud.member, keystone_cloud.other
    tagged = ["seen"]
    public = admin.put_image("seen-public", b"1", visibility="public", tags=tagged)
    community = mary.put_image("seen-community", b"1", visibility="community", tags=tagged)
    private = mary.put_image("seen-private", b"1", visibility="private", tags=tagged)

    def ids(*options: str) -> set[str]:
        shown = otto.openstack("image", "list", "--tag", "seen", "-f", "json", *options)
        return {row["ID"] for row in shown.json}

    assert ids() == {public}
    assert ids("--community") == {community}
    assert ids("--all") == {public, community}
    assert otto.openstack("image", "save", community).raw == b"1"
    assert "No Image found" in otto.openstack("image", "show", private, status=1).complaint
    assert private in {
        row["ID"] for row in admin.openstack("image", "list", "--private", "-f", "json").json
    }
    admin.openstack("image", "set", private, "--project", "red")
    assert ids("--private") == {private}


def test_sharing_with_a_project(keystone_cloud: Cloud) -> None:
    mary, otto = keystone_cloud.member, keystone_cloud.other
    red = keystone_cloud.projects["red"]
    id_ = mary.put_image("shared", b"data")
    made = mary.openstack("image", "add", "project", id_, red, "-f", "json").json
    assert (made["image_id"], made["member_id"], made["status"]) == (id_, red, "pending")

    def ids(*options: str) -> list[str]:
        shown = otto.openstack("image", "list", "--name", "shared", "-f", "json", *options)
        return [row["ID"] for row in shown.json]

    assert ids() == []
    assert ids("--shared", "--member-status", "pending") == [id_]
    otto.openstack("image", "set", id_, "--accept")
    assert ids("--shared") == [id_]
    listed = mary.openstack("image", "member", "list", id_, "-f", "json").json
    assert listed == [{"Image ID": id_, "Member ID": red, "Status": "accepted"}]
    shown = otto.openstack("image", "member", "get", id_, red, "-f", "json").json
    assert shown["status"] == "accepted"
    mary.openstack("image", "remove", "project", id_, red)
    assert "No Image found" in otto.openstack("image", "show", id_, status=1).complaint


def test_what_the_service_offers(cloud: Cloud) -> None:
    mary = cloud.member
    offered = mary.openstack("image", "import", "info", "-f", "json").json
    assert "glance-direct" in offered["import-methods"]
    complaint = mary.openstack("image", "stores", "list", status=1).complaint
    assert complaint == "Multi Backend support not enabled\n"
