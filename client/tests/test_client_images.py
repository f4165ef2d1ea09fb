"""`calotype image …` without identity: what is typed, what is shown, how it ends."""

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from terminal import Terminal

from calotype_client import Client
from calotype_client.model import Image
from tests.service import Service


def test_from_a_file_and_back(anybody: Terminal, disk: Path) -> None:
    made = anybody.json("image", "create", "round", "--file", disk, "--tag", "b", "--tag", "a")
    digest = hashlib.sha512(disk.read_bytes()).hexdigest()
    assert (made["status"], made["size"]) == ("active", disk.stat().st_size)
    assert (made["os_hash_value"], made["tags"]) == (digest, ["a", "b"])
    assert (made["disk_format"], made["container_format"]) == ("raw", "bare")

    shown = anybody.type("image", "save", "round", "--file", "back.raw")
    assert (shown.text, shown.complaint) == ("", "")
    assert (anybody.folder / "back.raw").read_bytes() == disk.read_bytes()
    assert [path.name for path in anybody.folder.iterdir()] == ["back.raw"]
    assert anybody.type("image", "save", made["id"]).raw == disk.read_bytes()


def test_each_format_of_output(anybody: Terminal) -> None:
    id_ = anybody.json("image", "create", "formats", "--property", "os_distro=debian")["id"]
    named = ("image", "list", "--name", "formats", "-c", "ID", "-c", "Status")
    assert anybody.json(*named) == [{"ID": id_, "Status": "queued"}]
    assert anybody.type(*named, "-f", "value").text == f"{id_} queued\n"
    assert anybody.type(*named, "-f", "csv").text == f'"ID","Status"\n"{id_}","queued"\n'
    assert anybody.type(*named, "-f", "yaml").text == f"- ID: {id_}\n  Status: queued\n"
    assert f"| {id_} | queued |" in anybody.type(*named).text
    shown = anybody.type("image", "show", "formats", "-c", "properties", "-f", "table").text
    assert "os_distro=debian" in shown
    assert anybody.json("image", "show", "formats")["properties"] == {"os_distro": "debian"}


def test_the_size_of_a_pipe_is_declared_or_unknown(anybody: Terminal, disk: Path) -> None:
    data, size = disk.read_bytes(), str(disk.stat().st_size)
    for name, more in (("told", ("--size", size)), ("untold", ())):
        anybody.type("image", "create", name)
        anybody.type("image", "upload", name, *more, stdin=data)
        shown = anybody.json("image", "show", name)
        assert (shown["status"], shown["size"]) == ("active", len(data))


@pytest.mark.parametrize("size", [5, 9_999_999])
def test_a_wrong_size_is_one_line(anybody: Terminal, disk: Path, size: int) -> None:
    name = f"wrong-{size}"
    said = anybody.complaint("image", "create", name, "--file", disk, "--size", str(size))
    assert said.startswith("Size ") and str(size) in said
    anybody.type("image", "create", name)
    said = anybody.complaint("image", "upload", name, "--size", str(size), stdin=disk.read_bytes())
    assert said.startswith("Size ") and str(size) in said
    # The one that `create` began is not left over.
    [left] = anybody.json("image", "list", "--name", name)
    assert left["Status"] == "queued"


def test_wrong_use(anybody: Terminal) -> None:
    assert (
        "'many' is no count of bytes"
        in anybody.type("image", "upload", "x", "--size", "many", status=2).complaint
    )
    assert (
        "KEY=VALUE" in anybody.type("image", "create", "x", "--property", "y", status=2).complaint
    )
    anybody.type("image", "shwo", "x", status=2)
    anybody.type(status=2)
    said = anybody.complaint("image", "create", "x", "--file", "missing.raw")
    assert said == "missing.raw cannot be read: No such file or directory"
    assert anybody.json("image", "list", "--name", "x") == []


def test_names_and_ids(anybody: Terminal) -> None:
    assert anybody.complaint("image", "show", "nobody", status=3) == (
        "There is no image with the name or id 'nobody'"
    )
    first, second = (anybody.json("image", "create", "twins")["id"] for _ in range(2))
    said = anybody.complaint("image", "show", "twins")
    assert said.startswith("2 images are named 'twins'; say which id: ")
    assert first in said and second in said
    for name in ("with, comma", 'with "quotes"', "in:colon", "naïve ☂"):
        anybody.type("image", "create", name)
        assert anybody.json("image", "show", name)["name"] == name
    unknown = "99999999-0000-4000-8000-000000000000"
    assert unknown in anybody.complaint("image", "show", unknown, status=3)


def test_set_and_unset(anybody: Terminal) -> None:
    id_ = anybody.json("image", "create", "plain", "--tag", "one", "--property", "a/b~c=1")["id"]
    anybody.type(
        *("image", "set", "plain", "--name", "fancy", "--min-disk", "3", "--public"),
        *("--protected", "--tag", "two", "--property", "os_distro=debian", "--hidden"),
    )
    shown = anybody.json("image", "show", id_)
    assert (shown["name"], shown["min_disk"], shown["visibility"]) == ("fancy", 3, "public")
    assert (shown["protected"], shown["os_hidden"]) == (True, True)
    assert sorted(shown["tags"]) == ["one", "two"]
    assert shown["properties"] == {"a/b~c": "1", "os_distro": "debian"}
    assert "protected" in anybody.complaint("image", "delete", id_, status=4)

    anybody.type("image", "set", id_, "--unprotected", "--unhidden")
    left = anybody.json("image", "unset", id_, "--tag", "one", "--property", "a/b~c")
    assert (left["tags"], left["properties"]) == (["two"], {"os_distro": "debian"})
    said = anybody.complaint("image", "unset", id_, "--tag", "one")
    assert said == f"Image {id_} has no tag one"


