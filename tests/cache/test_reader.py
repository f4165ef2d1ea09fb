"""Reading through the cache: each image once from its store, whatever happens meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from calotype import errors
from calotype.cache import filling
from calotype.cache import reader as reading
from calotype.cache.filling import Follower
from calotype.cache.folder import Folder
from calotype.cache.growing import Claim
from calotype.cache.reader import Reader
from calotype.model.image import Image
from tests.cache.conftest import MIB, Notes, Tap, image_of, until
from tests.service import environment


def follow(reader: Reader, image: Image, tap: Tap) -> Follower:
    follower = reader.follow(image, tap)
    assert isinstance(follower, Follower)
    return follower


def rest(follower: Iterator[bytes]) -> bytes:
    return b"".join(follower)


def first(follower: Iterator[bytes], size: int) -> bytes:
    """The next `size` bytes, or some more."""
    got = b""
    while len(got) < size:
        got += next(follower)
    return got


def kept(reader: Reader, image: Image) -> bytes | None:
    file = reader.open(image)
    if file is None:
        return None
    with file:
        return file.read()


def names(folder: Folder, below: str = "") -> list[str]:
    path = Path(folder.path, below)
    return sorted(name for name in os.listdir(path) if (path / name).is_file())


# -- once ------------------------------------------------------------------------------------------


def test_a_miss_then_hits(reader: Reader, folder: Folder, notes: Notes, data: bytes) -> None:
    image, tap = image_of(data), Tap(data)
    assert kept(reader, image) is None
    folder.queue(image.id)
    assert rest(follow(reader, image, tap)) == data
    until(lambda: image.id in notes.kept)
    assert kept(reader, image) == data
    assert kept(reader, image) == data
    assert tap.streams == [0]
    entry = notes.kept[image.id]
    assert (entry.size, entry.checksum, entry.hits) == (len(data), image.checksum, 2)
    assert names(folder) == [image.id]
    assert names(folder, "incomplete") == names(folder, "queue") == []


@pytest.mark.parametrize("size", [1, 2, 1000, MIB, MIB + 1])
def test_any_size(reader: Reader, size: int, data: bytes) -> None:
    image, tap = image_of(data[:size]), Tap(data[:size])
    assert rest(follow(reader, image, tap)) == data[:size]
    until(lambda: kept(reader, image) == data[:size])


@pytest.mark.parametrize(
    "fields",
    [
        {"checksum": None},
        {"os_hash_algo": None, "os_hash_value": None},
        {"checksum": None, "os_hash_algo": None, "os_hash_value": None},
        {"os_hash_algo": "unheard-of", "os_hash_value": "00"},
        {"os_hash_algo": "shake_128", "os_hash_value": "00"},
    ],
)
def test_whatever_digests_there_are(reader: Reader, data: bytes, fields: dict[str, None]) -> None:
    image = image_of(data, **fields)
    assert rest(follow(reader, image, Tap(data))) == data
    until(lambda: kept(reader, image) == data)


def test_many_at_once_cause_one_read(reader: Reader, data: bytes) -> None:
    image, tap = image_of(data), Tap(data, open=False)
    with ThreadPoolExecutor(40) as pool:
        began = threading.Barrier(41)

        def download(_: int) -> bytes:
            began.wait()
            return rest(follow(reader, image, tap))

        downloads = pool.map(download, range(40))
        began.wait()
        tap.let(5)
        assert all(got == data for got in downloads)
    assert tap.streams == [0]


def test_bytes_come_as_they_arrive(reader: Reader, data: bytes) -> None:
    image, tap = image_of(data), Tap(data, open=False)
    tap.let(1)
    one, two = follow(reader, image, tap), follow(reader, image, tap)
    assert first(one, MIB) == first(two, MIB) == data[:MIB]
    tap.let(2)
    assert first(one, 2 * MIB) == data[MIB : 3 * MIB]
    late = follow(reader, image, tap)
    assert first(late, 3 * MIB) == data[: 3 * MIB]
    tap.let(2)
    assert rest(one) == rest(late) == data[3 * MIB :]
    assert rest(two) == data[MIB:]
    assert tap.streams == [0]


def test_who_leaves_stops_nobody(reader: Reader, data: bytes) -> None:
    image, tap = image_of(data), Tap(data, open=False)
    tap.let(1)
    began_it, other = follow(reader, image, tap), follow(reader, image, tap)
    next(began_it)
    began_it.close()
    tap.let(4)
    assert rest(other) == data
    until(lambda: kept(reader, image) == data)
    assert tap.streams == [0]


def test_when_all_leave_it_is_brought_here_all_the_same(reader: Reader, data: bytes) -> None:
    image, tap = image_of(data), Tap(data, open=False)
    tap.let(1)
    follow(reader, image, tap).close()
    tap.let(4)
    until(lambda: kept(reader, image) == data)


# -- what is not to be trusted ---------------------------------------------------------------------


@pytest.mark.parametrize("digest", ["checksum", "os_hash_value"])
def test_wrong_data_never_looks_whole(
    reader: Reader, folder: Folder, notes: Notes, data: bytes, digest: str
) -> None:
    image, tap = image_of(data, **{digest: "0" * 32}), Tap(data, open=False)
    tap.let(4)
    follower = follow(reader, image, tap)
    got = first(follower, 4 * MIB)
    tap.let(1)
    with pytest.raises(errors.StoreUnavailable, match="digests"):
        for block in follower:
            got += block
    follower.close()
    assert len(got) < len(data)
    until(lambda: names(folder, "invalid") == [image.id])
    assert names(folder) == names(folder, "incomplete") == []
    assert kept(reader, image) is None
    assert not notes.kept


@pytest.mark.parametrize("change", [-1, 1, MIB])
def test_data_of_another_size(reader: Reader, folder: Folder, data: bytes, change: int) -> None:
    image = image_of(data, size=len(data) + change)
    follower = follow(reader, image, Tap(data))
    got = b""
    with pytest.raises(errors.StoreUnavailable):
        for block in follower:
            got += block
    follower.close()
    assert len(got) < (image.size or 0)
    until(lambda: names(folder, "invalid") == [image.id])
    assert names(folder) == []


def test_what_a_dead_process_left_is_not_taken_for_data(
    reader: Reader, folder: Folder, data: bytes
) -> None:
    image = image_of(data)
    Path(folder.path, "incomplete", image.id).write_bytes(bytes(len(data)))
    assert rest(follow(reader, image, Tap(data))) == data
    until(lambda: kept(reader, image) == data)


def test_an_entry_of_another_size(reader: Reader, folder: Folder, data: bytes) -> None:
    image = image_of(data)
    Path(folder.entry(image.id)).write_bytes(data[:-1])
    assert kept(reader, image) is None
    assert rest(follow(reader, image, Tap(data))) == data
    until(lambda: kept(reader, image) == data)


def test_an_entry_from_before_the_image(reader: Reader, folder: Folder, data: bytes) -> None:
    image = image_of(data)
    path = folder.entry(image.id)
    Path(path).write_bytes(bytes(len(data)))
    before = (image.created_at - timedelta(hours=1)).timestamp()
    os.utime(path, (before, before))
    assert kept(reader, image) is None
    assert not os.path.exists(path)


def test_an_entry_that_is_a_link(reader: Reader, folder: Folder, data: bytes) -> None:
    image = image_of(data)
    secret = Path(folder.path, "secret")
    secret.write_bytes(bytes(len(data)))
    os.symlink(secret, folder.entry(image.id))
    assert kept(reader, image) is None


def test_what_is_not_wanted_any_more_is_not_kept(
    reader: Reader, folder: Folder, notes: Notes, data: bytes
) -> None:
    image, tap = image_of(data), Tap(data)
    tap.is_wanted = False
    assert rest(follow(reader, image, tap)) == data
    until(lambda: names(folder, "incomplete") == [])
    assert names(folder) == []
    assert not notes.kept


# -- when something breaks -------------------------------------------------------------------------


@contextmanager
def filler(folder: Folder, image: Image, blocks: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that has brought so many blocks of an image here and waits for more."""
    command = [sys.executable, "-m", "tests.cache.filler", folder.path, image.id]
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [*command, str(image.size), str(blocks)],
        stdout=subprocess.PIPE,
        env=environment(),
        cwd=root,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def test_another_process_is_followed(reader: Reader, folder: Folder, data: bytes) -> None:
    image, tap = image_of(data), Tap(data)
    with filler(folder, image, 2):
        follower = follow(reader, image, tap)
        assert first(follower, 2 * MIB) == data[: 2 * MIB]
        assert tap.streams == []
        follower.close()


