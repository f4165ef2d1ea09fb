"""The specification of the hash API, sentence by sentence, over HTTP with a worker process."""

import time
from itertools import pairwise
from typing import Any

import pytest

from calotype.db.images import Images
from calotype.model.location import Location
from tests.tasks.site import GIB, MIB, Site, digest, until

DEFAULT = "http_retries = 1"

DATA = b"negative" * (MIB // 4) + b"."
DELETED = "The image was deleted while its digests were calculated"


# -- "calculate the os_hash_value and checksum for the image which are in `active` state" ----------


def test_calculates_os_hash_value_and_checksum_of_an_active_image(site: Site) -> None:
    image_id = site.bare(DATA)
    answer = site.hash(image_id, {"os_hash_algo": "sha512"}).gave(202)
    task = site.ended(image_id, answer.json["id"])
    assert (task["status"], task["message"]) == ("success", "The digests are calculated")
    assert site.digests(image_id) == (digest("md5", DATA), "sha512", digest("sha512", DATA))
    assert site.show(image_id)["status"] == "active"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha384", "blake2b", "sha3_256"])
def test_with_the_algorithm_that_was_asked_for(site: Site, algorithm: str) -> None:
    image_id = site.bare(DATA)
    site.ended(image_id, site.begin(image_id, algorithm))
    assert site.digests(image_id) == (digest("md5", DATA), algorithm, digest(algorithm, DATA))


@pytest.mark.parametrize("body", [None, {}], ids=["nothing", "empty object"])
def test_an_empty_body_means_the_configured_algorithm(site: Site, body: Any) -> None:
    image_id = site.bare(DATA)
    answer = site.hash(image_id, body).gave(202)
    assert answer.json["input"] == {"image_id": image_id, "os_hash_algo": "sha512"}
    site.ended(image_id, answer.json["id"])
    assert site.digests(image_id)[1:] == ("sha512", digest("sha512", DATA))


def test_an_image_can_be_verified_when_downloaded_afterwards(site: Site) -> None:
    image_id = site.bare(DATA)
    site.ended(image_id, site.begin(image_id))
    answer = site.ask("GET", f"/v2/images/{image_id}/file").gave(200)
    assert answer.headers["Content-MD5"] == digest("md5", DATA)


# -- "executed in the background in the async task" ------------------------------------------------


def test_the_answer_is_the_task_as_the_list_shows_it(site: Site) -> None:
    image_id = site.vast(64 * GIB)
    answer = site.hash(image_id, {"os_hash_algo": "sha256"}).gave(202).json
    assert answer["status"] == "pending"
    assert set(answer) == set(site.task(image_id, answer["id"]))
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)


def test_os_hash_algo_is_set_before_the_work_starts(site: Site) -> None:
    image_id = site.vast(64 * GIB)
    task_id = site.begin(image_id, "sha256")
    assert site.digests(image_id) == (None, "sha256", None)
    site.moving(image_id, task_id)
    assert site.digests(image_id) == (None, "sha256", None)
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)


def test_progress_is_seen_at_least_every_2_seconds(site: Site) -> None:
    image_id = site.vast(64 * GIB)
    task_id = site.begin(image_id)
    first = site.moving(image_id, task_id)["message"]
    seen, when = [first], [time.monotonic()]
    while len(seen) < 4:
        message = site.task(image_id, task_id)["message"]
        if message != seen[-1]:
            seen.append(message)
            when.append(time.monotonic())
        time.sleep(0.02)
    read = [int(message.removeprefix("Hashed ").removesuffix(" MiB")) for message in seen]
    assert read == sorted(set(read))
    gaps = [later - earlier for earlier, later in pairwise(when)]
    assert min(gaps[1:]) < 2, gaps  # the shortest: others use this machine too
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)


# -- "retry mechanism … http_retries for maximum retries" ------------------------------------------


@pytest.mark.parametrize("was", ["nothing", "recorded"])
def test_after_all_retries_all_three_are_as_they_were_and_the_image_stays_active(
    site: Site, was: str
) -> None:
    image_id = site.bare(DATA) if was == "nothing" else site.stored(DATA)
    before = site.show(image_id)
    site.file(image_id).rename(site.file(image_id).with_suffix(".away"))
    task = site.ended(image_id, site.begin(image_id, "sha256"))
    assert task["status"] == "failure"
    assert task["message"].startswith("The data could not be read in 2 attempts: ")
    assert str(site.service.folder) not in task["message"]
    assert site.show(image_id) == before
    assert before["status"] == "active"
    assert site.digests(image_id)[1:] == (
        (None, None) if was == "nothing" else ("sha512", digest("sha512", DATA))
    )


def test_it_falls_to_the_next_location_when_one_fails(site: Site) -> None:
    image_id = two_copies(site)
    site.file(image_id, "fast").unlink()
    assert site.ended(image_id, site.begin(image_id))["status"] == "success"
    assert site.digests(image_id) == (digest("md5", DATA), "sha512", digest("sha512", DATA))


def test_it_reads_from_the_fastest_location(site: Site) -> None:
    image_id = two_copies(site)
    site.file(image_id, "slow").unlink()
    other = DATA[::-1]
    site.file(image_id, "fast").write_bytes(other)
    assert site.ended(image_id, site.begin(image_id))["status"] == "success"
    assert site.digests(image_id)[2] == digest("sha512", other)


