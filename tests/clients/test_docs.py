"""The page about clients names the releases that these tests run."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_names_the_releases_that_are_tried() -> None:
    locked = (ROOT / "requirements" / "peers.txt").read_text()
    page = (ROOT / "docs" / "operate" / "clients.md").read_text()
    for client in ("python-glanceclient", "python-openstackclient", "openstacksdk"):
        [release] = re.findall(rf"^{client}==(\S+)", locked, re.MULTILINE)
        assert re.search(rf"^\| {client}\b.* \| {re.escape(release)} \|", page, re.MULTILINE), (
            client
        )
