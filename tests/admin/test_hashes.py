"""`calotype hash` and `calotype verify` as an operator runs them: as processes."""

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.service import environment
from tests.tasks.site import GIB, Site, digest, make_service, serving

A, B = b"alpha" * 1000, b"beta" * 1000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    service = make_service(tmp_path_factory.mktemp("service"), default="http_retries = 0")
    with serving(service) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Iterator[Site]:
    """A service without a worker, and without images before and after."""
    yield running
    for image in running.ask("GET", "/v2/images").gave(200).json["images"]:
        running.ask("DELETE", f"/v2/images/{image['id']}").gave(204)


def run(site: Site, status: int, *arguments: str) -> list[str]:
    """The lines that a command prints; fails unless it exits with `status`."""
    done = site.service.run(*arguments)
    assert done.returncode == status, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout.splitlines()


# -- calotype hash ---------------------------------------------------------------------------------


def test_hash_missing_calculates_what_is_missing_and_ends(site: Site) -> None:
    one, other, has = site.bare(A), site.as_("mary").bare(B), site.stored(A)
    before = site.show(has)
    lines = run(site, 0, "hash", "--missing")
    assert set(lines[:2]) == {
        f"[{lines.index(line) + 1}/2] {image_id}: sha512 {digest('sha512', data)}"
        for image_id, data in ((one, A), (other, B))
        for line in lines
        if image_id in line
    }
    assert lines[2:] == ["2 calculated, 0 failed, 0 passed over, 0 left to a worker"]
    assert site.digests(one) == (digest("md5", A), "sha512", digest("sha512", A))
    assert site.digests(other) == (digest("md5", B), "sha512", digest("sha512", B))
    assert site.show(has) == before


def test_the_owner_sees_what_was_done(site: Site) -> None:
    mary = site.as_("mary")
    image_id = mary.bare(A)
    run(site, 0, "hash", "--missing")
    (task,) = mary.tasks(image_id)
    assert (task["type"], task["status"]) == ("calculate_hash", "success")
    assert (task["owner"], task["user"], task["request-id"]) == ("ours", None, None)


def test_with_nothing_missing_there_is_nothing_to_do(site: Site) -> None:
    site.stored(A)
    site.new()
    assert run(site, 0, "hash", "--missing") == [
        "0 calculated, 0 failed, 0 passed over, 0 left to a worker"
    ]


def test_a_dry_run_changes_nothing(site: Site) -> None:
    one, other = site.bare(A), site.bare(B)
    lines = run(site, 0, "hash", "--missing", "--dry-run")
    assert sorted(lines[:2]) == sorted([f"{one}: {len(A)} bytes", f"{other}: {len(B)} bytes"])
    assert lines[2:] == [f"2 images, {len(A) + len(B)} bytes"]
    for image_id in (one, other):
        assert site.digests(image_id) == (None, None, None)
        assert site.tasks(image_id) == []


def test_the_limit_takes_the_oldest(site: Site) -> None:
    new, old = site.bare(A), site.bare(A)
    site.record(old, created_at=datetime(2020, 1, 1))
    lines = run(site, 0, "hash", "--missing", "--limit", "1")
    assert lines[0].startswith(f"[1/1] {old}: sha512 ")
    assert site.digests(new) == (None, None, None)


def test_what_fails_is_said_and_the_rest_is_done(site: Site) -> None:
    broken, good = site.bare(A), site.bare(B)
    site.file(broken).rename(site.file(broken).with_suffix(".away"))
    lines = run(site, 1, "hash", "--missing")
    (said,) = [line for line in lines if broken in line]
    assert "FAILED: The data could not be read in 1 attempts" in said
    assert lines[-1] == "1 calculated, 1 failed, 0 passed over, 0 left to a worker"
    assert site.digests(broken) == (None, None, None)
    assert site.digests(good)[1] == "sha512"


