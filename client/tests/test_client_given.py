"""Data that is given, or fetched: what it is, whether there is any, what is left of failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import Terminal

from calotype_client import Client
from calotype_client.errors import Error
from tests.imports.web import Web, page


def disk_image(folder: Path, kind: str) -> bytes:
    """An empty disk in a format, as the service lets it in; an ISO only begins like one."""
    if kind == "iso":
        return bytes(0x8000) + b"\x01CD001\x01" + bytes(2041)
    return qcow2()


def qcow2() -> bytes:
    """The header of an empty qcow2 disk, version 2, and its tables."""
    head = b"QFI\xfb" + (2).to_bytes(4, "big") + bytes(12) + (16).to_bytes(4, "big")
    head += (1 << 20).to_bytes(8, "big") + bytes(4) + (1).to_bytes(4, "big")
    head += (0x30000).to_bytes(8, "big") + (0x10000).to_bytes(8, "big") + (1).to_bytes(4, "big")
    return head.ljust(0x40000, b"\0")


@pytest.mark.parametrize("way", ["create", "upload", "upload a file", "stage"])
def test_what_data_is_is_seen_on_a_pipe_too(anybody: Terminal, way: str) -> None:
    name = f"seen-{way}"
    if way == "create":
        anybody.type("image", "create", name, "--file", "-", stdin=qcow2())
    else:
        made = anybody.json("image", "create", name)
        assert made.get("disk_format") is None
        (anybody.folder / "disk").write_bytes(qcow2())
        file = ("--file", "disk") if way == "upload a file" else ()
        anybody.type("image", way.split()[0], name, *file, stdin=None if file else qcow2())
    shown = anybody.json("image", "show", name)
    assert (shown["disk_format"], shown["container_format"]) == ("qcow2", "bare")


def test_an_iso_is_seen_and_what_is_said_counts(anybody: Terminal) -> None:
    (anybody.folder / "disk").write_bytes(disk_image(anybody.folder, "iso"))
    made = anybody.json("image", "create", "iso", "--file", "disk")
    assert (made["disk_format"], made["status"]) == ("iso", "active")
    anybody.type("image", "create", "said", "--disk-format", "raw")
    anybody.type("image", "upload", "said", stdin=qcow2())
    assert anybody.json("image", "show", "said")["disk_format"] == "raw"


def test_an_import_needs_to_know_what_data_is(anybody: Terminal, web: Web) -> None:
    web.pages["/nobody-knows"] = page(qcow2())
    web.pages["/disk.qcow2"] = page(qcow2())
    anybody.type("image", "create", "fetched")
    how = ("image", "import", "fetched", "--method", "web-download", "--wait", "--uri")
    said = anybody.complaint(*how, f"{web.url}/nobody-knows", status=2)
    assert "--disk-format" in said
    shown = anybody.json(*how, f"{web.url}/disk.qcow2")
    assert (shown["name"], shown["status"]) == ("fetched", "active")
    assert shown["disk_format"] == "qcow2"
    anybody.type("image", "create", "fetched-2")
    how = ("image", "import", "fetched-2", "--method", "web-download", "--wait", "--uri")
    shown = anybody.json(*how, f"{web.url}/nobody-knows", "--disk-format", "qcow2")
    assert shown["disk_format"] == "qcow2"


def test_an_empty_pipe_is_no_data(anybody: Terminal) -> None:
    for words in (("create", "void", "--file", "-"), ("upload", "void-2"), ("stage", "void-2")):
        if words[0] == "upload":
            anybody.type("image", "create", "void-2")
        said = anybody.complaint("image", *words, status=2)
        assert said == "stdin is empty; if it is meant to be, say --size 0"
    assert anybody.json("image", "list", "--name", "void") == []
    assert anybody.json("image", "show", "void-2")["status"] == "queued"
    anybody.type("image", "upload", "void-2", "--size", "0")
    assert anybody.json("image", "show", "void-2")["status"] == "active"


def test_dev_null_is_no_data(anybody: Terminal) -> None:
    anybody.type("image", "create", "null")
    done = subprocess.run(
        [sys.executable, "-m", "calotype_client", "image", "upload", "null"],
        env=anybody.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ERROR: stdin is empty")


def test_a_protected_image_is_not_left_over(anybody: Terminal, disk: Path) -> None:
    how = ("image", "create", "guarded", "--protected", "--file", disk)
    anybody.complaint(*how, "--size", "5")
    assert anybody.json("image", "list", "--name", "guarded") == []
    assert anybody.json(*how)["protected"] is True


def test_create_and_fetch(anybody: Terminal, web: Web, disk: Path) -> None:
    web.pages["/disk.raw"] = page(disk.read_bytes())
    there = ("--uri", f"{web.url}/disk.raw")
    shown = anybody.type(
        *("-v", "image", "create", "at-once", *there, "--store", "far", "--wait", "-f", "json")
    )
    made = json.loads(shown.text)
    assert (made["status"], made["disk_format"]) == ("active", "raw")
    assert (made["size"], made["stores"]) == (disk.stat().st_size, ["far"])
    assert f"INFO: Image {made['id']} is made" in shown.complaint
    assert "success" in shown.complaint

    made = anybody.json("image", "create", "later", *there)
    assert made["status"] in ("importing", "active")


def test_what_cannot_be_fetched(anybody: Terminal, web: Web, disk: Path) -> None:
    def create(*words: str, status: int = 1) -> str:
        return anybody.type("image", "create", "unborn", *words, status=status).complaint

    # What the service may not fetch is refused before it begins: the image is gone again.
    assert "ERROR" in create("--uri", "http://192.0.2.1/disk.raw")
    assert "--disk-format" in create("--uri", f"{web.url}/disk", status=2)
    assert "--file" in create("--uri", f"{web.url}/disk.raw", "--file", str(disk), status=2)
    assert "--uri" in create("--wait", status=2)
    assert anybody.json("image", "list", "--name", "unborn") == []
    # What fails later has a task that says why.
    assert "404" in create("--uri", f"{web.url}/gone.raw", "--wait")
    [left] = anybody.json("image", "list", "--name", "unborn")
    assert anybody.json("image", "tasks", left["ID"])[0]["Status"] == "failure"


def test_verify_what_a_pipe_gives(anybody: Terminal, disk: Path) -> None:
    id_ = anybody.json("image", "create", "piped", "--file", disk)["id"]
    data = disk.read_bytes()
    shown = anybody.json("image", "verify", id_, "--file", "-", stdin=data)
    assert (shown["size"], shown["result"]) == (len(data), "right")
    said = anybody.complaint("image", "verify", id_, "--file", "-", stdin=data[:-1])
    assert said.startswith("stdin is not the data of image")
    drawn = anybody.watched("image", "verify", id_, "--file", disk)
    assert "3.0/3.0 MiB" in drawn


def test_names_that_no_header_carries(anybody: Terminal, client: Client, disk: Path) -> None:
    for name in ("名", "a\nb", ""):
        said = anybody.type("image", "upload", "x", "--store", name, status=2).complaint
        assert "argument --store: " in said
    image = client.images.create(name="header", disk_format="raw", container_format="bare")
    for name in ("名", "a\nb"):
        with disk.open("rb") as file, pytest.raises(Error, match="cannot be sent"):
            client.data.upload(image, file, store=name)


def test_a_source_that_cannot_be_read(client: Client, anybody: Terminal) -> None:
    class Torn:
        def read(self, size: int = -1, /) -> bytes:
            raise OSError(5, os.strerror(5))

    image = client.images.create(name="torn", disk_format="raw", container_format="bare")
    with pytest.raises(Error, match="cannot be read: Input/output error"):
        client.data.upload(image, Torn())
    # Where nothing is mapped, nothing can be read.
    said = anybody.complaint("image", "create", "torn-2", "--file", "/proc/self/mem")
    assert said == "/proc/self/mem cannot be read: Input/output error"
