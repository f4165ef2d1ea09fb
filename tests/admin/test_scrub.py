"""Delayed deletes, the scrubber and its `--restore`, with real processes; the specification's
sentences first, in their order."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.admin.scrubbing import (
    DELAYED,
    HOUR,
    RUNNING,
    SCRIPT,
    Scrubbing,
    ago,
    eventually,
    gone,
    scrubbing,
)
from tests.tasks.site import digest, until

DATA = b"all of it" * 10_000
#: Images that are scrubbed together, so that some are done and some are not at any moment.
TOGETHER = 60


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scrubbing]:
    with scrubbing(
        tmp_path_factory.mktemp("service"), default=DELAYED + "user_storage_quota = 1000000\n"
    ) as site:
        yield site


@pytest.fixture
def site(running: Scrubbing) -> Iterator[Scrubbing]:
    """A service without a worker, and without images or data before and after."""
    yield running
    for image in running.ask("GET", "/v2/images").gave(200).json["images"]:
        running.delete(image["id"])
    running.forget()


# -- the sentences of the specification ------------------------------------------------------------


def test_the_image_and_its_locations_will_first_be_pending_delete(site: Scrubbing) -> None:
    image_id = site.copied(DATA)
    site.delete(image_id)
    assert site.status(image_id) == "pending_delete"
    assert site.copies(image_id) == [("pending_delete", True)] * 2


def test_pending_delete_is_not_displayed_in_the_api_response(site: Scrubbing) -> None:
    """Nor does it show as deleted: there is no way to tell by the API that it may come back."""
    gone(site, site.as_("mary").deleted(visibility="community"))


def test_the_image_will_be_deleted_by_the_scrubber_in_period(site: Scrubbing) -> None:
    daemon = site.daemon()
    for _ in range(2):
        image_id = site.deleted(DATA, HOUR + 60)
        until(lambda gone=image_id: site.status(gone) == "deleted")  # type: ignore[misc]
        assert site.copies(image_id) == [("deleted", True)]
        assert image_id not in site.in_stores()
    assert daemon.stop() == 0


def test_the_data_will_not_be_deleted_at_once(site: Scrubbing) -> None:
    image_id = site.deleted(DATA)
    assert site.file(image_id).read_bytes() == DATA
    site.scrub()
    assert site.file(image_id).read_bytes() == DATA


def test_an_accidental_delete_can_be_reverted(site: Scrubbing) -> None:
    mary = site.as_("mary")
    image_id = mary.stored(DATA, name="precious")
    before = mary.show(image_id)
    mary.delete(image_id)
    gone(site, image_id)
    site.scrub("--restore", image_id)
    after = mary.show(image_id)
    assert after == {**before, "updated_at": after["updated_at"]}
    assert site.copies(image_id) == [("active", False)]
    assert digest("sha512", mary.download(image_id)) == before["os_hash_value"]


def test_there_is_no_need_to_expose_a_new_api(site: Scrubbing) -> None:
    image_id = site.deleted()
    for action in ("revert", "restore"):
        site.ask("POST", f"/v2/images/{image_id}/actions/{action}").gave(404)
    assert site.status(image_id) == "pending_delete"


def test_the_usage_is_glance_scrubber_restore_image_id(site: Scrubbing) -> None:
    image_id = site.deleted(DATA)
    config = ["--config-file", str(site.service.config), "--pid-file", str(site.pid_file)]
    site.run([SCRIPT, "--restore", image_id, *config])
    assert site.download(image_id) == DATA


def test_a_running_scrubber_is_an_error_message_and_the_end(
    site: Scrubbing, tmp_path: Path
) -> None:
    image_id = site.deleted(DATA)
    for elsewhere in (None, tmp_path / "of-another-machine.pid"):
        daemon = site.daemon(elsewhere)
        assert site.scrub("--restore", image_id, status=1) == RUNNING
        assert site.status(image_id) == "pending_delete"
        assert daemon.stop() == 0


def test_if_none_runs_the_status_becomes_active(site: Scrubbing) -> None:
    image_id = site.deleted(DATA)
    assert site.status(image_id) == "pending_delete"
    site.scrub("--restore", image_id)
    assert site.status(image_id) == "active"


def test_after_restoring_the_daemon_can_be_restarted(site: Scrubbing) -> None:
    image_id, other = site.deleted(DATA), site.deleted(DATA)
    assert site.daemon().stop() == 0
    site.scrub("--restore", image_id)
    site.record(other, deleted_at=ago(HOUR + 60))
    daemon = site.daemon()
    until(lambda: site.status(other) == "deleted")
    assert site.download(image_id) == DATA
    assert daemon.stop() == 0


def test_it_works_within_scrub_time_seconds(site: Scrubbing) -> None:
    early, late = site.deleted(DATA, HOUR - 60), site.deleted(DATA, HOUR + 60)
    site.scrub()
    site.scrub("--restore", early)
    assert site.download(early) == DATA
    said = site.scrub("--restore", late, status=1)
    assert said == (
        "ERROR: cannot restore the image from deleted to active (wanted from_state=pending_delete)"
        "\n"
    )
    assert late not in site.in_stores()


def test_properties_tags_and_members_will_not_be_restored(site: Scrubbing) -> None:
    image_id = with_metadata(site)
    site.delete(image_id)
    site.scrub("--restore", image_id)
    image = site.show(image_id)
    assert image["tags"] == []
    assert "os_distro" not in image
    assert members(site, image_id) == []
    site.as_("otto").ask("GET", f"/v2/images/{image_id}").gave(404)
    assert image["visibility"] == "shared"


def test_there_is_no_impact_for_users_who_are_not_admin(site: Scrubbing) -> None:
    """A delete looks to them as it always did."""
    mary = site.as_("mary")
    image_id = mary.stored(DATA)
    mary.delete(image_id)
    gone(site, image_id)
    taken = mary.ask("POST", "/v2/images", json={"id": image_id})
    taken.gave(409)


# -- what the specification does not say -----------------------------------------------------------


def with_metadata(site: Scrubbing) -> str:
    image_id = site.stored(DATA, tags=["a", "b"], os_distro="debian")
    body = {"member": "theirs"}
    site.ask("POST", f"/v2/images/{image_id}/members", json=body).gave(200)
    return image_id


def members(site: Scrubbing, image_id: str) -> list[str]:
    answer = site.ask("GET", f"/v2/images/{image_id}/members").gave(200).json
    return [member["member_id"] for member in answer["members"]]


def test_with_metadata_they_come_back(site: Scrubbing) -> None:
    image_id = with_metadata(site)
    before = site.show(image_id)
    site.ask("PUT", f"/v2/images/{image_id}/tags/removed").gave(204)
    site.ask("DELETE", f"/v2/images/{image_id}/tags/removed").gave(204)
    site.delete(image_id)
    site.scrub("--restore", image_id, "--with-metadata")
    after = site.show(image_id)
    after["tags"].sort()
    assert after == {**before, "updated_at": after["updated_at"], "tags": ["a", "b"]}
    assert members(site, image_id) == ["theirs"]
    assert site.as_("otto").show(image_id)["id"] == image_id


def test_a_restored_image_can_be_deleted_for_good(site: Scrubbing) -> None:
    image_id = site.copied(DATA)
    site.delete(image_id)
    site.scrub("--restore", image_id)
    assert site.show(image_id)["stores"] == "slow,fast"
    assert site.in_stores() == {image_id}
    site.delete(image_id)
    site.record(image_id, deleted_at=ago(HOUR + 60))
    site.scrub()
    assert site.status(image_id) == "deleted"
    assert site.in_stores() == set()


def test_a_restored_image_counts_again(site: Scrubbing) -> None:
    otto = site.as_("otto")
    image_id, other = otto.deleted(b"x" * 600_000), otto.new()

    def upload(status: int) -> None:
        headers = {"Content-Type": "application/octet-stream"}
        path = f"/v2/images/{other}/file"
        otto.ask("PUT", path, data=b"y" * 600_000, headers=headers).gave(status)

    site.scrub("--restore", image_id)
    upload(413)
    otto.delete(image_id)
    upload(204)


def test_a_deactivated_image_comes_back_active(site: Scrubbing) -> None:
    image_id = site.stored(DATA)
    site.ask("POST", f"/v2/images/{image_id}/actions/deactivate").gave(204)
    site.delete(image_id)
    assert site.status(image_id) == "pending_delete"
    site.scrub("--restore", image_id)
    assert site.show(image_id)["status"] == "active"


def test_an_image_without_data_is_deleted_at_once(site: Scrubbing) -> None:
    image_id = site.new()
    site.delete(image_id)
    assert site.status(image_id) == "deleted"


@pytest.mark.parametrize("store", ["slow", "fast"])
def test_if_a_part_was_scrubbed_nothing_changes(site: Scrubbing, store: str) -> None:
    image_id = site.copied(DATA)
    site.delete(image_id)
    part = site.file(image_id, store)
    part.unlink()
    said = site.scrub("--restore", image_id, status=1)
    assert said == (
        f"ERROR: cannot restore the image {image_id}: not all of its data is there, and nothing "
        f"was changed: it is gone in store {store} (file://{part})\n"
    )
    assert site.status(image_id) == "pending_delete"
    assert site.copies(image_id) == [("pending_delete", True)] * 2
    gone(site, image_id)


def test_if_a_part_is_cut_short_nothing_changes(site: Scrubbing) -> None:
    image_id = site.deleted(DATA)
    os.truncate(site.file(image_id), 100)
    said = site.scrub("--restore", image_id, status=1)
    assert f"it has 100 bytes, not {len(DATA)}, in store slow" in said
    assert site.status(image_id) == "pending_delete"


def test_data_that_cannot_be_deleted_stays_for_the_next_round(site: Scrubbing) -> None:
    """One copy lies in a folder that is not configured at the moment."""
    image_id, other = site.copied(DATA), site.deleted(DATA, HOUR + 60)
    site.delete(image_id)
    site.record(image_id, deleted_at=ago(HOUR + 60))
    copy = f"file://{site.file(image_id, 'fast')}"
    site.relocate(image_id, copy, "file:///nowhere/it")
    site.scrub()
    assert site.status(other) == "deleted"
    assert site.status(image_id) == "pending_delete"
    assert sorted(site.copies(image_id)) == [("deleted", True), ("pending_delete", True)]
    said = site.scrub("--restore", image_id, status=1)
    assert f"it is scrubbed already in store slow (file://{site.file(image_id)})" in said
    site.relocate(image_id, "file:///nowhere/it", copy)
    site.scrub()
    assert site.status(image_id) == "deleted"


def test_an_image_that_glance_restored_is_mended(site: Scrubbing) -> None:
    """Glance's restore changes the row of the image alone: it is active and has no data."""
    image_id = site.deleted(DATA)
    site.record(image_id, status="active", deleted=False)
    site.ask("GET", f"/v2/images/{image_id}/file").gave(204)
    site.scrub("--restore", image_id)
    assert site.download(image_id) == DATA