def test_deactivate(anybody: Terminal, disk: Path) -> None:
    id_ = anybody.json("image", "create", "held", "--file", disk)["id"]
    assert anybody.json("image", "set", id_, "--deactivate")["status"] == "deactivated"
    assert anybody.json("image", "set", id_, "--activate")["status"] == "active"


def test_delete_goes_on(anybody: Terminal) -> None:
    anybody.type("image", "create", "doomed")
    said = anybody.type("image", "delete", "nobody", "doomed", "nothing", status=3).complaint
    assert said.splitlines() == [
        "ERROR: There is no image with the name or id 'nobody'",
        "ERROR: There is no image with the name or id 'nothing'",
    ]
    assert anybody.json("image", "list", "--name", "doomed") == []


def test_a_list_goes_over_pages(anybody: Terminal, client: Client) -> None:
    made = {client.images.create(name="paged", tags=["paged"]).id for _ in range(5)}
    pages = client.calls.pages("/v2/images", Image.page, {"limit": 2, "tag": "paged"})
    assert {image.id for image in pages} == made
    listed = anybody.json("image", "list", "--tag", "paged", "--limit", "3", "--long")
    assert len(listed) == 3
    assert listed[0]["Tags"] == ["paged"]


def test_the_disk_format_is_seen(anybody: Terminal) -> None:
    (anybody.folder / "disk").write_bytes(b"QFI\xfb" + bytes(500))
    # The service looks closer than the client: this is the beginning of a disk and no more.
    said = anybody.complaint("image", "create", "qcow", "--file", "disk")
    assert "qcow2" in said


def test_a_compressed_file_is_uploaded_as_what_it_reads(client: Client, tmp_path: Path) -> None:
    (tmp_path / "disk.gz").write_bytes(gzip.compress(b"some data" * 1000))
    image = client.images.create(name="gz", disk_format="raw", container_format="bare")
    with gzip.open(tmp_path / "disk.gz") as file:
        client.data.upload(image, file)
    assert client.images.get(image.id).size == 9000


def test_from_where_the_file_is(client: Client, disk: Path) -> None:
    image = client.images.create(name="rest", disk_format="raw", container_format="bare")
    told: list[int] = []
    with disk.open("rb") as file:
        file.read(1000)
        client.data.upload(image, file, progress=told.append)
        assert file.read() == b""
    rest = disk.read_bytes()[1000:]
    assert sum(told) == len(rest)
    assert client.images.get(image.id).checksum == hashlib.md5(rest).hexdigest()


def test_verify(anybody: Terminal, disk: Path, open_service: Service) -> None:
    id_ = anybody.json("image", "create", "checked", "--file", disk)["id"]
    assert anybody.json("image", "verify", id_)["verified_by"] == "sha512"
    assert anybody.json("image", "verify", id_, "--file", disk)["result"] == "right"
    (anybody.folder / "other").write_bytes(b"something else")
    said = anybody.complaint("image", "verify", id_, "--file", "other")
    assert said == f"other is not the data of image {id_}: its sha512 differs"

    anybody.type("cache", "delete", id_)
    stored = open_service.folder / "fast" / id_
    stored.write_bytes(bytes(stored.stat().st_size))
    said = anybody.complaint("image", "save", id_, "--file", "no")
    # Whoever sees it first: the service, as it fills its cache, or the client.
    assert "does not match its digests" in said or "is not what its sha512 says" in said
    assert not (anybody.folder / "no").exists()


def test_no_data_yet(anybody: Terminal) -> None:
    id_ = anybody.json("image", "create", "empty")["id"]
    said = anybody.complaint("image", "save", id_, "--file", "empty")
    assert said == f"Image {id_} is queued: it has no data yet"


def test_into_a_device_or_a_folder_that_is_not_there(anybody: Terminal, disk: Path) -> None:
    anybody.type("image", "create", "somewhere", "--file", disk)
    anybody.type("image", "save", "somewhere", "--file", "/dev/null")
    assert Path("/dev/null").is_char_device()
    said = anybody.complaint("image", "save", "somewhere", "--file", "no/where")
    assert said == "no/where cannot be written: No such file or directory"


def test_bars_on_a_terminal_only(anybody: Terminal, disk: Path) -> None:
    drawn = anybody.watched("image", "create", "drawn", "--file", disk, "-c", "status")
    assert "drawn" in drawn and "3.0/3.0 MiB" in drawn and "active" in drawn
    drawn = anybody.watched("image", "save", "drawn", "--file", "drawn.raw")
    assert "3.0/3.0 MiB" in drawn


def test_requests_are_shown_without_secrets(anybody: Terminal, disk: Path) -> None:
    shown = anybody.type("--debug", "image", "create", "seen", "--file", disk, "-f", "json")
    assert json.loads(shown.text)["status"] == "active"
    assert "/v2/images" in shown.complaint
    assert "PUT http" in shown.complaint and "x-openstack-image-size" in shown.complaint


def test_nobody_is_there(anybody: Terminal) -> None:
    alone = anybody.having(OS_ENDPOINT="http://127.0.0.1:9")
    # Not `list`: what is only read is tried again, which takes its time.
    assert "127.0.0.1:9" in alone.complaint("image", "create", "alone")
    said = alone.having(OS_CLOUD="unknown").complaint("image", "list", status=2)
    assert "unknown" in said


def test_help(anybody: Terminal) -> None:
    assert "image create" in anybody.type("--help").text
    shown = anybody.type("image", "save", "--help").text
    assert "example: calotype image save debian-13 --file debian-13.qcow2" in shown
    assert "image" in anybody.type("complete", "--shell", "bash").text
