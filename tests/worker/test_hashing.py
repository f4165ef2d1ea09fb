"""The job that calculates digests: from which copy, against what, and what stays when it fails."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from calotype import errors
from calotype.caller import Caller
from calotype.db.deletes import Deletes
from calotype.db.digests import Digests
from calotype.db.engine import Database
from calotype.db.images import Images, now
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location
from calotype.model.task import Task, TaskStatus
from calotype.services.hashes import TYPE
from calotype.services.hashes import queue as queue_hash
from calotype.stores.catalog import Catalog, Entry
from calotype.stores.memory import MemoryStore
from calotype.worker import hashing
from calotype.worker.hashing import HashJob
from tests.worker.jobs import Queue, on_each_engine

MIB = 1 << 20
DATA = bytes(range(256)) * (4 * MIB // 256) + b"and a bit"


def digest(algorithm: str, data: bytes = DATA) -> str:
    return hashlib.new(algorithm, data).hexdigest()


class Shelf(MemoryStore):
    """A store in memory that fails when it is told to, and tells how often it was read."""

    def __init__(self, *, fails: int = 0, after: int = 0) -> None:
        super().__init__()
        self.fails = fails
        self.after = after
        self.reads = 0
        self.closed = 0
        self._opened: list[Iterator[bytes]] = []
        self.each: Callable[[int], None] = lambda number: None
        self.when_closed: Callable[[], None] = lambda: None

    def read(
        self, location: Location, offset: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        self.reads += 1
        self._opened.append(self._blocks(super().read(location, offset, length)))
        return self._opened[-1]  # which is kept, so that nothing but `close` closes it

    def _blocks(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        try:
            for number, block in enumerate(blocks):
                if self.fails and number >= self.after:
                    self.fails -= 1
                    raise errors.StoreError("The wire broke")
                self.each(number)
                yield block
        finally:
            self.closed += 1
            self.when_closed()


class Site:
    """Images in two stores, and the job. The `fast` store is to be read first."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.database: Database = queue.database
        self.images = Images(queue.database)
        self.fast, self.slow = Shelf(), Shelf()
        self.retries, self.md5 = 3, True

    def image(self, *copies: bytes | None, **fields: Any) -> Image:
        """An active image whose copies, in the slow and in the fast store, are these."""
        image_id = str(uuid.uuid4())
        locations = []
        for name, store, data in zip(
            ("slow", "fast"), (self.slow, self.fast), copies or (DATA,), strict=False
        ):
            if data is not None:
                put = store.put(image_id, _Source(data), None)
                locations.append(Location(put.url, {"store": name}))
        size = len(next(copy for copy in copies or (DATA,) if copy is not None))
        image = Image(
            **{
                "id": image_id,
                "status": Status.ACTIVE,
                "visibility": Visibility.PRIVATE,
                "created_at": now(),
                "updated_at": now(),
                "owner": "ours",
                "size": size,
                "locations": tuple(locations),
                **fields,
            }
        )
        self.images.add(image)
        return self.images.get(image_id)

    def begin(self, image: Image, algorithm: str = "sha512") -> Task:
        return queue_hash(self.database, image, algorithm, Caller(project_id="ours"))

    def attempt(self, task: Task) -> Task:
        """One attempt; the task afterwards."""
        stores = Catalog(
            {
                "slow": Entry("slow", self.slow, weight=1),
                "fast": Entry("fast", self.fast, weight=2),
            },
            "slow",
            multi=True,
        )
        job = HashJob(
            self.images,
            Digests(self.database),
            self.queue.tasks,
            stores,
            retries=self.retries,
            md5=self.md5,
        )
        return self.queue.run_one(task.id, jobs={TYPE: job})

    def hash(self, image: Image, algorithm: str = "sha512") -> Task:
        return self.attempt(self.begin(image, algorithm))

    def has(self, image: Image) -> tuple[str | None, str | None, str | None]:
        it = self.images.get(image.id)
        return it.checksum, it.os_hash_algo, it.os_hash_value


class _Source:
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def read(self, size: int, /) -> memoryview:
        piece, self._data = self._data[:size], self._data[size:]
        return piece


