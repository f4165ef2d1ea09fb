"""A signal that comes while a process is forked."""

import os
import signal
from types import FrameType
from typing import NoReturn

from calotype.admin.forking import signals_come, signals_wait

HEARD = 7


def be_child(go_on: int) -> NoReturn:
    """Have a handler of its own only once the signal is there."""
    os.read(go_on, 1)

    def hear(_number: int, _frame: FrameType | None) -> None:
        os._exit(HEARD)

    signal.signal(signal.SIGTERM, hear)
    signals_come()
    os._exit(0)


def test_it_reaches_the_handler_of_the_new_process() -> None:
    taken_by_the_old_one: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: taken_by_the_old_one.append(number))
    try:
        told, tell = os.pipe()
        with signals_wait():
            child = os.fork()
            if child == 0:
                be_child(told)
        os.kill(child, signal.SIGTERM)
        os.write(tell, b"!")
        _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(told)
        os.close(tell)
    assert os.waitstatus_to_exitcode(status) == HEARD
    assert taken_by_the_old_one == []


def test_the_old_process_hears_them_again() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with signals_wait():
        assert signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before