# -- messages and exit codes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--daemon", "--restore", "ID"),
            "The restore and daemon options should not be set together. "
            "Please use either of them in one request.",
        ),
        (("--restore", "nowhere"), "No image found with ID nowhere"),
        (
            ("--restore", "ID"),
            "cannot restore the image from active to active (wanted from_state=pending_delete)",
        ),
        (("--with-metadata",), "--with-metadata says how to --restore an image: name it"),
    ],
    ids=str,
)
def test_wrong_use(site: Scrubbing, arguments: tuple[str, ...], said: str) -> None:
    image_id = site.stored()
    given = [image_id if word == "ID" else word for word in arguments]
    assert site.scrub(*given, status=1) == f"ERROR: {said}\n"


def test_the_short_name_of_daemon(site: Scrubbing) -> None:
    said = site.scrub("-D", "--restore", "any", status=1)
    assert said.startswith("ERROR: The restore and daemon options")


def test_one_pass_beside_a_daemon(site: Scrubbing, tmp_path: Path) -> None:
    image_id = site.deleted(DATA)
    daemon = site.daemon()
    assert int(site.pid_file.read_text()) == daemon.pid
    site.record(image_id, deleted_at=ago(HOUR - 60))
    elsewhere = ("--pid-file", str(tmp_path / "other.pid"))
    for arguments in ((), elsewhere, ("--daemon",), ("--daemon", *elsewhere)):
        assert site.scrub(*arguments, status=1) == RUNNING
    assert daemon.stop() == 0
    assert not site.pid_file.exists()