@pytest.fixture
def site(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(hashing, "PAUSE", 0.0)
    return Site(queue)


# -- what is calculated ----------------------------------------------------------------------------


@on_each_engine
@pytest.mark.parametrize("algorithm", ["sha512", "sha256", "md5", "sha1", "blake2b", "sha3_512"])
def test_both_digests_are_calculated(site: Site, algorithm: str) -> None:
    image = site.image()
    task = site.hash(image, algorithm)
    assert (task.status, task.message) == (TaskStatus.SUCCESS, "The digests are calculated")
    assert site.has(image) == (digest("md5"), algorithm, digest(algorithm))
    assert task.result == {
        "image_id": image.id,
        "checksum": digest("md5"),
        "os_hash_algo": algorithm,
        "os_hash_value": digest(algorithm),
    }
    assert site.slow.reads == 1


def test_they_appear_together_and_not_before(site: Site) -> None:
    image = site.image()
    seen = set()
    task = site.begin(image)
    site.slow.each = lambda number: seen.add(site.has(image))
    site.attempt(task)
    assert seen == {(None, "sha512", None)}
    assert None not in site.has(image)


def test_no_data_has_digests_too(site: Site) -> None:
    image = site.image(b"")
    assert site.hash(image).status is TaskStatus.SUCCESS
    assert site.has(image) == (digest("md5", b""), "sha512", digest("sha512", b""))


def test_without_md5_the_checksum_is_left_alone(site: Site) -> None:
    site.md5 = False
    image = site.image()
    assert site.hash(image).status is TaskStatus.SUCCESS
    assert site.has(image) == (None, "sha512", digest("sha512"))


def test_without_md5_a_recorded_checksum_still_counts(site: Site) -> None:
    site.md5 = False
    good, bad = site.image(checksum=digest("md5")), site.image(checksum="0" * 32)
    assert site.hash(good).status is TaskStatus.SUCCESS
    assert site.has(good) == (digest("md5"), "sha512", digest("sha512"))
    assert site.hash(bad).status is TaskStatus.FAILURE
    assert site.has(bad) == ("0" * 32, None, None)


# -- an image that has digests already -------------------------------------------------------------


@on_each_engine
@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
def test_a_recorded_digest_that_matches_is_replaced(site: Site, algorithm: str) -> None:
    old = {"os_hash_algo": "sha256", "os_hash_value": digest("sha256").upper()}
    image = site.image(checksum=digest("md5"), **old)
    assert site.hash(image, algorithm).status is TaskStatus.SUCCESS
    assert site.has(image) == (digest("md5"), algorithm, digest(algorithm))
    assert site.slow.reads == 1


@on_each_engine
@pytest.mark.parametrize("algorithm", ["sha512", "sha256"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"checksum": "0" * 32},
        {"os_hash_algo": "sha256", "os_hash_value": "0" * 64},
        {"checksum": "0" * 32, "os_hash_algo": "sha256", "os_hash_value": digest("sha256")},
        {"checksum": digest("md5"), "os_hash_algo": "sha256", "os_hash_value": "0" * 64},
        {"size": 17, "os_hash_algo": "sha256", "os_hash_value": "0" * 64},
    ],
    ids=["md5", "sha256", "md5 of both", "sha256 of both", "size too"],
)
def test_a_recorded_digest_that_differs_changes_nothing(
    site: Site, wrong: dict[str, Any], algorithm: str
) -> None:
    image = site.image(**wrong)
    task = site.hash(image, algorithm)
    assert task.status is TaskStatus.FAILURE
    assert task.message == "stored data does not match its recorded hash"
    assert site.images.get(image.id) == image


def test_a_recorded_digest_of_an_unknown_kind_is_not_replaced(site: Site) -> None:
    image = site.image(os_hash_algo="sha-one-million", os_hash_value="00")
    task = site.hash(image)
    assert task.status is TaskStatus.FAILURE
    assert "'sha-one-million' is not known here" in task.message
    assert site.images.get(image.id) == image


# -- copies and retries ----------------------------------------------------------------------------


def test_the_fastest_copy_is_read(site: Site) -> None:
    image = site.image(DATA, DATA)
    assert site.hash(image).status is TaskStatus.SUCCESS
    assert (site.fast.reads, site.slow.reads) == (1, 0)


@pytest.mark.parametrize("after", [0, 2], ids=["at once", "in the middle"])
def test_the_next_copy_is_read_when_one_fails(site: Site, after: int) -> None:
    image = site.image(DATA, DATA)
    site.fast.fails, site.fast.after = 1, after
    assert site.hash(image).status is TaskStatus.SUCCESS
    assert (site.fast.reads, site.slow.reads) == (1, 1)
    assert site.has(image) == (digest("md5"), "sha512", digest("sha512"))


def test_a_copy_that_is_gone_is_passed_over(site: Site) -> None:
    image = site.image(DATA, DATA)
    site.fast.delete(image.locations[1])
    assert site.hash(image).status is TaskStatus.SUCCESS


def test_a_copy_of_another_size_is_passed_over(site: Site) -> None:
    image = site.image(DATA, DATA[:-1])
    assert site.hash(image).status is TaskStatus.SUCCESS
    assert site.has(image) == (digest("md5"), "sha512", digest("sha512"))


