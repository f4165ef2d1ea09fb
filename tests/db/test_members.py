"""The rows of members on each engine: one living row for each pair, whoever comes at once."""

from datetime import datetime
from functools import partial

import pytest
from sqlalchemy import select, update

from calotype import errors
from calotype.db.engine import Database
from calotype.db.images import Images
from calotype.db.members import Members
from calotype.db.tables import image_members
from calotype.model.member import Acceptance, Member
from tests.db.samples import NASTY, at_once, new_image


@pytest.fixture
def rows(database: Database) -> Members:
    return Members(database)


@pytest.fixture
def image_id(database: Database) -> str:
    image = new_image()
    Images(database).add(image)
    return image.id


def living(database: Database) -> list[tuple[str, bool]]:
    with database.reading() as connection:
        wanted = select(image_members.c.member, image_members.c.deleted)
        return [tuple(row) for row in connection.execute(wanted.order_by(image_members.c.id))]


def test_a_membership_comes_changes_and_goes(rows: Members, image_id: str) -> None:
    added = rows.add(image_id, "theirs")
    assert (added.image_id, added.member_id, added.status) == (image_id, "theirs", "pending")
    assert rows.get(image_id, "theirs") == added
    assert rows.of(image_id) == [added]
    answered = rows.answer(image_id, "theirs", Acceptance.ACCEPTED)
    assert answered.status is Acceptance.ACCEPTED
    assert answered.created_at == added.created_at
    rows.remove(image_id, "theirs")
    assert rows.of(image_id) == []
    for call in (
        partial(rows.get, image_id, "theirs"),
        partial(rows.remove, image_id, "theirs"),
        partial(rows.answer, image_id, "theirs", Acceptance.REJECTED),
    ):
        with pytest.raises(errors.NotFound, match="is not shared with a project 'theirs'"):
            call()


def test_who_comes_back_takes_the_old_row(rows: Members, image_id: str, database: Database) -> None:
    for _ in range(3):
        assert rows.add(image_id, "theirs").status is Acceptance.PENDING
        rows.answer(image_id, "theirs", Acceptance.ACCEPTED)
        rows.remove(image_id, "theirs")
    assert living(database) == [("theirs", True)]
    assert rows.add(image_id, "theirs").status is Acceptance.PENDING
    assert living(database) == [("theirs", False)]
    with pytest.raises(errors.Duplicate, match="already shared with the project 'theirs'"):
        rows.add(image_id, "theirs")


def test_rows_as_glance_leaves_them(rows: Members, image_id: str, database: Database) -> None:
    """Several dead rows of one pair, of which the latest is used again."""
    rows.add(image_id, "theirs")
    rows.remove(image_id, "theirs")
    with database.writing() as connection:
        dead = connection.execute(select(image_members)).mappings().one()
        row = {name: value for name, value in dead.items() if name != "id"}
        connection.execute(update(image_members).values(deleted_at=datetime(2020, 1, 1)))
        later = {"deleted_at": datetime(2021, 1, 1)}
        connection.execute(image_members.insert().values(**row | later))
    rows.add(image_id, "theirs")
    assert living(database) == [("theirs", True), ("theirs", False)]
    assert len(rows.of(image_id)) == 1
    rows.remove(image_id, "theirs")
    assert rows.of(image_id) == []


@pytest.mark.parametrize("name", [text for text in NASTY if text.strip()])
def test_nasty_names(rows: Members, image_id: str, database: Database, name: str) -> None:
    images = Images(database)
    rows.add(image_id, name)
    assert rows.get(image_id, name).member_id == name
    assert images.is_member(image_id, name)
    rows.remove(image_id, name)
    assert not images.is_member(image_id, name)


def test_members_are_listed_in_the_order_they_came(rows: Members, image_id: str) -> None:
    for name in "cab":
        rows.add(image_id, name)
    assert [member.member_id for member in rows.of(image_id)] == ["c", "a", "b"]


def test_of_many_who_add_the_same_at_once_one_does(
    rows: Members, image_id: str, database: Database
) -> None:
    results = at_once(*[partial(rows.add, image_id, "theirs")] * 6)
    assert sum(isinstance(result, Member) for result in results) == 1, results
    assert sum(isinstance(result, errors.Duplicate) for result in results) == 5, results
    assert living(database) == [("theirs", False)]
    rows.remove(image_id, "theirs")
    results = at_once(*[partial(rows.add, image_id, "theirs")] * 6)
    assert sum(isinstance(result, Member) for result in results) == 1, results
    assert living(database) == [("theirs", False)]


def test_many_who_add_others_at_once_all_do(rows: Members, image_id: str) -> None:
    results = at_once(*(partial(rows.add, image_id, f"project {n}") for n in range(8)))
    assert all(isinstance(result, Member) for result in results), results
    assert len(rows.of(image_id)) == 8


def test_answers_and_removals_at_once(rows: Members, image_id: str) -> None:
    for name in ("a", "b", "c"):
        rows.add(image_id, name)
    results = at_once(
        partial(rows.answer, image_id, "a", Acceptance.ACCEPTED),
        partial(rows.answer, image_id, "a", Acceptance.REJECTED),
        partial(rows.remove, image_id, "b"),
        partial(rows.remove, image_id, "b"),
        partial(rows.answer, image_id, "c", Acceptance.ACCEPTED),
    )
    allowed = (Member, type(None), errors.NotFound)
    assert all(isinstance(result, allowed) for result in results), results
    assert [member.member_id for member in rows.of(image_id)] == ["a", "c"]


def test_an_image_that_is_not_there(rows: Members, image_id: str, database: Database) -> None:
    with pytest.raises(errors.ImageNotFound):
        rows.add(new_image().id, "theirs")
    with database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE images SET deleted = " + ("true" if database.dialect == "postgresql" else "1")
        )
    with pytest.raises(errors.ImageNotFound):
        rows.add(image_id, "theirs")


def test_the_time_of_an_answer_is_kept(rows: Members, image_id: str, database: Database) -> None:
    rows.add(image_id, "theirs")
    with database.writing() as connection:
        old = datetime(2020, 1, 1)
        connection.execute(update(image_members).values(created_at=old, updated_at=old))
    answered = rows.answer(image_id, "theirs", Acceptance.ACCEPTED)
    assert answered.created_at == old < answered.updated_at