def two_copies(site: Site) -> str:
    """The id of an image without digests that lies in both stores."""
    image_id = site.bare(DATA)
    copy = site.file(image_id, "fast")
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(DATA)
    rows = Images(site.database)
    image = rows.get(image_id)
    place = Location(f"file://{copy}", {"store": "fast"})
    rows.swap(image, image.with_(locations=(*image.locations, place)))
    return image_id


# -- an image that has digests ---------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_equal_digests_are_replaced(site: Site, algorithm: str) -> None:
    image_id = site.stored(DATA)
    assert site.ended(image_id, site.begin(image_id, algorithm))["status"] == "success"
    assert site.digests(image_id) == (digest("md5", DATA), algorithm, digest(algorithm, DATA))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("damage", [DATA[:-1] + b"!", DATA[:-1]], ids=["changed", "shorter"])
def test_different_data_changes_nothing(site: Site, algorithm: str, damage: bytes) -> None:
    image_id = site.stored(DATA)
    before = site.show(image_id)
    site.file(image_id).write_bytes(damage)
    task = site.ended(image_id, site.begin(image_id, algorithm))
    assert task["status"] == "failure"
    assert task["message"] == "stored data does not match its recorded hash"
    assert site.show(image_id) == before


# -- "Incase delete image has been attempted during hash calculation" ------------------------------


def test_a_delete_while_it_runs_ends_the_task_and_the_image_stays_deleted(site: Site) -> None:
    image_id = site.vast(64 * GIB)
    task_id = site.begin(image_id)
    site.moving(image_id, task_id)
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    row = until(lambda: _failed(site, task_id), "the end of the task")
    assert row["expires_at"] is not None
    assert site.attempts(task_id) is None
    assert site.stored_task(task_id).message == DELETED
    site.ask("GET", f"/v2/images/{image_id}").gave(404)
    assert not site.file(image_id).exists()


def _failed(site: Site, task_id: str) -> Any:
    row = site.row(task_id)
    return row if row["status"] == "failure" else None


# -- "Response" ------------------------------------------------------------------------------------


def test_403_forbidden_for_normal_users(site: Site) -> None:
    """The policy calculate_hash is for admins."""
    image_id = site.as_("mary").bare(visibility="community")
    for name in ("mary", "rita", "otto"):
        site.as_(name).hash(image_id, {"os_hash_algo": "sha512"}).gave(403, "calculate_hash")
    assert site.digests(image_id) == (None, None, None)
    assert site.tasks(image_id) == []


def test_404_image_id_does_not_exist(site: Site) -> None:
    site.hash("00000000-0000-4000-8000-00000000dead").gave(404)
    site.hash("no-id-at-all").gave(404)
    image_id = site.as_("mary").bare()
    site.as_("otto").hash(image_id).gave(404)  # nor does it, for those who may not see it
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)
    site.hash(image_id).gave(404)


@pytest.mark.parametrize("algorithm", ["sha1024", "SHA512", "", " sha512", "shake_128", "x" * 5000])
def test_400_invalid_os_hash_algo_passed(site: Site, algorithm: str) -> None:
    image_id = site.bare()
    allowed = ("md5", "sha1", "sha256", "sha384", "sha512", "blake2b", "sha3_512")
    site.hash(image_id, {"os_hash_algo": algorithm}).gave(400, "os_hash_algo", *allowed)
    assert site.digests(image_id) == (None, None, None)


@pytest.mark.parametrize(
    "body",
    [
        {"os_hash_algo": 512},
        {"os_hash_algo": None},
        {"os_hash_algo": ["sha512"]},
        {"os_hash_algo": "sha512", "more": 1},
        {"algorithm": "sha512"},
        ["sha512"],
        "sha512",
        7,
    ],
    ids=str,
)
def test_400_a_body_of_another_form(site: Site, body: Any) -> None:
    site.hash(site.bare(), body).gave(400, "os_hash_algo", "sha512", "sha256")


def test_400_a_body_that_is_no_json(site: Site) -> None:
    image_id = site.bare()
    site.ask("POST", f"/v2/images/{image_id}/hash", data=b"{sha512").gave(400, "JSON")


@pytest.mark.parametrize("status", ["queued", "deactivated"])
def test_409_image_is_not_in_active_state(site: Site, status: str) -> None:
    image_id = site.new() if status == "queued" else site.stored()
    if status == "deactivated":
        site.ask("POST", f"/v2/images/{image_id}/actions/deactivate").gave(204)
    before = site.show(image_id)
    site.hash(image_id).gave(409, status)
    assert site.show(image_id) == before
    assert site.tasks(image_id) == []


def test_409_when_a_task_is_running_for_it_says_which(site: Site) -> None:
    image_id = site.vast(64 * GIB)
    task_id = site.begin(image_id)
    site.hash(image_id, {"os_hash_algo": "sha256"}).gave(409, task_id)
    site.moving(image_id, task_id)
    site.hash(image_id).gave(409, task_id)
    assert site.digests(image_id) == (None, "sha512", None)
    assert len(site.tasks(image_id)) == 1
    site.ask("DELETE", f"/v2/images/{image_id}").gave(204)


def test_another_one_may_follow_when_it_has_ended(site: Site) -> None:
    image_id = site.bare(DATA)
    for algorithm in ("sha256", "sha512"):
        assert site.ended(image_id, site.begin(image_id, algorithm))["status"] == "success"
    assert site.digests(image_id)[1] == "sha512"


def test_405_for_other_methods(site: Site) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = site.ask(method, f"/v2/images/{site.bare()}/hash").gave(405)
        assert "POST" in answer.headers["Allow"]