def test_a_failure_that_passes_is_tried_again(site: Site) -> None:
    image = site.image()
    site.slow.fails, site.slow.after = 3, 1
    assert site.hash(image).status is TaskStatus.SUCCESS
    assert site.slow.reads == 4


@on_each_engine
@pytest.mark.parametrize(
    "was",
    [
        {},
        {"checksum": digest("md5")},
        {"os_hash_algo": "sha512"},
        {"checksum": digest("md5"), "os_hash_algo": "sha256", "os_hash_value": digest("sha256")},
        {"checksum": digest("md5"), "os_hash_algo": "sha512", "os_hash_value": digest("sha512")},
    ],
    ids=["nothing", "checksum", "algorithm", "other", "same"],
)
def test_after_http_retries_all_three_are_as_they_were(site: Site, was: dict[str, Any]) -> None:
    image = site.image(**was)
    site.slow.fails = 10**9
    task = site.hash(image)
    assert task.status is TaskStatus.FAILURE
    assert task.message == "The data could not be read in 4 attempts: The wire broke"
    assert site.slow.reads == 4
    assert site.images.get(image.id) == image


def test_without_retries_there_is_one_attempt(site: Site) -> None:
    site.retries = 0
    site.slow.fails = 1
    image = site.image()
    assert site.hash(image).message.startswith("The data could not be read in 1 attempts")
    assert site.slow.reads == 1


def test_an_image_without_a_copy_fails_at_once(site: Site) -> None:
    image = site.image(locations=())
    task = site.hash(image)
    assert (task.status, site.slow.reads) == (TaskStatus.FAILURE, 0)
    assert "no data" in task.message
    assert site.images.get(image.id) == image


def test_a_store_that_is_no_longer_configured_is_a_failure(site: Site) -> None:
    image = site.image(locations=(Location("swift://somewhere", {"store": "gone"}),))
    task = site.hash(image)
    assert "No configured store reads swift:// locations" in task.message
    assert site.images.get(image.id) == image


def test_what_is_read_is_closed_also_before_its_end(site: Site) -> None:
    task = site.begin(site.image())
    site.slow.each = lambda number: site.queue.stop.set()
    site.attempt(task)
    assert (site.slow.reads, site.slow.closed) == (1, 1)


# -- meanwhile -------------------------------------------------------------------------------------


def test_progress_is_told_in_mib(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calotype.worker.runner.REPORT", 0.0)
    image = site.image()
    task = site.begin(image)
    said = []
    site.slow.each = lambda number: said.append(site.queue.tasks.get(task.id).message)
    site.attempt(task)
    assert said == ["", "Hashed 1 MiB", "Hashed 2 MiB", "Hashed 3 MiB", "Hashed 4 MiB"]


@on_each_engine
def test_a_delete_is_noticed_within_a_block(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "LOOK", 0.0)
    image = site.image(os_hash_algo="sha256", os_hash_value=digest("sha256"))
    task = site.begin(image)
    seen = []

    def each(number: int) -> None:
        seen.append(number)
        if number == 1:
            Deletes(site.database).begin(site.images.get(image.id))

    site.slow.each = each
    ended = site.attempt(task)
    assert seen == [0, 1]
    assert ended.status is TaskStatus.FAILURE
    assert ended.message == "The image was deleted while its digests were calculated"
    with pytest.raises(errors.ImageNotFound):
        site.images.get(image.id)


def test_looking_for_a_delete_costs_a_query_each_so_many_milliseconds(site: Site) -> None:
    image = site.image(DATA * 8)
    site.retries = 0
    looks = []
    exists = Digests.exists

    def counted(self: Digests, image_id: str) -> bool:
        looks.append(time.monotonic())
        return exists(self, image_id)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Digests, "exists", counted)
        begun = time.monotonic()
        assert site.hash(image).status is TaskStatus.SUCCESS
    assert 1 <= len(looks) <= 1 + (time.monotonic() - begun) / hashing.LOOK


@on_each_engine
def test_a_delete_at_the_very_end_is_noticed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "LOOK", 3600.0)
    image = site.image()
    task = site.begin(image)

    def each(number: int) -> None:
        if number == 4:
            Deletes(site.database).begin(site.images.get(image.id))

    site.slow.each = each
    ended = site.attempt(task)
    assert ended.message == "The image was deleted while its digests were calculated"
    with pytest.raises(errors.ImageNotFound):
        site.images.get(image.id)


