"""glance-download between two regions of one Keystone, each with an image service of its own."""

import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.clients.people import User, user_of
from tests.keystone import MEMBER, OTHER, READER, Keystone
from tests.servers import HOST, Missing, Process, free_port
from tests.service import CONFIG, Service, environment

DATA = os.urandom((3 << 20) + 123)
FORMATS = ("--disk-format", "raw", "--container-format", "bare")
METHODS = "enabled_import_methods = [glance-direct,web-download,copy-image,glance-download]"
#: Real Glance, where `make bench` has installed it.
GLANCE = Path(__file__).parents[2] / ".bench"


@dataclass(frozen=True)
class Regions:
    """The service that fetches, and who uses it and the one of the region There."""

    here: Service
    mary: User
    otto: User
    rita: User
    there: str


@pytest.fixture(scope="module")
def regions(
    keystone: Keystone, programs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Regions]:
    folder = tmp_path_factory.mktemp("regions")
    sections = keystone.sections()
    with (
        Service(folder / "there", extra=sections, arguments=("--workers", "1")) as there,
        Service(
            folder / "here", default=METHODS, extra=sections, arguments=("--workers", "1")
        ) as here,
    ):
        keystone.serve_images_at(f"{there.url}/v2", "There")
        mary, otto, rita = (
            user_of(keystone, person, programs, folder, here.url)
            for person in (MEMBER, OTHER, READER)
        )
        yield Regions(here, mary, otto, rita, there.url)


def client(user: User) -> User:
    """The same person, whose `glance` talks to the service here, which is in no catalogue."""
    return user.with_glance_environment({**user.glance_environment, "OS_IMAGE_URL": user.url})


def ended(user: User, image_id: str) -> tuple[str, str]:
    """How the newest task of an image ended, and what it says."""
    deadline = time.monotonic() + 90
    while True:
        task = user.ask("GET", f"/v2/images/{image_id}/tasks").json["tasks"][0]
        if task["status"] in ("success", "failure"):
            return task["status"], task["message"]
        assert time.monotonic() < deadline, task
        time.sleep(0.05)


def ask(user: User, remote_id: str, region: str = "There") -> tuple[int, str]:
    """Ask for an image of another region by plain HTTP; the status and the id of the new image."""
    image_id = user.put_image("a copy", visibility="private")
    method = {
        "name": "glance-download", "glance_image_id": remote_id, "glance_region": region,
    }  # fmt: skip
    answer = user.ask("POST", f"/v2/images/{image_id}/import", {"method": method})
    return answer.status, image_id


def test_the_client_brings_an_image_from_another_region(regions: Regions) -> None:
    theirs = regions.mary.at(regions.there).put_image(
        "theirs", DATA, visibility="private", hw_disk_bus="scsi", colour="red"
    )
    mary = client(regions.mary)
    made = mary.glance(
        *("image-create-via-import", "--import-method", "glance-download", *FORMATS),
        *("--name", "mine", "--remote-region", "There", "--remote-image-id", theirs),
    ).fields
    assert ended(mary, made["id"]) == ("success", f"Imported {len(DATA)} bytes")
    image = mary.ask("GET", f"/v2/images/{made['id']}").json
    assert (image["status"], image["name"], image["size"]) == ("active", "mine", len(DATA))
    assert image["os_hash_value"] == hashlib.sha512(DATA).hexdigest()
    assert image["hw_disk_bus"] == "scsi" and "colour" not in image
    assert mary.ask("GET", f"/v2/images/{made['id']}/file").body == DATA


def test_nobody_gets_what_they_may_not_see_there(regions: Regions) -> None:
    """The service asks with the token of the caller, not with rights of its own."""
    theirs = regions.mary.at(regions.there).put_image("theirs", DATA, visibility="private")
    status, image_id = ask(regions.otto, theirs)
    assert status == 202
    outcome, message = ended(regions.otto, image_id)
    assert outcome == "failure" and f"there is no image {theirs} that you may see" in message
    assert regions.otto.ask("GET", f"/v2/images/{image_id}").json["status"] == "queued"


