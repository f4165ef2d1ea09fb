"""The reader of every upload: right digests, sizes kept, errors that surface, threads that end."""

import hashlib
import threading
import time
from collections.abc import Iterator
from typing import ClassVar

import pytest

from calotype import errors, streams
from calotype.streams import BLOCK, QUEUED, Facts, Hasher, Intake, blocks
from tests.stores.sources import content

SIZES = [0, 1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 5 * BLOCK, 5 * BLOCK + 7]


class Body:
    """A request body: `data` in pieces of at most `piece` bytes, cut off after `cut` bytes."""

    def __init__(self, data: bytes, *, piece: int = BLOCK, cut: int | None = None) -> None:
        self._data = data
        self._piece = piece
        self._cut = cut
        self.position = 0
        self.calls = 0

    def read(self, size: int, /) -> bytes:
        assert size > 0, "zero would look like the end, and less would read everything at once"
        self.calls += 1
        if self._cut is not None and self.position >= self._cut:
            raise errors.ClientGone()
        start, self.position = (
            self.position,
            min(len(self._data), self.position + min(size, self._piece)),
        )
        return self._data[start : self.position]


class Recorder:
    """A watcher that writes down what it is told, and refuses when asked to."""

    def __init__(self, log: list[str], name: str, *, refuse: str | None = None) -> None:
        self._log = log
        self._name = name
        self._refuse = refuse
        self.data = b""

    def see(self, block: bytes) -> None:
        self.data += block
        self._log.append(f"{self._name} sees {len(block)}")
        if self._refuse == "see":
            raise errors.UnsupportedMedia("refused at once")

    def finish(self) -> None:
        self._log.append(f"{self._name} finishes")
        if self._refuse == "finish":
            raise errors.UnsupportedMedia("refused at the end")


@pytest.fixture(autouse=True)
def no_threads_left() -> Iterator[None]:
    """Every test ends with as many threads as it began with."""
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def drain(intake: Intake, size: int = BLOCK) -> bytes:
    return b"".join(iter(lambda: bytes(intake.read(size)), b""))


# -- what passes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [BLOCK, 65_536, 1000], ids=lambda piece: f"pieces-of-{piece}")
@pytest.mark.parametrize("size", SIZES)
def test_the_facts_are_right(size: int, piece: int) -> None:
    data = content(size)
    with Intake(Body(data, piece=piece), algorithm="sha512") as intake:
        assert drain(intake) == data
        assert intake.facts() == Facts(
            size=size,
            checksum=hashlib.md5(data, usedforsecurity=False).hexdigest(),
            os_hash_algo="sha512",
            os_hash_value=hashlib.sha512(data).hexdigest(),
        )


@pytest.mark.parametrize("algorithm", ["sha256", "sha3_256", "blake2b", "md5"])
def test_any_digest_of_hashlib(algorithm: str) -> None:
    data = content(3 * BLOCK)
    with Intake(Body(data), algorithm=algorithm, md5=False) as intake:
        drain(intake)
        facts = intake.facts()
    assert facts.checksum is None
    assert facts.os_hash_algo == algorithm
    assert facts.os_hash_value == hashlib.new(algorithm, data).hexdigest()


@pytest.mark.parametrize("asked", [1000, 65_536, BLOCK, 3 * BLOCK])
def test_a_store_may_ask_for_any_size(asked: int) -> None:
    data = content(2 * BLOCK + 5)
    with Intake(Body(data), algorithm="sha256") as intake:
        pieces = list(iter(lambda: bytes(intake.read(asked)), b""))
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) <= asked
        assert intake.facts().os_hash_value == hashlib.sha256(data).hexdigest()


def test_small_pieces_are_gathered_into_blocks() -> None:
    log: list[str] = []
    body = Body(content(2 * BLOCK + 5), piece=10_000)
    with Intake(body, algorithm="sha256", watchers=[Recorder(log, "w")]) as intake:
        drain(intake)
    assert log == [f"w sees {BLOCK}", f"w sees {BLOCK}", "w sees 5", "w finishes"]


def test_reading_after_the_end_gives_nothing_and_finishes_once() -> None:
    log: list[str] = []
    with Intake(Body(b"data"), algorithm="sha256", watchers=[Recorder(log, "w")]) as intake:
        assert drain(intake) == b"data"
        assert intake.read(10) == b""
        assert intake.facts() == intake.facts()
    assert log == ["w sees 4", "w finishes"]


