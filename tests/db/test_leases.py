"""Leases on each engine: one holder at a time, and nobody for ever."""

import multiprocessing
import threading
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from calotype import errors
from calotype.db.engine import Database
from calotype.db.leases import Lease, Leases, exactly_now
from calotype.db.tables import calotype_leases


def run_out(database: Database, name: str) -> None:
    """Make a lease look as if its process had died a moment ago."""
    row = update(calotype_leases).where(calotype_leases.c.name == name)
    with database.writing() as connection:
        past = exactly_now() - timedelta(microseconds=1000)
        assert connection.execute(row.values(expires_at=past)).rowcount == 1


def rows(database: Database) -> list[str]:
    with database.reading() as connection:
        return list(connection.scalars(select(calotype_leases.c.name)))


def ends(database: Database, name: str) -> datetime:
    wanted = select(calotype_leases.c.expires_at).where(calotype_leases.c.name == name)
    with database.reading() as connection:
        moment = connection.scalars(wanted).one()
    assert isinstance(moment, datetime)
    return moment


def confirm(database: Database, lease: Lease) -> None:
    with database.writing() as connection:
        lease.confirm(connection)


def test_one_holds_it_at_a_time(database: Database) -> None:
    ours, theirs = Leases(database, 60), Leases(database, 60)
    with ours.hold("task:one"):
        with pytest.raises(errors.Conflict, match="task:one"), theirs.hold("task:one"):
            pass
        with theirs.hold("task:ONE"):  # another name, whatever the collation of the database
            assert theirs.living("task:") == {"task:one", "task:ONE"}
    assert rows(database) == []
    with theirs.hold("task:one"):
        pass


def test_who_is_patient_gets_it_when_it_is_given_back(database: Database) -> None:
    ours, theirs = Leases(database, 60), Leases(database, 60)
    held = ours.hold("image:one")
    held.__enter__()
    timer = threading.Timer(0.2, held.__exit__, (None, None, None))
    timer.start()
    with theirs.hold("image:one", patience=30):
        assert theirs.living("image:") == {"image:one"}
    timer.join()


def test_patience_comes_to_an_end(database: Database) -> None:
    ours, theirs = Leases(database, 60), Leases(database, 60)
    with (
        ours.hold("image:one"),
        pytest.raises(errors.Conflict, match="image:one"),
        theirs.hold("image:one", patience=0.2),
    ):
        pass


def test_a_dead_process_loses_it_at_the_end_of_the_lease(database: Database) -> None:
    dead, living = Leases(database, 3600), Leases(database, 60)
    with dead.hold("task:one") as old:
        assert living.living("task:") == {"task:one"}
        run_out(database, "task:one")
        assert living.living("task:") == set()
        with living.hold("task:one") as new:
            with pytest.raises(errors.ChangedMeanwhile, match="somebody else took over task:one"):
                confirm(database, old)
            confirm(database, new)
        assert rows(database) == []


def test_a_sleeper_that_nobody_replaced_goes_on(database: Database) -> None:
    with Leases(database, 60).hold("task:one") as lease:
        run_out(database, "task:one")
        confirm(database, lease)
        assert Leases(database, 60).living("task:") == {"task:one"}


def test_giving_back_takes_nothing_from_a_successor(database: Database) -> None:
    dead, living = Leases(database, 3600), Leases(database, 60)
    old = dead.hold("task:one")
    old.__enter__()
    run_out(database, "task:one")
    with living.hold("task:one"):
        old.__exit__(None, None, None)
        assert rows(database) == ["task:one"]


def test_it_is_renewed_while_it_is_held(database: Database) -> None:
    with Leases(database, 1).hold("task:one"):
        seen = {ends(database, "task:one")}
        deadline = time.monotonic() + 60
        while len(seen) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
            seen.add(ends(database, "task:one"))
    assert len(seen) == 4


def test_moments_are_kept_exactly(database: Database) -> None:
    with Leases(database, 60).hold("task:one"):
        expires_at = ends(database, "task:one")
    left = (expires_at - exactly_now()).total_seconds()
    assert 50 < left <= 60
    assert expires_at.microsecond != 0  # fails once in a million runs


def test_of_many_who_want_it_at_once_one_gets_it(database: Database) -> None:
    done, start = threading.Event(), threading.Barrier(7)

    def hold() -> str:
        with Leases(database, 60).hold("task:one"):
            done.wait(60)
            return "held"

    def release() -> None:
        # Everybody but the holder has an answer before it lets go.
        deadline = time.monotonic() + 60
        while answers.count(None) > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        done.set()

    answers: list[object] = [None] * 6

    def ask(number: int) -> None:
        start.wait()
        try:
            answers[number] = hold()
        except Exception as error:
            answers[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    start.wait()
    release()
    for thread in threads:
        thread.join()
    assert answers.count("held") == 1, answers
    assert sum(isinstance(answer, errors.Conflict) for answer in answers) == 5, answers
    assert rows(database) == []


def test_a_child_renews_its_own_leases_after_a_fork(database: Database) -> None:
    """A fork takes the leases' thread not along, and the parent's leases are not the child's."""
    ours = Leases(database, 1)
    with ours.hold("task:parent"):
        context = multiprocessing.get_context("fork")
        answers = context.Queue()
        child = context.Process(target=_hold_and_look, args=(database, ours, answers))
        child.start()
        before, after, parents = answers.get(timeout=60)
        child.join(60)
        assert child.exitcode == 0
        assert before < after
        assert parents == {"task:parent", "task:child"}
    assert rows(database) == []


def _hold_and_look(database: Database, leases: Leases, answers: Any) -> None:
    database.after_fork()
    with leases.hold("task:child"):
        before = after = ends(database, "task:child")
        deadline = time.monotonic() + 50
        while after == before and time.monotonic() < deadline:
            time.sleep(0.05)
            after = ends(database, "task:child")
        answers.put((before, after, leases.living("task:")))
        answers.close()
        answers.join_thread()
