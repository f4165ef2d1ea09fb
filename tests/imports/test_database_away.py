"""A database server that is stopped and started again in the middle of an import."""

import hashlib
import threading
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.database_servers import DatabaseServer
from tests.imports.test_crash import DATA, STORES, Site
from tests.imports.web import Web, held_back, serving
from tests.servers import Process
from tests.tasks.site import until

#: Longer than any restart of a database takes: an import need not be begun again.
PATIENT = 60


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@contextmanager
def site_on(own_server: DatabaseServer, folder: Path, web: Web, lease: int) -> Iterator[Site]:
    """A site on that server; a task of it may be begun once, which only deaths count against."""
    site = Site(folder, web.port, 1, lease=lease, database=own_server.url(own_server.create()))
    try:
        yield site
    finally:
        site.stop()


def begun(site: Site, web: Web, go_on: threading.Event) -> tuple[str, Process]:
    """An image whose data is on its way, and stops in the middle; the worker that fetches it."""
    web.pages["/image"] = held_back(DATA, 5 << 20, go_on)
    image_id, worker = site.create(), site.worker()
    uri = {"name": "web-download", "uri": f"{web.url}/image"}
    site.begin(image_id, uri, all_stores=True)
    site.wait(lambda: site.task(image_id)["message"].startswith("Copied"), 90)
    return image_id, worker


def ended(site: Site, image_id: str) -> Any:
    """The task, once it has ended and the API can tell so."""

    def has_ended() -> Any:
        try:
            task = site.task(image_id)
        except urllib.error.HTTPError as error:
            with error:
                assert error.code == 503, error
            return None
        return task if task["status"] in ("success", "failure") else None

    return until(has_ended, "the end of the import")


def is_whole(site: Site, image_id: str) -> None:
    image = site.image(image_id)
    assert (image["status"], image["stores"]) == ("active", "fast,far")
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert "os_glance_import_task" not in image
    until(lambda: not list((site.folder / "staging").iterdir()), "an empty staging folder")
    assert [(site.folder / store / image_id).read_bytes() for store in STORES] == [DATA, DATA]


def test_it_goes_on_when_the_database_is_back(
    own_server: DatabaseServer, tmp_path: Path, web: Web
) -> None:
    with site_on(own_server, tmp_path, web, PATIENT) as site:
        go_on = threading.Event()
        image_id, worker = begun(site, web, go_on)
        own_server.stop()
        go_on.set()  # the rest of the data comes, and has to be saved
        until(lambda: "without the database" in worker.output(), "the notice of the worker")
        own_server.start()
        task = ended(site, image_id)
        assert (task["status"], len(web.asked)) == ("success", 1), worker.output()
        is_whole(site, image_id)


def test_it_is_begun_again_when_the_database_was_away_for_too_long(
    own_server: DatabaseServer, tmp_path: Path, web: Web
) -> None:
    with site_on(own_server, tmp_path, web, 1) as site:
        go_on = threading.Event()
        image_id, worker = begun(site, web, go_on)
        own_server.stop()
        go_on.set()
        until(lambda: "is left to another attempt" in worker.output(), "the end of the lease")
        own_server.start()
        assert ended(site, image_id)["status"] == "success", worker.output()
        is_whole(site, image_id)
