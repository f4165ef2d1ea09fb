"""The examples of docs/operate/delayed-delete.md, run as they stand; its tables, as they are."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype.admin.scrub import BOTH
from calotype.services.restores import RUNNING
from calotype.settings.service_options import SCRUBBER
from tests.admin.scrubbing import DELAYED, HOUR, Scrubbing, scrubbing

PAGE = (Path(__file__).parents[2] / "docs" / "operate" / "delayed-delete.md").read_text()
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrubbing]:
    with scrubbing(tmp_path_factory.mktemp("service"), default=DELAYED) as running:
        yield running


def test_the_page_has_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("command", EXAMPLES)
def test_the_examples_do_what_the_page_says(site: Scrubbing, command: str, tmp_path: Path) -> None:
    old, image_id = site.deleted(seconds=HOUR + 60), site.deleted(tags=["kept"])
    site.run(
        ["bash", "-euc", command],
        PATH=f"{Path(sys.executable).parent}:/usr/bin:/bin",
        OS_GLANCE_CONFIG_DIR=str(site.service.folder),
        XDG_RUNTIME_DIR=str(tmp_path),
        image_id=image_id,
    )
    if "--restore" in command:
        assert site.download(image_id) == b"data"
        assert site.show(image_id)["tags"] == (["kept"] if "metadata" in command else [])
        assert site.status(old) == "pending_delete"
    else:
        assert site.status(old) == "deleted"
        assert site.status(image_id) == "pending_delete"


def test_the_defaults_and_messages_are_those_of_the_program() -> None:
    for option in SCRUBBER:
        if option.dest != "daemon":
            assert f"| `{option.dest}` | {str(option.default).lower()} |" in PAGE
    for message in (BOTH, RUNNING):
        assert f"| `ERROR: {message}` |" in PAGE
