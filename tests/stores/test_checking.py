"""All stores are asked at once how they are, and none can hold up a start or leave a trace."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calotype import errors
from calotype.stores.catalog import Entry
from calotype.stores.checking import troubles
from calotype.stores.memory import MemoryStore
from tests.servers import HOST


class Checked(MemoryStore):
    """A store whose check is what a test says."""

    def __init__(self, check: Callable[[], object]) -> None:
        super().__init__()
        self._check = check

    def check(self) -> None:
        self._check()


def entries(**checks: Callable[[], object]) -> list[Entry]:
    return [Entry(name, Checked(check)) for name, check in checks.items()]


def fail(error: BaseException) -> Callable[[], None]:
    def check() -> None:
        raise error

    return check


@pytest.fixture
def silent() -> Iterator[tuple[str, int]]:
    """The address of a server that accepts connections and says nothing."""
    with socket.create_server((HOST, 0), backlog=16) as listener:
        yield listener.getsockname()


def ask(address: tuple[str, int]) -> Callable[[], None]:
    def check() -> None:
        with socket.create_connection(address) as connection:
            connection.recv(1)

    return check


def test_each_is_told_by_its_id() -> None:
    found = troubles(
        entries(
            well=lambda: None,
            down=fail(errors.StoreUnavailable("It is down: start it")),
            wrong=fail(errors.BadSettings("pool: name one")),
            broken=fail(KeyError("secret")),
            gone=lambda: os._exit(1),
            interrupted=fail(KeyboardInterrupt()),
        )
    )
    ended = "its check ended without answer"
    assert found == {
        "down": "It is down: start it",
        "wrong": "pool: name one",
        "broken": "its check failed unexpectedly with KeyError",
        "gone": ended,
        "interrupted": ended,
    }


def test_a_silent_one_is_not_waited_for(silent: tuple[str, int]) -> None:
    begun = time.monotonic()
    slow = {f"slow-{number}": ask(silent) for number in range(4)}
    found = troubles(entries(**slow, well=lambda: None), patience=1.0)
    assert set(found) == set(slow), found
    assert set(found.values()) == {"it has not answered for 1 seconds; going on without it"}
    # One after the other they would take four seconds.
    assert 1.0 <= time.monotonic() - begun < 3.5


def test_one_that_answers_late_is_waited_for() -> None:
    begun = time.monotonic()
    assert troubles(entries(late=lambda: time.sleep(0.3)), patience=30.0) == {}
    assert 0.3 <= time.monotonic() - begun < 20


def test_a_long_reason_is_cut() -> None:
    (reason,) = troubles(entries(wordy=fail(errors.StoreError("long " * 100_000)))).values()
    assert reason.startswith("long long") and 1000 < len(reason) < 10_000


def test_nothing_is_left_behind(silent: tuple[str, int], tmp_path: Path) -> None:
    def pile_up() -> None:
        threading.Thread(target=ask(silent), daemon=True).start()
        (tmp_path / "pid").write_text(str(os.getpid()))
        ask(silent)()

    threads, descriptors = threading.active_count(), os.listdir("/proc/self/fd")
    assert troubles(entries(greedy=pile_up), patience=1.0)
    assert threading.active_count() == threads
    assert os.listdir("/proc/self/fd") == descriptors
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
