"""Which digests are taken of data: as the operator says."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.conftest import THREADS
from tests.data.site import Made, Site, file_of
from tests.stores.sources import content

MIB = 1 << 20

#: Data that a digest could get wrong: nothing, less than a block, block boundaries, holes.
SAMPLES = {
    "nothing": b"",
    "little": b"little",
    "a block": content(MIB),
    "two blocks": content(2 * MIB),
    "more": content(7 * MIB + 13),
    "holes": content(MIB) + bytes(4 * MIB) + content(MIB, 3) + bytes(MIB + 7),
}


@pytest.fixture(
    scope="module",
    params=[
        ("sha256", True, False),
        ("sha512", False, True),
        ("blake2b", True, True),
    ],
    ids=str,
)
def set_up(
    request: pytest.FixtureRequest, make_service: Made, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, str, bool, bool]]:
    """A service with an algorithm, with or without md5, with or without holes in its files."""
    algorithm, md5, thin = request.param
    folder: Path = tmp_path_factory.mktemp("service")
    service = make_service(
        folder,
        *("--workers", "1", "--threads", str(THREADS), "--no-worker"),
        default=f"hashing_algorithm = {algorithm}\ncalotype_md5_checksum = {md5}",
        extra=f"filesystem_thin_provisioning = {thin}",
    )
    yield Site(service.start()), algorithm, md5, thin
    assert service.stop() == 0


@pytest.mark.parametrize("sample", SAMPLES)
def test_digests_are_those_of_hashlib(set_up: tuple[Site, str, bool, bool], sample: str) -> None:
    site, algorithm, md5, thin = set_up
    data = SAMPLES[sample]
    image_id = site.stored(data)
    image = site.show(image_id)
    assert image["os_hash_algo"] == algorithm
    assert image["os_hash_value"] == hashlib.new(algorithm, data).hexdigest()
    assert image["checksum"] == (hashlib.md5(data).hexdigest() if md5 else None)
    answer = site.download(image_id)
    assert answer.body == data
    assert answer.headers.get("content-md5") == image["checksum"]
    assert answer.headers["etag"] == f'"{image["os_hash_value"]}"'
    if sample == "holes":
        room = site.path(image_id).stat().st_blocks * 512
        assert (room < len(data) - 3 * MIB) == thin


def test_a_part_of_data_without_md5(set_up: tuple[Site, str, bool, bool]) -> None:
    site, _, md5, _ = set_up
    image_id = site.stored(SAMPLES["more"])
    answer = site.ask("GET", file_of(image_id), Range=f"bytes={MIB}-{MIB + 9}")
    assert answer.body == SAMPLES["more"][MIB : MIB + 10]
    assert ("content-md5" in answer.headers) == md5