def test_data_that_vanishes_with_its_image_is_no_trouble_of_the_store(site: Site) -> None:
    image = site.image()
    task = site.begin(image)

    def each(_number: int) -> None:
        Deletes(site.database).begin(site.images.get(image.id))
        raise errors.DataNotFound()

    site.slow.each = each
    ended = site.attempt(task)
    assert ended.message == "The image was deleted while its digests were calculated"
    assert site.slow.reads == 1


def test_an_image_deleted_before_it_began(site: Site) -> None:
    image = site.image()
    task = site.begin(image)
    Deletes(site.database).begin(site.images.get(image.id))
    assert "deleted" in site.attempt(task).message
    assert site.slow.reads == 0


def test_a_delete_that_is_refused_because_of_the_reading_does_not_matter(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashing, "LOOK", 0.0)
    image = site.image()
    task = site.begin(image)

    def each(number: int) -> None:
        if site.slow.closed == 0 and number == 1:
            Deletes(site.database).begin(site.images.get(image.id))

    site.slow.each = each
    site.slow.when_closed = lambda: (
        Deletes(site.database).cancel(image) if site.slow.closed == 1 else None
    )
    assert site.attempt(task).status is TaskStatus.SUCCESS
    assert site.slow.reads == 2
    assert site.has(image) == (digest("md5"), "sha512", digest("sha512"))


def test_a_delete_that_the_store_refused_leaves_all_as_it_was(site: Site) -> None:
    """The delete is taken back after the task has ended because of it."""
    image = site.image(os_hash_algo="sha256", os_hash_value=digest("sha256"))
    task = site.begin(image)
    Deletes(site.database).begin(image)
    site.attempt(task)
    Deletes(site.database).cancel(image)
    assert site.has(image) == (None, "sha256", digest("sha256"))


def test_a_deactivation_does_not_matter(site: Site) -> None:
    image = site.image()
    task = site.begin(image)
    meanwhile = site.images.get(image.id)
    site.images.swap(meanwhile, meanwhile.moved_to(Status.DEACTIVATED))
    assert site.attempt(task).status is TaskStatus.SUCCESS
    assert site.images.get(image.id).status is Status.DEACTIVATED
    assert site.has(image) == (digest("md5"), "sha512", digest("sha512"))


def test_digests_that_somebody_else_set_stay(site: Site) -> None:
    image = site.image()
    task = site.begin(image)
    meanwhile = site.images.get(image.id)
    theirs = {"checksum": "1" * 32, "os_hash_algo": "sha1", "os_hash_value": "2" * 40}
    site.slow.each = lambda number: (
        None if number else _swap(site, meanwhile, meanwhile.with_(**theirs))
    )
    ended = site.attempt(task)
    assert ended.status is TaskStatus.FAILURE
    assert "changed by somebody else" in ended.message
    assert site.has(image) == ("1" * 32, "sha1", "2" * 40)


def _swap(site: Site, old: Image, new: Image) -> None:
    site.images.swap(old, new)


def test_a_worker_that_stops_hands_over_and_the_next_one_ends_it(site: Site) -> None:
    image = site.image()
    task = site.begin(image)
    site.slow.each = lambda number: site.queue.stop.set() if number == 2 else None
    left = site.attempt(task)
    assert left.status is TaskStatus.PROCESSING
    assert site.has(image) == (None, "sha512", None)
    site.queue.stop.clear()
    site.slow.each = lambda number: None
    assert site.attempt(task).status is TaskStatus.SUCCESS
    assert site.has(image) == (digest("md5"), "sha512", digest("sha512"))


def test_deaths_are_given_up_with_everything_as_it_was(site: Site) -> None:
    image = site.image(os_hash_algo="sha256", os_hash_value=digest("sha256"))
    task = site.begin(image)
    for _ in range(3):
        site.queue.die(task.id)
    ended = site.attempt(task)
    assert ended.status is TaskStatus.FAILURE
    assert ended.message.startswith("Given up: in each of 3 attempts the worker died")
    assert site.images.get(image.id) == image


# -- asking for it ---------------------------------------------------------------------------------


@on_each_engine
def test_one_task_at_a_time(site: Site) -> None:
    image = site.image()
    task = site.begin(image)
    with pytest.raises(errors.Conflict, match=task.id):
        site.begin(site.images.get(image.id), "sha256")
    site.attempt(task)
    site.begin(site.images.get(image.id), "sha256")


def test_an_image_as_it_was_before_another_task_is_refused(site: Site) -> None:
    image = site.image()
    site.hash(image, "sha256")
    with pytest.raises(errors.ChangedMeanwhile):
        site.begin(image)
    assert site.has(image) == (digest("md5"), "sha256", digest("sha256"))
