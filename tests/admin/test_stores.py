"""`calotype stores`: real stores are listed and tried, and nothing is left in them."""

import json
import logging
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype import errors
from calotype.admin.main import parser
from calotype.admin.stores import without_secrets
from calotype.admin.trial import SIZE, STEPS, Trial
from calotype.model.location import Location
from calotype.settings.load import load
from calotype.stores.memory import MemoryStore
from calotype.stores.store import Source
from tests.service import Service

STORES = """\
default_backend = fast
[fast]
filesystem_store_datadir = {folder}/fast
weight = 7
[far]
filesystem_store_datadir = {folder}/far
[broken]
filesystem_store_datadir = {folder}/file/below
[web]
"""


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """The configuration of four stores, of which one is broken; there is no database."""
    (tmp_path / "file").write_text("in the way")
    return Service(
        tmp_path,
        default="enabled_backends = fast:file, broken:file, far:file, web:http",
        extra=STORES.format(folder=tmp_path),
    )


def lines(text: str) -> list[list[str]]:
    """The cells of a table."""
    return [re.split(r"  +", line) for line in text.splitlines()]


def test_list(service: Service) -> None:
    done = service.run("stores", "list")
    assert done.returncode == 0, done.stderr
    powers = "range, takes files, opens files, sweeping"
    assert lines(done.stdout) == [
        ["STORE", "TYPE", "DEFAULT", "WEIGHT", "POWERS"],
        ["fast", "file", "yes", "7", powers],
        ["broken", "file", "-", "0", powers],
        ["far", "file", "-", "0", powers],
        ["web", "http", "-", "0", "read only, range"],
    ]
    shown = json.loads(service.run("stores", "list", "--format", "json").stdout)
    assert shown[0] == {
        "store": "fast",
        "type": "file",
        "default": True,
        "weight": 7,
        "read_only": False,
        "powers": powers.split(", "),
    }
    assert [one["read_only"] for one in shown] == [False, False, False, True]


def test_check_tries_all_and_says_which_fails(service: Service) -> None:
    done = service.run("stores", "check")
    assert done.returncode == 1, done.stderr
    head, fast, broken, far, web = lines(done.stdout)
    assert head == ["STORE", "TYPE", *(f"{step.upper()} ms" for step in STEPS), "RESULT"]
    for name, line in (("fast", fast), ("far", far)):
        assert [*line[:2], line[-1]] == [name, "file", "ok"]
        assert all(float(cell) > 0 for cell in line[2:-1]) and len(line) == len(head)
    assert broken[:7] == ["broken", "file", "-", "-", "-", "-", "-"]
    assert broken[7].startswith("check: The image folder") and "Let the user" in broken[7]
    assert float(web.pop(2)) >= 0  # it is but asked
    assert web == ["web", "http", "-", "-", "-", "-", "ok"]
    assert [list((service.folder / name).iterdir()) for name in ("fast", "far")] == [[], []]


def test_check_of_some(service: Service) -> None:
    done = service.run("stores", "check", "far", "web", "far", "--format", "json")
    assert done.returncode == 0, done.stderr
    far, web = json.loads(done.stdout)
    assert list(far["milliseconds"]) == list(STEPS) and list(web["milliseconds"]) == ["check"]
    assert {**far, "milliseconds": 0} == {
        "store": "far",
        "type": "file",
        "milliseconds": 0,
        "result": "ok",
        "reason": None,
    }
    broken = service.run("stores", "check", "broken", "--format", "json")
    assert broken.returncode == 1
    (shown,) = json.loads(broken.stdout)
    assert shown["result"] == "failed" and "cannot be used" in shown["reason"]
    assert shown["milliseconds"] == {}