def test_blocks() -> None:
    assert list(blocks(Body(b"abcdefg"), 3)) == [b"abc", b"def", b"g"]


# -- sizes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
def test_the_declared_size_is_right(size: int) -> None:
    with Intake(Body(content(size)), algorithm="sha256", declared=size) as intake:
        assert len(drain(intake)) == size
        assert intake.facts().size == size


@pytest.mark.parametrize("declared", [1, 100, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_a_short_body_is_refused_at_its_end(declared: int) -> None:
    body = Body(content(declared - 1))
    with Intake(body, algorithm="sha256", declared=declared) as intake:
        with pytest.raises(errors.SizeMismatch, match=f"{declared} bytes, got {declared - 1}"):
            drain(intake)
        assert body.position == declared - 1


@pytest.mark.parametrize("declared", [0, 1, 100, BLOCK - 1, BLOCK, 3 * BLOCK])
def test_one_byte_too_many_is_enough(declared: int) -> None:
    body = Body(content(declared + 50 * BLOCK))
    with Intake(body, algorithm="sha256", declared=declared) as intake:
        with pytest.raises(errors.SizeMismatch, match=f"{declared} bytes"):
            drain(intake)
        assert body.position == declared + 1


@pytest.mark.parametrize("limit", [0, 100, BLOCK, 2 * BLOCK + 1])
def test_the_limit_is_kept(limit: int) -> None:
    with Intake(Body(content(limit)), algorithm="sha256", limit=limit) as intake:
        assert len(drain(intake)) == limit
    body = Body(content(limit + 9 * BLOCK), piece=1000)
    with Intake(body, algorithm="sha256", limit=limit, limit_name="image_size_cap") as intake:
        with pytest.raises(errors.OverLimit, match=f"image_size_cap, {limit} bytes"):
            drain(intake)
        assert body.position == limit + 1


def test_no_room_at_all_is_no_reason_to_read_on() -> None:
    body = Body(content(BLOCK))
    with Intake(body, algorithm="sha256", limit=-5) as intake, pytest.raises(errors.OverLimit):
        drain(intake)
    assert body.position <= 1


# -- what goes wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [0, 10, BLOCK, 3 * BLOCK + 10])
def test_a_body_that_is_cut_off_is_no_end(cut: int) -> None:
    body = Body(content(9 * BLOCK), piece=10, cut=cut) if cut < 100 else Body(content(cut), cut=cut)
    with Intake(body, algorithm="sha512") as intake:
        with pytest.raises(errors.ClientGone):
            drain(intake)
        with pytest.raises(errors.StoreError):
            intake.facts()


def test_what_failed_once_fails_again() -> None:
    """A library that tries a read again must not get past a refusal."""
    body = Body(b"data")
    refusing = Recorder([], "w", refuse="finish")
    with Intake(body, algorithm="sha256", watchers=[refusing]) as intake:
        assert intake.read(10) == b"data"
        with pytest.raises(errors.UnsupportedMedia) as first:
            intake.read(10)
        calls = body.calls
        with pytest.raises(errors.UnsupportedMedia) as second:
            intake.read(10)
        assert second.value is first.value
        assert body.calls == calls
        with pytest.raises(errors.StoreError):
            intake.facts()


def test_facts_before_the_end_are_an_error() -> None:
    with Intake(Body(content(2 * BLOCK)), algorithm="sha256") as intake:
        with pytest.raises(errors.StoreError):
            intake.facts()
        intake.read(2 * BLOCK)
        with pytest.raises(errors.StoreError):
            intake.facts()


def test_watchers_see_all_in_order_and_finish_before_the_end() -> None:
    log: list[str] = []
    first, second = Recorder(log, "first"), Recorder(log, "second")
    data = content(BLOCK + 1)
    with Intake(Body(data), algorithm="sha256", watchers=[first, second]) as intake:
        intake.read(BLOCK)
        assert log == [f"first sees {BLOCK}", f"second sees {BLOCK}"]
        drain(intake)
    assert log[2:] == ["first sees 1", "second sees 1", "first finishes", "second finishes"]
    assert first.data == second.data == data


@pytest.mark.parametrize("moment", ["see", "finish"])
def test_a_refusal_comes_out_of_read(moment: str) -> None:
    log: list[str] = []
    watchers = [Recorder(log, "first", refuse=moment), Recorder(log, "second")]
    with (
        Intake(Body(content(3 * BLOCK)), algorithm="sha256", watchers=watchers) as intake,
        pytest.raises(errors.UnsupportedMedia),
    ):
        drain(intake)
    assert not any(line.startswith("second finishes") for line in log)


def test_a_wrong_size_comes_before_the_judgement_of_watchers() -> None:
    log: list[str] = []
    watchers = [Recorder(log, "w", refuse="finish")]
    with (
        Intake(Body(b"abc"), algorithm="sha256", declared=4, watchers=watchers) as intake,
        pytest.raises(errors.SizeMismatch),
    ):
        drain(intake)
    assert "w finishes" not in log


# -- threads and memory ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, BLOCK])
def test_one_block_needs_no_thread(size: int) -> None:
    before = threading.active_count()
    with Intake(Body(content(size)), algorithm="sha512") as intake:
        drain(intake)
        assert threading.active_count() == before
        assert intake.facts().size == size


def test_more_blocks_are_hashed_on_two_threads() -> None:
    before = threading.active_count()
    with Intake(Body(content(2 * BLOCK)), algorithm="sha512") as intake:
        drain(intake)
        assert threading.active_count() == before + 2
        intake.facts()
        assert threading.active_count() == before


class Broken:
    """A digest that fails at its second block."""

    def __init__(self) -> None:
        self.count = 0

    def update(self, _block: bytes) -> None:
        self.count += 1
        if self.count == 2:
            raise MemoryError("no room to hash in")


def test_a_failure_while_hashing_surfaces_and_blocks_nobody() -> None:
    hasher = Hasher("sha256")
    hasher._digest = Broken()  # type: ignore[assignment]
    with pytest.raises(MemoryError):
        for _ in range(50):  # far more than would fit in front of a thread that has died
            hasher.see(bytes(BLOCK))
            time.sleep(0.001)
    with pytest.raises(MemoryError):
        hasher.hexdigest()
    hasher.close()


def test_a_failure_at_the_last_block_surfaces_too() -> None:
    hasher = Hasher("sha256")
    hasher._digest = Broken()  # type: ignore[assignment]
    hasher.see(b"one")
    hasher.see(b"two")
    with pytest.raises(MemoryError):
        hasher.hexdigest()


def test_a_failure_while_hashing_fails_the_intake() -> None:
    with Intake(Body(content(20 * BLOCK)), algorithm="sha256") as intake:
        intake._secure._digest = Broken()  # type: ignore[assignment]
        with pytest.raises(MemoryError):
            drain(intake)
            intake.facts()


def test_a_digest_can_be_read_on_the_way() -> None:
    hasher = Hasher("sha256")
    data = content(3 * BLOCK)
    for count in range(3):
        hasher.see(data[count * BLOCK : (count + 1) * BLOCK])
        expected = hashlib.sha256(data[: (count + 1) * BLOCK]).hexdigest()
        assert hasher.hexdigest() == expected


class Slow:
    """A digest that is slower than any source."""

    def update(self, _block: bytes) -> None:
        time.sleep(0.002)

    def hexdigest(self) -> str:
        return ""


class Counted(bytes):
    """Bytes that are counted as long as they are in memory."""

    alive: ClassVar[set[int]] = set()

    def counted(self) -> "Counted":
        self.alive.add(id(self))
        return self

    def __del__(self) -> None:
        self.alive.discard(id(self))


def test_memory_is_bounded_however_slow_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "BLOCK", 1000)
    seen = []

    class Long:
        left = 100

        def read(self, _size: int, /) -> bytes:
            self.left -= 1
            block = Counted(1000 if self.left > 0 else 0).counted()
            seen.append(len(Counted.alive))
            return block

    with Intake(Long(), algorithm="sha512") as intake:
        intake._secure._digest = Slow()  # type: ignore[assignment]
        while intake.read(1000):
            pass
    # Those that wait, the one being hashed, the one just read, and the one it replaces.
    assert QUEUED < max(seen) <= QUEUED + 3