def test_who_follows_takes_over_from_the_dead(reader: Reader, folder: Folder, data: bytes) -> None:
    image, tap = image_of(data), Tap(data, open=False)
    with filler(folder, image, 2) as process:
        one, two = follow(reader, image, tap), follow(reader, image, tap)
        assert first(one, 2 * MIB) == data[: 2 * MIB]
        assert first(two, MIB) == data[:MIB]
        process.send_signal(signal.SIGKILL)
        process.wait()
    tap.let(5)
    assert rest(one) == data[2 * MIB :]
    assert rest(two) == data[MIB:]
    assert tap.streams == [0]
    until(lambda: kept(reader, image) == data)


def test_the_next_one_takes_over_from_the_dead(reader: Reader, folder: Folder, data: bytes) -> None:
    image, tap = image_of(data), Tap(data)
    with filler(folder, image, 3) as process:
        process.kill()
        process.wait()
        assert rest(follow(reader, image, tap)) == data
    assert tap.streams == [0]


def test_who_is_stuck_holds_nobody_up(
    reader: Reader, folder: Folder, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "PATIENCE", 0.2)
    image, tap = image_of(data), Tap(data)
    with filler(folder, image, 2) as process:
        process.send_signal(signal.SIGSTOP)
        assert rest(follow(reader, image, tap)) == data
    assert tap.streams == [2 * MIB]


