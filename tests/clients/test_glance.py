"""`glance …`, the released client, does what it says on our service."""

import hashlib
from pathlib import Path

from tests.clients.conftest import Cloud


def test_the_life_of_an_image(cloud: Cloud, disk: Path, tmp_path: Path) -> None:
    mary = cloud.member
    data = disk.read_bytes()
    made = mary.glance(
        *("image-create", "--name", "g life", "--file", disk, "--progress", "--tag", "old"),
        *("--disk-format", "raw", "--container-format", "bare", "--visibility", "private"),
        *("--min-disk", "1", "--property", "colour=red", "--property", "shape=round"),
    ).fields
    id_ = made["id"]
    assert (made["name"], made["status"], made["visibility"]) == ("g life", "active", "private")
    assert (made["size"], made["min_disk"]) == (str(len(data)), "1")
    assert made["checksum"] == hashlib.md5(data).hexdigest()
    assert made["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert (made["colour"], made["shape"], made["tags"]) == ("red", "round", '["old"]')

    changed = mary.glance(
        *("image-update", id_, "--name", "g new", "--min-ram", "64", "--visibility", "shared"),
        *("--property", "colour=blue", "--property", "size_of=3", "--remove-property", "shape"),
    ).fields
    assert (changed["name"], changed["min_ram"], changed["visibility"]) == ("g new", "64", "shared")
    assert (changed["colour"], changed["size_of"]) == ("blue", "3")
    assert "shape" not in changed
    assert "'new'" in mary.glance("image-tag-update", id_, "new").rows[0]["Tags"]
    mary.glance("image-tag-delete", id_, "old")
    mary.glance("image-deactivate", id_)
    shown = mary.glance("image-show", id_).fields
    assert (shown["status"], shown["tags"]) == ("deactivated", '["new"]')
    mary.glance("image-reactivate", id_)

    copy = tmp_path / "copy"
    mary.glance("image-download", id_, "--file", copy, "--progress")
    assert copy.read_bytes() == data
    mary.glance("image-delete", id_)
    assert (
        "HTTP 404 Not Found: There is no image with the id"
        in mary.glance("image-show", id_, status=1).complaint
    )


def test_data_for_an_image_that_waits(cloud: Cloud, disk: Path) -> None:
    mary = cloud.member
    waiting = mary.glance(
        *("image-create", "--name", "waits", "--disk-format", "raw", "--container-format", "bare")
    ).fields
    assert waiting["status"] == "queued"
    size = str(disk.stat().st_size)
    shown = mary.glance_at_terminal(
        *("image-upload", waiting["id"], "--file", str(disk), "--size", size, "--progress")
    )
    assert "[=============================>] 100%" in shown
    assert mary.glance("image-download", waiting["id"]).raw == disk.read_bytes()


def test_data_from_a_pipe(cloud: Cloud) -> None:
    mary = cloud.member
    id_ = mary.put_image("piped")
    mary.glance("image-upload", id_, "--size", "7", standard_input=b"a stick"[:7])
    shown = mary.glance("image-show", id_).fields
    assert (shown["status"], shown["size"]) == ("active", "7")


def test_lists(cloud: Cloud) -> None:
    mary = cloud.member
    tags = ["g-listed"]
    ids = [mary.put_image(f"g-list-{name}", tags=tags, colour="red") for name in "abc"]
    mary.put_image("g-list-d", tags=tags)
    wanted = ("--tag", "g-listed", "--property-filter", "colour=red")
    # Page by page, in the order of the service.
    walked = mary.glance("image-list", *wanted, "--sort", "name:desc", "--page-size", "1").rows
    assert [row["ID"] for row in walked] == ids[::-1]
    [row] = mary.glance(
        *("--verbose", "image-list", *wanted, "--sort-key", "name", "--limit", "1"),
        *("--visibility", "shared"),
    ).rows
    assert (row["ID"], row["Name"], row["Status"]) == (ids[2], "g-list-c", "queued")


def test_members(cloud: Cloud) -> None:
    mary, otto, red = cloud.member, cloud.other, cloud.projects["red"]
    id_ = mary.put_image("g shared", b"data")
    pending = {"Image ID": id_, "Member ID": red, "Status": "pending"}
    assert mary.glance("member-create", id_, red).rows == [pending]
    accepted = {**pending, "Status": "accepted"}
    assert otto.glance("member-update", id_, red, "accepted").rows == [accepted]
    assert mary.glance("member-list", "--image-id", id_).rows == [accepted]
    assert otto.glance("member-get", id_, red).fields["status"] == "accepted"
    assert otto.glance("image-download", id_).raw == b"data"
    mary.glance("member-delete", id_, red)
    assert mary.glance("member-list", "--image-id", id_).rows == []


def test_what_the_service_offers(cloud: Cloud) -> None:
    mary = cloud.member
    methods = mary.glance("import-info").fields["import-methods"]
    assert '"glance-direct"' in methods
    complaint = mary.glance("stores-info", status=1).complaint
    assert complaint == "Multi Backend support is not enabled\n"
    described = {
        row["Attribute"]: row["Description"] for row in mary.glance("explain", "image").rows
    }
    assert described["min_disk"] == "GiB of disk a server needs at least"
    assert mary.glance("--os-image-url", cloud.url, "usage").rows == []