def test_a_stale_pid_file_does_not_block(site: Scrubbing) -> None:
    image_id = site.deleted(DATA)
    daemon = site.daemon()
    daemon.kill()
    assert site.pid_file.exists()
    until(lambda: not site.living())
    site.scrub("--restore", image_id)
    assert site.download(image_id) == DATA
    assert not site.pid_file.exists()


def test_without_var_run_glance_the_pid_file_is_where_we_may_write(
    site: Scrubbing, tmp_path: Path, missing_server: Callable[[str, str], None]
) -> None:
    if os.access("/var/run/glance", os.W_OK):
        missing_server("a machine without Glance", "/var/run/glance is there and may be written to")
    pid_file = tmp_path / "glance-scrubber.pid"
    pid_file.write_text("stale")
    command = site.service.command("scrub", "--restore", site.deleted(DATA))
    site.run(command, XDG_RUNTIME_DIR=str(tmp_path))
    assert not pid_file.exists()


# -- the files -------------------------------------------------------------------------------------


def test_glance_scrubber_conf_is_read_where_it_lies(site: Scrubbing) -> None:
    image_id = site.deleted(DATA, 100)
    own = site.service.folder / "glance-scrubber.conf"
    own.write_text("[DEFAULT]\nscrub_time = 200\n")
    folder = str(site.service.folder)
    command = [SCRIPT, "--pid-file", str(site.pid_file), "-d", "--log-file=x"]
    site.run(command, OS_GLANCE_CONFIG_DIR=folder)
    assert site.status(image_id) == "pending_delete"
    own.write_text("[DEFAULT]\nscrub_time = 50\n")
    site.run(command, OS_GLANCE_CONFIG_DIR=folder)
    assert site.status(image_id) == "deleted"
    own.unlink()