def test_what_a_task_is_at_is_passed_over(site: Site) -> None:
    image_id = site.bare(A)
    task_id = site.begin(image_id)
    lines = run(site, 0, "hash", "--missing")
    assert task_id in lines[0]
    assert lines[-1] == "0 calculated, 0 failed, 1 passed over, 0 left to a worker"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_the_rest_to_a_worker(site: Site, number: signal.Signals) -> None:
    image_id = site.vast(64 * GIB)
    command = subprocess.Popen(
        site.service.command("hash", "--missing"),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not any(task["message"] for task in site.tasks(image_id)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    command.send_signal(number)
    text, _ = command.communicate(timeout=60)
    assert command.returncode == 1
    (task,) = site.tasks(image_id)
    assert f"task {task['id']} is left to a worker" in text
    assert task["status"] == "processing"
    assert site.attempts(task["id"]) == 0
    assert site.leases() == []


@pytest.mark.parametrize(
    "arguments", [(), ("--missing", "--limit", "0"), ("--missing", "--limit", "x")], ids=str
)
def test_wrong_use_of_hash(site: Site, arguments: tuple[str, ...]) -> None:
    assert run(site, 2, "hash", *arguments) == []


# -- calotype verify -------------------------------------------------------------------------------


def test_verify_finds_nothing_wrong(site: Site) -> None:
    one, other = site.stored(A), site.stored(B)
    without = site.bare(A)
    site.new()
    site.ask("POST", f"/v2/images/{other}/actions/deactivate").gave(204)
    assert run(site, 0, "verify", "--all") == [
        "3 images with 3 copies read (0 MiB): 0 with a mismatch, 1 without a recorded digest"
    ]
    assert run(site, 0, "verify", one, without)[0].startswith("2 images with 2 copies read")


def test_verify_reports_each_mismatch(site: Site) -> None:
    changed, cut, gone, good = (site.stored(A) for _ in range(4))
    site.file(changed).write_bytes(A[:-1] + b"!")
    site.file(cut).write_bytes(A[:-1])
    site.file(gone).unlink()
    lines = run(site, 1, "verify", "--all")
    found = digest("sha512", A[:-1] + b"!")
    assert f"{changed}: store slow: sha512 is {found}, recorded is {digest('sha512', A)}" in lines
    assert f"{cut}: store slow: it has {len(A) - 1} bytes, recorded are {len(A)}" in lines
    (missing,) = [line for line in lines if gone in line]
    assert missing.startswith(f"{gone}: store slow: cannot be read: ")
    assert not any(good in line for line in lines)
    assert lines[-1].endswith("3 with a mismatch, 0 without a recorded digest")
    for image_id in (changed, cut, gone):
        assert site.digests(image_id)[2] == digest("sha512", A)


def test_verify_names_images_that_are_not_there(site: Site) -> None:
    nowhere = "00000000-0000-4000-8000-00000000dead"
    good, empty = site.stored(A), site.new()
    lines = run(site, 1, "verify", nowhere, good, empty)
    assert [line.split(":")[0] for line in lines[:2]] == [nowhere, empty]
    assert lines[2].startswith("1 images with 1 copies read")


def test_verify_keeps_to_the_rate(site: Site) -> None:
    image_id = site.stored(bytes(3 << 20))
    begun = time.monotonic()
    run(site, 0, "verify", image_id, "--rate", "1.5")
    # Three MiB at 1.5 MiB/s, of which one second's worth may come at once.
    assert time.monotonic() - begun > 1.0


@pytest.mark.parametrize(
    ("status", "arguments"),
    [
        (1, ()),
        (1, ("--all", "some-id")),
        (2, ("--all", "--rate", "0")),
        (2, ("--all", "--rate", "nan")),
        (2, ("--all", "--rate", "fast")),
    ],
    ids=str,
)
def test_wrong_use_of_verify(site: Site, status: int, arguments: tuple[str, ...]) -> None:
    assert run(site, status, "verify", *arguments) == []