def test_a_region_that_has_no_images(regions: Regions) -> None:
    status, image_id = ask(regions.mary, "0" * 8 + "-0000-4000-8000-" + "0" * 12, "Nowhere")
    assert status == 400
    assert regions.mary.ask("GET", f"/v2/images/{image_id}").json["status"] == "queued"


def test_an_image_without_data_there(regions: Regions) -> None:
    theirs = regions.mary.at(regions.there).put_image("theirs", visibility="private")
    status, image_id = ask(regions.mary, theirs)
    assert status == 202
    outcome, message = ended(regions.mary, image_id)
    assert (outcome, message) == ("failure", "Region There: the image is queued, not active, there")


def test_no_token_stands_in_the_log(regions: Regions) -> None:
    theirs = regions.mary.at(regions.there).put_image("theirs", DATA, visibility="private")
    _, image_id = ask(regions.mary, theirs)
    assert ended(regions.mary, image_id)[0] == "success"
    log = regions.here.log.read_text()
    assert f"Image {image_id}: Imported" in log
    assert regions.mary.headers["X-Auth-Token"] not in log
    assert re.findall(r"gAAAAA\w+", log) == []


def test_an_image_of_real_glance(
    regions: Regions, keystone: Keystone, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    try:
        glance, url = real_glance(tmp_path, keystone)
    except Missing as reason:
        request.getfixturevalue("missing_server")("real Glance", str(reason))
        raise
    with glance:
        glance.wait_url(url)
        keystone.serve_images_at(url, "Glance")
        mary = regions.mary.with_headers({"X-Auth-Token": keystone.token(MEMBER)})
        theirs = mary.at(url).put_image("theirs", DATA, visibility="private", os_distro="debian")
        status, image_id = ask(mary, theirs, "Glance")
        assert status == 202
        assert ended(mary, image_id) == ("success", f"Imported {len(DATA)} bytes")
        image = mary.ask("GET", f"/v2/images/{image_id}").json
        assert (image["status"], image["os_distro"]) == ("active", "debian")
        assert mary.ask("GET", f"/v2/images/{image_id}/file").body == DATA


def real_glance(folder: Path, keystone: Keystone) -> tuple[Process, str]:
    """A Glance behind this Keystone, not yet started. Raises Missing."""
    uwsgi = GLANCE / "bin" / "uwsgi"
    if not uwsgi.exists():
        raise Missing("it is not installed: make .bench/.ready")
    port, config = free_port(), folder / "glance-api.conf"
    flavor = f"flavor = keystone\nconfig_file = {folder}/glance-api-paste.ini"
    sections = keystone.sections().replace("flavor = keystone", flavor)
    database = f"sqlite:///{folder}/glance.db"
    config.write_text(CONFIG.format(folder=folder, default="", database=database, extra=sections))
    shutil.copy(GLANCE / "etc" / "glance" / "glance-api-paste.ini", folder)
    (folder / "images").mkdir()
    made = environment({"OS_GLANCE_CONFIG_DIR": str(folder), "PYTHONPATH": ""})
    manage = [GLANCE / "bin" / "glance-manage", "--config-file", config, "db_sync"]
    sync = Process(manage, folder / "sync.log", env=made)
    with sync:
        assert sync._popen is not None and sync._popen.wait(120) == 0, sync.output()
    command = [
        *(uwsgi, "--virtualenv", GLANCE, "--http-socket", f"{HOST}:{port}", "--need-app"),
        *("--module", "glance.wsgi.api:application", "--master", "--lazy-apps"),
        *("--processes", "1", "--threads", "4", "--enable-threads", "--die-on-term"),
        *("--buffer-size", "65535", "--http-auto-chunked", "--http-chunked-input"),
    ]
    return Process(command, folder / "log", env=made), f"http://{HOST}:{port}"