def test_daemon_in_the_file(site: Scrubbing) -> None:
    own = site.service.folder / "glance-scrubber.conf"
    own.write_text("[DEFAULT]\ndaemon = true\n")
    try:
        said = site.scrub("--restore", "any", status=1)
        daemon = site.process().wait_until(lambda: "scrubber" in site.leases())
        assert daemon.stop() == 0
    finally:
        own.unlink()
    assert said.startswith("ERROR: The restore and daemon options")


# -- the worker ------------------------------------------------------------------------------------


def test_the_worker_scrubs_by_the_settings_of_the_scrubber(tmp_path: Path) -> None:
    """An operator may have set scrub_time for the scrubber alone."""
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "glance-scrubber.conf").write_text(f"[DEFAULT]\nscrub_time = {HOUR}\n")
    with scrubbing(folder, default=DELAYED.replace(str(HOUR), "0")) as site:
        worker = site.worker().start()
        young, old = site.deleted(DATA), site.deleted(DATA, HOUR + 60)
        until(lambda: site.status(old) == "deleted")
        assert site.in_stores() == {young}
        eventually(site, "--restore", young)
        assert site.download(young) == DATA
        assert worker.stop() == 0


def test_the_worker_may_leave_it_to_others(tmp_path: Path) -> None:
    default = DELAYED.replace("wakeup_time = 1", "wakeup_time = 0")
    with scrubbing(tmp_path / "service", default=default) as site:
        old = site.deleted(DATA, 2 * HOUR)
        upload = site.new()
        site.record(upload, status="saving")  # which the worker takes for one that died
        worker = site.worker().start()
        until(lambda: site.show(upload)["status"] == "queued")
        assert worker.stop() == 0
        assert site.status(old) == "pending_delete"


