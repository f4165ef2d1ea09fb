"""`glance add-location`, `location-add` and their like, the released client, on our service."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype.db.engine import connect
from tests.locations.site import Site
from tests.remote.data_server import DataServer, giving
from tests.service import Service, environment
from tests.tasks.site import digest, until

DATA = b"as seen on the web"


@pytest.fixture(scope="module")
def web() -> Iterator[DataServer]:
    with giving() as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, web: DataServer) -> Iterator[Site]:
    """A service that asks nobody who calls, and shows locations."""
    service = Service(
        tmp_path_factory.mktemp("service"),
        default="show_multiple_locations = true",
        extra=(
            "stores = file, http\n[import_filtering_opts]\n"
            f"allowed_hosts = [127.0.0.1]\nallowed_ports = [{web.port}]\n"
        ),
        arguments=("--workers", "1"),
    )
    config = service.config.read_text().replace("stores = file\n", "", 1)
    service.config.write_text(config)
    database = connect(service.database)
    with service:
        yield Site(service, database, web=web)
    database.close()


@pytest.fixture
def glance(programs: Path, site: Site, tmp_path: Path) -> Any:
    def run(*words: str) -> str:
        reach = ("--os-auth-token", "any", "--os-image-url", site.service.url)
        command = [programs / "glance", *reach, *words]
        env = environment({"HOME": str(tmp_path)})
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_location_makes_an_image_active(site: Site, glance: Any) -> None:
    image_id = site.new()
    glance("add-location", "--url", site.at(DATA), image_id)
    until(lambda: site.digests(image_id)[2], "the digest")
    assert site.digests(image_id) == (digest("md5", DATA), "sha512", digest("sha512", DATA))
    assert DATA.decode() in glance("image-download", image_id)


def test_a_location_with_its_digest(site: Site, glance: Any) -> None:
    image_id, value = site.new(), digest("sha256", DATA)
    given = f'{{"os_hash_algo": "sha256", "os_hash_value": "{value}"}}'
    glance("add-location", "--url", site.at(DATA), "--validation-data", given, image_id)
    until(lambda: site.show(image_id)["status"] == "active", "the image")
    assert site.digests(image_id)[1:] == ("sha256", value)


def test_locations_are_changed_one_by_one(site: Site, glance: Any) -> None:
    image_id, first, second = site.new(), site.at(DATA), site.at(DATA)
    glance(
        *("location-add", "--url", first, "--metadata", '{"a": "b"}', "--checksum"),
        *(digest("md5", DATA), "--hash-algo", "sha512", "--hash-value", digest("sha512", DATA)),
        image_id,
    )
    shown = site.show(image_id)
    assert (shown["status"], shown["checksum"]) == ("active", digest("md5", DATA))
    assert shown["locations"] == [{"url": first, "metadata": {"a": "b"}}]
    glance("location-add", "--url", second, image_id)
    glance("location-update", "--url", second, "--metadata", '{"c": "d"}', image_id)
    assert site.show(image_id)["locations"][1] == {"url": second, "metadata": {"c": "d"}}
    glance("location-delete", "--url", first, image_id)
    assert [it["url"] for it in site.show(image_id)["locations"]] == [second]