@pytest.mark.parametrize("error", [errors.StoreError("away"), OSError("away"), KeyError("away")])
def test_a_source_that_fails_is_asked_again_for_the_rest(
    reader: Reader, folder: Folder, data: bytes, error: Exception
) -> None:
    image, tap = image_of(data), Tap(data, open=False, fail=(2, error))
    tap.let(2)
    follower = follow(reader, image, tap)
    got = first(follower, 2 * MIB)
    tap.let(10)
    assert got + rest(follower) == data
    assert tap.streams == [0, 2 * MIB]
    assert names(folder, "incomplete") == names(folder) == []


def test_a_source_that_cannot_be_opened(reader: Reader, folder: Folder, data: bytes) -> None:
    class Closed(Tap):
        def stream(self, offset: int) -> Iterator[bytes]:
            raise errors.StoreUnavailable("away")

    with pytest.raises(errors.StoreUnavailable, match="away"):
        reader.follow(image_of(data), Closed(data))
    assert names(folder, "incomplete") == []


def test_a_full_disk(
    small_folder: Path,
    notes: Notes,
    data: bytes,
    missing_server: Callable[[str, str], None],
) -> None:
    folder = Folder(str(small_folder))
    folder.prepare()
    reader = Reader(folder, notes)
    large = image_of(data, size=9 * MIB)
    assert reader.follow(large, Tap(data)) is None
    image, tap = image_of(data), Tap(data, open=False)
    tap.let(2)
    follower = follow(reader, image, tap)
    got = first(follower, 2 * MIB)
    Path(folder.path, "ballast").write_bytes(bytes(folder.room()))
    tap.let(10)
    assert got + rest(follower) == data
    assert len(tap.streams) == 2
    assert names(folder) == ["ballast"]
    assert names(folder, "incomplete") == []


