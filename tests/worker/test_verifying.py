"""Reading images again: what is found, what is not held against them, and how fast it may go."""

import pytest

from calotype import errors
from calotype.db.deletes import Deletes
from calotype.model.image import Status
from calotype.stores.catalog import Catalog, Entry
from calotype.worker.verifying import CREDIT, Pace, Verified, Verifier
from tests.worker.jobs import Queue, on_each_engine
from tests.worker.test_hashing import DATA, MIB, Site, digest

GOOD = {"checksum": digest("md5"), "os_hash_algo": "sha256", "os_hash_value": digest("sha256")}


@pytest.fixture
def site(queue: Queue) -> Site:
    return Site(queue)


@pytest.fixture
def verifier(site: Site) -> Verifier:
    stores = Catalog(
        {"slow": Entry("slow", site.slow), "fast": Entry("fast", site.fast, weight=1)},
        "slow",
        multi=True,
    )
    return Verifier(site.images, stores, Pace(None))


@on_each_engine
def test_every_copy_is_compared(site: Site, verifier: Verifier) -> None:
    image = site.image(DATA, DATA, **GOOD)
    assert verifier.verify(image.id) == Verified(image.id, 2, 2 * len(DATA), compared=True)
    assert site.images.get(image.id) == image


def test_upper_case_is_no_mismatch(site: Site, verifier: Verifier) -> None:
    image = site.image(**{**GOOD, "os_hash_value": digest("sha256").upper()})
    assert verifier.verify(image.id).problems == ()


def test_a_copy_that_differs_is_named(site: Site, verifier: Verifier) -> None:
    damaged = b"X" + DATA[1:]
    found = verifier.verify(site.image(DATA, damaged, **GOOD).id)
    assert found.problems == (
        f"store fast: md5 is {digest('md5', damaged)}, recorded is {digest('md5')}",
        f"store fast: sha256 is {digest('sha256', damaged)}, recorded is {digest('sha256')}",
    )


def test_a_copy_of_another_length_is_named(site: Site, verifier: Verifier) -> None:
    found = verifier.verify(site.image(DATA, DATA + b"!").id)
    assert found.problems == (
        f"store fast: it has {len(DATA) + 1} bytes, recorded are {len(DATA)}",
    )
    assert not found.compared


def test_a_copy_that_cannot_be_read_is_named(site: Site, verifier: Verifier) -> None:
    image = site.image(DATA, DATA, **GOOD)
    site.fast.delete(image.locations[1])
    found = verifier.verify(image.id)
    assert found.problems == (
        "store fast: cannot be read: The store has no data at this location.",
    )
    assert (found.copies, found.bytes) == (2, len(DATA))


def test_no_copy_at_all_is_a_problem(site: Site, verifier: Verifier) -> None:
    found = verifier.verify(site.image(locations=(), **GOOD).id)
    assert found.problems == ("it has no copy in any store",)


def test_without_a_digest_only_the_size_is_compared(site: Site, verifier: Verifier) -> None:
    found = verifier.verify(site.image().id)
    assert (found.compared, found.problems) == (False, ())


def test_a_deactivated_image_has_data_too(site: Site, verifier: Verifier) -> None:
    assert verifier.verify(site.image(status=Status.DEACTIVATED, **GOOD).id).problems == ()


def test_an_image_without_data_is_refused(site: Site, verifier: Verifier) -> None:
    with pytest.raises(errors.Conflict, match="queued"):
        verifier.verify(site.image(status=Status.QUEUED).id)
    with pytest.raises(errors.ImageNotFound):
        verifier.verify("11111111-1111-4111-8111-111111111111")


def test_what_was_changed_meanwhile_is_read_again(site: Site, verifier: Verifier) -> None:
    """A task may have replaced the digests while the old ones were being compared."""
    image = site.image(**{**GOOD, "os_hash_value": digest("sha1"), "os_hash_algo": "sha256"})

    def mend(number: int) -> None:
        if number == 0:
            old = site.images.get(image.id)
            site.images.swap(old, old.with_(**GOOD))

    site.slow.each = mend
    assert verifier.verify(image.id).problems == ()
    assert site.slow.reads == 2


def test_an_image_deleted_meanwhile_is_not_found(site: Site, verifier: Verifier) -> None:
    image = site.image(**{**GOOD, "checksum": "0" * 32})

    def delete(number: int) -> None:
        if number == 0:
            old = site.images.get(image.id)
            Deletes(site.database).begin(old)

    site.slow.each = delete
    with pytest.raises(errors.ImageNotFound):
        verifier.verify(image.id)


# -- the pace --------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_it_reads_no_faster_than_it_may() -> None:
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    for _ in range(50):
        clock.now += 0.01
        pace.spend(MIB)
    assert clock.now == pytest.approx(5.0, abs=0.2)


def test_after_a_pause_there_is_no_burst() -> None:
    clock = Clock()
    pace = Pace(10, clock, clock.sleep)
    clock.now = 100.0
    for _ in range(100):
        pace.spend(MIB)
    assert clock.now == pytest.approx(110.0 - CREDIT)


def test_without_a_rate_it_does_not_wait() -> None:
    clock = Clock()
    Pace(None, clock, clock.sleep).spend(1 << 50)
    assert clock.now == 0.0
