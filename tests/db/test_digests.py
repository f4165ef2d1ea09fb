"""The digests of an image on each engine: a task touches only what it found or set itself."""

import uuid
from datetime import timedelta
from typing import Any

import pytest

from calotype import errors
from calotype.db import digests
from calotype.db.deletes import Deletes
from calotype.db.digests import Digests, Lacking
from calotype.db.engine import Database
from calotype.db.images import Images, now
from calotype.model.image import Image, Status, Visibility
from calotype.model.location import Location

NONE = {"os_hash_algo": None, "os_hash_value": None}
OLD = {"os_hash_algo": "sha256", "os_hash_value": "ab" * 32}


def an_image(database: Database, **fields: Any) -> Image:
    image = Image(
        **{
            "id": str(uuid.uuid4()),
            "status": Status.ACTIVE,
            "visibility": Visibility.PRIVATE,
            "created_at": now() - timedelta(hours=1),
            "updated_at": now() - timedelta(hours=1),
            "owner": "ours",
            "size": 10,
            "locations": (Location("memory://x"),),
            **fields,
        }
    )
    Images(database).add(image)
    return Images(database).get(image.id)


def begin(database: Database, image: Image, algorithm: str = "sha512") -> None:
    database.transaction(lambda c: digests.begin(c, image, algorithm))


def save(database: Database, image: Image, was: dict[str, Any], value: str = "cd" * 64) -> None:
    database.transaction(
        lambda c: digests.save(c, image, "sha512", was, value=value, checksum="ef" * 16)
    )


def restore(database: Database, image: Image, was: dict[str, Any]) -> None:
    database.transaction(lambda c: digests.restore(c, image.id, "sha512", was))


def now_has(database: Database, image: Image) -> tuple[str | None, str | None, str | None]:
    it = Images(database).get(image.id)
    return it.checksum, it.os_hash_algo, it.os_hash_value


@pytest.mark.parametrize("was", [NONE, OLD], ids=["none", "other"])
def test_while_it_is_calculated_there_is_no_value(database: Database, was: dict[str, Any]) -> None:
    image = an_image(database, checksum="1" * 32, **was)
    assert digests.before(image) == was
    begin(database, image)
    meanwhile = Images(database).get(image.id)
    assert now_has(database, image) == ("1" * 32, "sha512", None)
    assert meanwhile.updated_at == image.updated_at
    save(database, meanwhile, was)
    assert now_has(database, image) == ("ef" * 16, "sha512", "cd" * 64)
    assert Images(database).get(image.id).updated_at > image.updated_at


@pytest.mark.parametrize("was", [NONE, OLD], ids=["none", "other"])
def test_what_was_taken_is_put_back(database: Database, was: dict[str, Any]) -> None:
    image = an_image(database, **was)
    begin(database, image)
    restore(database, image, was)
    assert Images(database).get(image.id) == image


def test_a_value_of_the_same_algorithm_stays_meanwhile(database: Database) -> None:
    image = an_image(database, os_hash_algo="sha512", os_hash_value="12" * 64)
    begin(database, image)
    assert Images(database).get(image.id) == image
    restore(database, image, digests.before(image))
    assert Images(database).get(image.id) == image
    save(database, image, digests.before(image), "12" * 64)
    assert now_has(database, image) == ("ef" * 16, "sha512", "12" * 64)


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SAVING, Status.DEACTIVATED])
def test_only_active_images(database: Database, status: Status) -> None:
    image = an_image(database, status=status)
    with pytest.raises(errors.ChangedMeanwhile):
        begin(database, image)
    assert Images(database).get(image.id) == image


def test_begins_only_with_what_was_read(database: Database) -> None:
    """Else a failure would put back what was not there."""
    image = an_image(database)
    begin(database, image, "sha256")
    with pytest.raises(errors.ChangedMeanwhile):
        begin(database, image)
    assert now_has(database, image) == (None, "sha256", None)


def test_saves_only_over_what_was_set(database: Database) -> None:
    image = an_image(database)
    begin(database, image, "sha256")
    with pytest.raises(errors.ChangedMeanwhile, match="changed by somebody else"):
        save(database, image, NONE)
    begin(database, Images(database).get(image.id), "sha512")
    Images(database).swap(image, image.with_(checksum="9" * 32))
    with pytest.raises(errors.ChangedMeanwhile, match="changed by somebody else"):
        save(database, image, NONE)
    assert now_has(database, image) == ("9" * 32, "sha512", None)


def test_restores_only_what_was_set(database: Database) -> None:
    image = an_image(database, **OLD)
    begin(database, image)
    save(database, image, OLD)
    restore(database, image, OLD)
    assert now_has(database, image) == ("ef" * 16, "sha512", "cd" * 64)


def test_a_deactivated_image_gets_its_digests_too(database: Database) -> None:
    image = an_image(database)
    begin(database, image)
    Images(database).swap(image, image.moved_to(Status.DEACTIVATED))
    save(database, image, NONE)
    assert now_has(database, image) == ("ef" * 16, "sha512", "cd" * 64)


def test_a_deleted_image_gets_none(database: Database) -> None:
    image = an_image(database)
    begin(database, image)
    Deletes(database).begin(image)
    with pytest.raises(errors.Gone, match="deleted while its digests were calculated"):
        save(database, image, NONE)


def test_a_delete_that_is_taken_back_finds_the_old_digests(database: Database) -> None:
    image = an_image(database, **OLD)
    begin(database, image)
    Deletes(database).begin(image)
    restore(database, image, OLD)
    Deletes(database).cancel(image)
    assert now_has(database, image) == (None, "sha256", OLD["os_hash_value"])


def test_who_lacks_digests(database: Database) -> None:
    old = an_image(database, created_at=now() - timedelta(days=2), size=5)
    new = an_image(database, created_at=now() - timedelta(days=1), owner=None)
    half = an_image(database, os_hash_algo="sha512")
    an_image(database, **OLD)
    an_image(database, status=Status.DEACTIVATED)
    an_image(database, status=Status.QUEUED)
    Deletes(database).begin(an_image(database))
    found = Digests(database).lacking()
    assert found == [Lacking(old.id, "ours", 5), Lacking(new.id, None, 10), *found[2:]]
    assert [one.id for one in found[2:]] == [half.id]
    assert [one.id for one in Digests(database).lacking(2)] == [old.id, new.id]


def test_whether_an_image_is_there(database: Database) -> None:
    image = an_image(database)
    assert Digests(database).exists(image.id)
    Deletes(database).begin(image)
    assert not Digests(database).exists(image.id)
    assert not Digests(database).exists(str(uuid.uuid4()))
