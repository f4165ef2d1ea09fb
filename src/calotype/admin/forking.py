"""Signals in the moment of a fork: a new process still has the handlers of the one it came from.

What would end it then would be taken down for its parent, in a memory that nobody looks at, and be
lost. So these signals wait until the new process has handlers of its own.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


@contextmanager
def signals_wait() -> Iterator[None]:
    """Fork within the block: there, and in the new process until `signals_come`, signals wait."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def signals_come() -> None:
    """The new process is ready for the signals that wait, and for all that come."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
