"""Keeping the cache in order."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from calotype.cache.folder import Folder
from calotype.cache.growing import Claim
from calotype.cache.space import Pruned, Space
from calotype.model.cached import CachedImage
from tests.cache.conftest import Notes

IDS = [f"{n}{n}{n}{n}{n}{n}{n}{n}-0000-4000-8000-000000000000" for n in range(1, 6)]
MOMENT = datetime(2026, 3, 1, 12, 30, 15)


@pytest.fixture
def space(folder: Folder, notes: Notes) -> Space:
    """A cache of five images of a hundred bytes, the first not used for the longest time."""
    for number, image_id in enumerate(IDS):
        Path(folder.entry(image_id)).write_bytes(bytes(100))
        used = MOMENT + timedelta(minutes=number)
        notes.add(CachedImage(image_id, 100, used, MOMENT))
    return Space(folder, notes, max_size=250, stall_time=60)


def here(folder: Folder, notes: Notes) -> list[str]:
    assert folder.entries().keys() == notes.kept.keys()
    return sorted(folder.entries())


def test_pruning_takes_what_was_used_least_recently(
    space: Space, folder: Folder, notes: Notes
) -> None:
    assert space.prune() == Pruned(3, 300)
    assert here(folder, notes) == IDS[3:]
    assert space.prune() == Pruned(0, 0)


def test_what_fits_exactly_stays(space: Space, folder: Folder, notes: Notes) -> None:
    assert Space(folder, notes, max_size=500, stall_time=60).prune() == Pruned()
    assert Space(folder, notes, max_size=499, stall_time=60).prune() == Pruned(1, 100)
    assert Space(folder, notes, max_size=0, stall_time=60).prune() == Pruned(4, 400)


def test_pruning_counts_what_a_crash_has_left_without_a_note(
    space: Space, folder: Folder, notes: Notes
) -> None:
    for image_id in IDS[:4]:
        notes.remove(image_id)
    moment = (MOMENT - timedelta(days=1)).timestamp()
    os.utime(folder.entry(IDS[3]), (moment, moment))
    assert space.prune() == Pruned(3, 300)
    assert IDS[3] not in here(folder, notes)


def test_a_note_without_a_file_goes(space: Space, folder: Folder, notes: Notes) -> None:
    os.unlink(folder.entry(IDS[0]))
    space.compare()
    assert here(folder, notes) == IDS[1:]


def test_what_an_earlier_driver_noted_is_taken_over(
    space: Space, folder: Folder, notes: Notes
) -> None:
    notes.remove(IDS[0])
    other = "99999999-0000-4000-8000-000000000000"
    space.take_over([CachedImage(i, 100, MOMENT, MOMENT, 5) for i in (IDS[0], IDS[1], other)])
    assert {image_id: it.hits for image_id, it in notes.kept.items()} == {
        **dict.fromkeys(IDS, 0),
        IDS[0]: 5,
    }


def test_removing(space: Space, folder: Folder, notes: Notes) -> None:
    assert space.remove(IDS[0]) == 100
    assert space.remove(IDS[0]) == 0
    assert here(folder, notes) == IDS[1:]
    notes.remove(IDS[1])
    assert space.clear() == 4
    assert here(folder, notes) == []


def test_only_images_are_touched(space: Space, folder: Folder) -> None:
    beside = Path(folder.path, "cache.db")
    beside.write_bytes(bytes(1000))
    space.clear()
    space.clean(lambda ids: ids)
    space.prune()
    assert beside.exists()


def test_cleaning(space: Space, folder: Folder, notes: Notes) -> None:
    invalid = Path(folder.invalid(IDS[0]))
    invalid.write_bytes(b"?")
    stalled, young = (Path(folder.path, "incomplete", image_id) for image_id in IDS[:2])
    for file in (stalled, young):
        file.write_bytes(b"?")
    old = time.time() - 61
    os.utime(stalled, (old, old))
    assert space.clean(lambda ids: ids) == 2
    assert not invalid.exists()
    assert not stalled.exists()
    assert young.exists()
    assert here(folder, notes) == IDS


def test_what_is_being_filled_is_never_stalled(space: Space, folder: Folder) -> None:
    image_id = "99999999-0000-4000-8000-000000000000"
    claim = folder.claim(image_id)
    assert isinstance(claim, Claim)
    path = Path(folder.path, "incomplete", image_id)
    os.utime(path, (1, 1))
    assert space.clean(lambda ids: ids) == 0
    assert path.exists()
    claim.close()
    assert space.clean(lambda ids: ids) == 1


def test_images_that_are_gone_are_cleaned_away(space: Space, folder: Folder, notes: Notes) -> None:
    folder.queue("99999999-0000-4000-8000-000000000000")
    folder.queue(IDS[4])
    assert space.clean(lambda ids: set(ids) & set(IDS[2:])) == 2
    assert here(folder, notes) == IDS[2:]
    assert folder.queued() == [IDS[4]]
