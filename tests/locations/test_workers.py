"""Workers that add locations: killed, stopped, and what they write into their logs.

No other worker runs beside those that a test starts.
"""

import threading

import pytest

from tests.locations.site import Site
from tests.tasks.site import MIB, digest, until

DEFAULT = "http_retries = 1\ncalotype_task_lease = 2\ndebug = true"
DATA = b"positive" * (MIB // 8) + b"."


@pytest.mark.parametrize("compared", [True, False], ids=["compared", "hashed"])
def test_another_worker_goes_on_when_one_is_killed(idle: Site, compared: bool) -> None:
    image_id, url, go_on = idle.new(), idle.at(DATA), threading.Event()
    idle.behaves(each=go_on.wait)
    expected = {"sha512": digest("sha512", DATA)} if compared else None
    first = idle.worker("first").start()
    idle.add(image_id, url, expected).gave_nothing(202)
    task_id = idle.tasks(image_id)[0]["id"]
    until(lambda: idle.web and ("GET" in {it[0] for it in idle.web.asked}), "the reading")
    first.kill()
    go_on.set()
    with idle.worker("second"):
        assert idle.ended(image_id, task_id)["status"] == "success"
    assert idle.show(image_id)["status"] == "active"
    assert idle.digests(image_id) == (digest("md5", DATA), "sha512", digest("sha512", DATA))
    assert len(idle.locations(image_id)) == 1


def test_a_worker_that_stops_hands_over(idle: Site) -> None:
    image_id, url, go_on = idle.new(), idle.at(DATA * 8), threading.Event()
    idle.behaves(each=go_on.wait)
    with idle.worker("first"):
        idle.add(image_id, url).gave_nothing(202)
        task_id = idle.tasks(image_id)[0]["id"]
        until(lambda: idle.show(image_id)["status"] == "active", "the image")
        go_on.set()
    with idle.worker("second"):
        assert idle.ended(image_id, task_id)["status"] == "success"
    assert idle.digests(image_id)[2] == digest("sha512", DATA * 8)


def test_what_an_address_ends_with_is_in_no_log(idle: Site) -> None:
    """It may be a secret, as in addresses that are signed for a while."""
    secret = "?signature=5ecre7"
    idle.behaves(heads=False)
    assert idle.web is not None
    idle.web.elsewhere[f"/away{secret}"] = f"http://127.0.0.1:1/x{secret}"
    urls = [idle.at(DATA, f"/good{secret}"), idle.at(None, f"/none{secret}")]
    urls += [idle.at(None, f"/away{secret}"), f"http://127.0.0.1:1/{secret}", f"file:///{secret}"]
    with idle.worker("logged") as worker:
        for url in urls:
            image_id = idle.new()
            answer = idle.add(image_id, url)
            assert secret not in answer.text
            if answer.status == 202:
                task = idle.ended(image_id, idle.tasks(image_id)[0]["id"])
                assert secret not in str(task)
                idle.ask("GET", f"/v2/images/{image_id}/file")
    assert "the port 1 is not allowed here" in worker.output()
    for log in (worker.output(), idle.service.process.output()):
        assert log and secret not in log