def test_what_glance_left_goes_when_deletes_are_not_delayed(tmp_path: Path) -> None:
    with scrubbing(tmp_path / "service", default="calotype_task_lease = 1\n") as site:
        image_id, kept = site.stored(DATA), site.stored(DATA)
        site.leave_pending(image_id, ago(60))
        worker = site.worker().start()
        until(lambda: site.status(image_id) == "deleted")
        assert site.in_stores() == {kept}
        assert worker.stop() == 0


# -- on each engine --------------------------------------------------------------------------------


def test_there_and_back_on_each_engine(fresh_url: str, tmp_path: Path) -> None:
    with scrubbing(tmp_path / "service", database=fresh_url) as site:
        image_id, other = with_metadata(site), site.deleted(DATA, HOUR + 60)
        site.delete(image_id)
        daemon = site.daemon()
        until(lambda: site.status(other) == "deleted")
        assert site.scrub("--restore", image_id, status=1) == RUNNING
        assert daemon.stop() == 0
        site.scrub("--restore", image_id, "--with-metadata")
        assert site.download(image_id) == DATA
        assert site.show(image_id)["os_distro"] == "debian"
        site.delete(image_id)
        site.record(image_id, deleted_at=ago(HOUR + 60))
        site.scrub()
        assert site.status(image_id) == "deleted"
        assert site.in_stores() == set()


# -- kill -9 ---------------------------------------------------------------------------------------


def killed_when(site: Scrubbing, arguments: tuple[str, ...], question: str, *values: str) -> bool:
    """Run a scrubber, and kill it as soon as the rows say yes; whether that was seen in time."""
    path = site.service.folder / "calotype.db"
    process = site.process(*arguments)
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as connection:
        while process.running:
            # While we hold this nobody can go on.
            connection.execute("BEGIN IMMEDIATE")
            yes = connection.execute(question, values).fetchone()[0]
            if yes:
                process.kill()
            connection.execute("ROLLBACK")
            if yes:
                return True
            time.sleep(0.0005)
    return False


def test_kill_9_during_a_scrub(site: Scrubbing) -> None:
    kept = site.stored(DATA)
    seen: set[str] = set()
    some_are_gone = (
        "SELECT count(CASE status WHEN 'deleted' THEN 1 END) * "
        "(count(CASE status WHEN 'pending_delete' THEN 1 END) > 2) FROM images WHERE name = ?"
    )

    def dies() -> bool:
        name = f"attempt {len(seen)}"
        seen.update(site.many_deleted(TOGETHER, DATA, name))
        site.long_ago()
        return killed_when(site, (), some_are_gone, name)

    until(dies, "a scrubber that is killed half-way")
    until(lambda: not site.living())
    for image_id in sorted(seen)[:5]:
        gone(site, image_id)
    pending = {image_id for image_id in seen if site.status(image_id) == "pending_delete"}
    back = min(pending & site.in_stores())
    site.scrub("--restore", back)
    for image_id in sorted(pending - site.in_stores()):  # killed between its data and its row
        assert "it is gone in store slow" in site.scrub("--restore", image_id, status=1)
    site.scrub()
    for image_id in (kept, back):
        assert site.download(image_id) == DATA
    assert {site.status(image_id) for image_id in seen - {back}} == {"deleted"}
    assert site.in_stores() == {kept, back}


def test_kill_9_during_a_restore(site: Scrubbing) -> None:
    """Killed when it holds its leases, before it has written or at the moment when it has."""
    image_id = site.copied(DATA)
    question = "SELECT count(*) FROM calotype_leases WHERE name = ?"

    def dies() -> bool:
        if site.status(image_id) == "active":
            site.delete(image_id)
        else:
            until(lambda: not site.living())
        return killed_when(site, ("--restore", image_id), question, f"image:{image_id}")

    until(dies, "a restore that is killed half-way")
    if site.status(image_id) == "active":
        assert site.copies(image_id) == [("active", False)] * 2
    else:
        assert site.copies(image_id) == [("pending_delete", True)] * 2
        gone(site, image_id)
        until(lambda: not site.living())
        site.scrub("--restore", image_id)
    assert site.download(image_id) == DATA
    assert site.file(image_id, "fast").read_bytes() == DATA
