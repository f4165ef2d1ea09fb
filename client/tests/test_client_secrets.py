"""Credentials in the addresses of data are for the service; no log shows them."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from terminal import Terminal

from calotype_client.cli.masking import masked
from tests.service import Service


def test_an_address_that_is_refused(anybody: Terminal) -> None:
    log = anybody.folder / "log"
    id_ = anybody.json("image", "create", "secret")["id"]
    url = "https://mary:s3cr%2Ft@example.org/disk"
    add = ("image", "location", "add", id_, url, "--disk-format", "raw")
    told = ("--debug", "--log-file", log, *add)
    said = anybody.type(*told, status=1).complaint
    for shown in (said, log.read_text()):
        assert '"url": "https://***@example.org/disk"' in shown
        assert "s3cr" not in shown and "mary" not in shown


def test_a_list_of_locations(anybody: Terminal, disk: Path, open_service: Service) -> None:
    id_ = anybody.json("image", "create", "listed", "--file", disk)["id"]
    # As Glance wrote them, before keys were kept in the configuration only.
    url = "s3+https://KEY:s3/cret@example.org/bucket/disk"
    with closing(sqlite3.connect(open_service.folder / "calotype.db", timeout=60)) as database:
        database.execute("UPDATE image_locations SET value = ? WHERE image_id = ?", (url, id_))
        database.commit()
    shown = anybody.type("--debug", "image", "location", "list", id_, "-f", "json")
    # What was asked for is shown; the answer that is logged is masked.
    assert [it["URL"] for it in shown.json] == [url]
    assert "s3+https://***@example.org/bucket/disk" in shown.complaint
    assert "KEY" not in shown.complaint and "cret@" not in shown.complaint


def test_a_traceback(anybody: Terminal) -> None:
    nowhere = anybody.having(OS_ENDPOINT="http://mary:s3cret@127.0.0.1:9")
    shown = nowhere.type("--debug", "image", "create", "x", status=1)
    assert "Traceback" in shown.complaint and "127.0.0.1:9" in shown.complaint
    assert "s3cret" not in shown.complaint
    assert "s3cret" not in nowhere.complaint("image", "create", "x")


@pytest.mark.parametrize(
    "url",
    [
        "https://mary:s3cret@example.org/disk",
        "https://mary:s3@cret@example.org/disk",
        "s3+https://KEY:s3/cr/et@example.org/bucket/disk",
        "swift+https://account:mary:s3cret@example.org/v1/box/disk",
    ],
)
def test_each_kind_of_address(url: str) -> None:
    scheme = url.partition("://")[0]
    for around in ('GET "{}"', "{{'url': '{}'}}", "Cannot reach {}: refused"):
        shown = masked(around.format(url))
        assert f"{scheme}://***@example.org/" in shown
        assert not re.search("mary|KEY|s3cret|cr/et", shown)


def test_what_is_no_secret_stays() -> None:
    for plain in (
        "GET http://example.org/v2/images?name=a@b",
        "https://example.org/v2/images/x by mary@example.org",
    ):
        assert masked(plain) == plain