@pytest.mark.parametrize("right", [True, False])
def test_a_file_that_is_taken_away_while_it_grows(
    reader: Reader, folder: Folder, data: bytes, right: bool
) -> None:
    image, tap = image_of(data, **({} if right else {"checksum": "0" * 32})), Tap(data, open=False)
    tap.let(2)
    follower = follow(reader, image, tap)
    got = first(follower, MIB)
    os.unlink(os.path.join(folder.path, "incomplete", image.id))
    tap.let(3)
    if right:
        assert got + rest(follower) == data
    else:
        with pytest.raises(errors.StoreUnavailable):
            rest(follower)
        follower.close()
    assert names(folder) == names(folder, "incomplete") == []


def test_a_folder_that_is_gone(reader: Reader, folder: Folder, data: bytes) -> None:
    os.rename(folder.path, folder.path + ".away")
    image = image_of(data)
    assert kept(reader, image) is None
    assert reader.follow(image, Tap(data)) is None


def test_books_that_fail_stop_no_download(folder: Folder, data: bytes) -> None:
    class Closed(Notes):
        def add(self, entry: object) -> None:
            raise errors.DatabaseUnavailable

        def used(self, image_id: str) -> bool:
            raise OSError("away")

    reader, image = Reader(folder, Closed()), image_of(data)
    assert rest(follow(reader, image, Tap(data))) == data
    until(lambda: kept(reader, image) == data)


def test_an_entry_without_a_note_gets_one_when_it_is_used(
    reader: Reader, folder: Folder, notes: Notes, data: bytes
) -> None:
    image = image_of(data)
    Path(folder.entry(image.id)).write_bytes(data)
    assert kept(reader, image) == data
    assert notes.kept[image.id].hits == 1


def test_only_so_many_images_at_once(reader: Reader, folder: Folder, data: bytes) -> None:
    taps = [Tap(data, open=False) for _ in range(reading.FILLS)]
    followers = []
    for tap in taps:
        tap.let(1)
        followers.append(follow(reader, image_of(data), tap))
    assert reader.follow(image_of(data), Tap(data)) is None
    for tap, follower in zip(taps, followers, strict=True):
        tap.let(4)
        assert rest(follower) == data
    until(lambda: names(folder, "incomplete") == [])
    assert rest(follow(reader, image_of(data), Tap(data))) == data


# -- fetching --------------------------------------------------------------------------------------


def test_fetching(reader: Reader, notes: Notes, data: bytes) -> None:
    image, tap = image_of(data), Tap(data)
    assert reader.fetch(image, tap)
    assert image.id in notes.kept
    assert reader.fetch(image, tap)
    assert tap.streams == [0]
    assert kept(reader, image) == data


def test_fetching_takes_as_long_as_it_takes(
    reader: Reader, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes slowly, but comes, is not given up."""
    monkeypatch.setattr(filling, "PATIENCE", 3.0)
    image, tap = image_of(data), Tap(data, open=False)

    def let() -> None:
        for _ in range(5):
            time.sleep(0.8)
            tap.let(1)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(let)
        assert reader.fetch(image, tap)
    assert kept(reader, image) == data


def test_fetching_what_cannot_be_had(reader: Reader, data: bytes) -> None:
    assert not reader.fetch(image_of(data, checksum="0" * 32), Tap(data))
    assert not reader.fetch(image_of(data), Tap(data, fail=(2, errors.StoreError("away"))))


# -- claims ----------------------------------------------------------------------------------------


def test_a_claim_is_given_to_one_only(folder: Folder, data: bytes) -> None:
    image = image_of(data)
    with ThreadPoolExecutor(20) as pool:
        claims = list(pool.map(lambda _: folder.claim(image.id), range(20)))
    assert sum(isinstance(claim, Claim) for claim in claims) == 1
    for claim in claims:
        assert claim is not None
        claim.close()