def test_check_of_an_unknown_one(service: Service) -> None:
    done = service.run("stores", "check", "far", "nosuch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "ERROR: no store nosuch; the stores are fast, broken, far, web" in done.stderr
    assert not (service.folder / "far").exists(), "nothing was begun"


@pytest.mark.parametrize("verb", [(), ("list",), ("check",)], ids="-".join)
def test_the_examples_of_the_help(
    service: Service, verb: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["stores", *verb, "--help"])
    (example,) = re.findall(r"example: (.*)", capsys.readouterr().out)
    (service.folder / "file").unlink()
    for command in example.split(" && "):
        name, *arguments = shlex.split(command)
        assert name == "calotype"
        done = service.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_store_without_names(tmp_path: Path) -> None:
    done = Service(tmp_path).run("stores", "check")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout)[1][:2] == ["file", "file"]
    assert list((tmp_path / "images").iterdir()) == []


# -- a store that fails in the middle ------------------------------------------------------------


class Failing(MemoryStore):
    """A store in memory in which one thing goes wrong."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.held: set[str] = set()

    def put(self, key: str, source: Source, size: int | None) -> Location:
        if self.fault == "full":
            raise errors.StoreFull("There is no room: add some")
        location = super().put(key, source, size)
        self.held.add(location.url)
        return location

    def size(self, location: Location) -> int:
        return super().size(location) - (self.fault == "size")

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        data = b"".join(super().read(location, offset, length))
        if self.fault == "library":
            raise ValueError("user:secret@host")
        if self.fault == "data" or (self.fault == "range" and length is not None):
            data = data[:-1] + bytes([data[-1] ^ 1])
        return iter([data])

    def delete(self, location: Location) -> None:
        if self.fault == "in use":
            raise errors.DataInUse("Somebody uses it")
        if self.fault != "stays":
            super().delete(location)
            self.held.discard(location.url)


NOT_THE_SAME = "What was read is not what was written"


@pytest.mark.parametrize(
    ("fault", "done", "trouble"),
    [
        ("full", 1, "write: There is no room: add some"),
        ("size", 2, f"read: The store says {SIZE - 1} bytes of data that has {SIZE}"),
        ("data", 2, f"read: {NOT_THE_SAME}"),
        ("library", 2, "read: failed unexpectedly with ValueError"),
        ("range", 3, f"range: {NOT_THE_SAME}"),
    ],
)
def test_a_failure_leaves_nothing(fault: str, done: int, trouble: str) -> None:
    store = Failing(fault)
    outcome = Trial(store).run()
    assert outcome.trouble == trouble
    assert tuple(outcome.seconds) == STEPS[:done]
    assert store.held == set()


@pytest.mark.parametrize(
    ("fault", "trouble", "reason"),
    [
        ("stays", "delete: The data is still there after its delete", None),
        ("in use", "delete: Somebody uses it", "DataInUse"),
    ],
)
def test_what_cannot_be_taken_away_is_named(
    fault: str, trouble: str, reason: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    store = Failing(fault)
    with caplog.at_level(logging.ERROR):
        assert Trial(store).run().trouble == trouble
    (url,) = store.held
    if reason:
        assert f"{url.rpartition('/')[2]} is left in the store: {reason}" in caplog.text


def test_an_interrupted_trial_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Failing("")

    def interrupt(*_: object) -> Iterator[bytes]:
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "read", interrupt)
    with pytest.raises(KeyboardInterrupt):
        Trial(store).run()
    assert store.held == set()


def test_secrets_are_not_shown() -> None:
    settings = load(
        overrides={
            ("DEFAULT", "enabled_backends"): {"cloud": "s3", "other": "s3"},
            ("glance_store", "default_backend"): "cloud",
            ("cloud", "s3_store_secret_key"): "kept-to-us",
            ("cloud", "s3_store_bucket"): "bucket",
            ("other", "s3_store_secret_key"): "elsewhere",
        },
        use_defaults_only=True,
    )
    text = "The key kept-to-us is refused for bucket"
    assert without_secrets(text, "cloud", settings) == "The key *** is refused for bucket"
    assert without_secrets(text, "other", settings) == text
