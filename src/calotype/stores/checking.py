"""How all stores are, asked at once, each by a process of its own.

Such a process leaves nothing behind in ours: the threads and connections of a backend's library
would not outlive the forks that follow a start. And it can be ended when a backend is silent.
"""

import logging
import os
import select
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NoReturn

from calotype import errors
from calotype.stores.catalog import Entry
from calotype.stores.store import Store

LOG = logging.getLogger(__name__)

#: Seconds that a start waits for the stores, all in all.
PATIENCE = 10.0
#: Bytes of a message that a pipe takes without a reader.
_LONGEST = 4096


def troubles(entries: Iterable[Entry], patience: float = PATIENCE) -> dict[str, str]:
    """What keeps stores from being used, by id; those that are well are not in it.

    Takes no longer than `patience` seconds.
    """
    checks = {entry.id: _Check(entry.store) for entry in entries}
    deadline = time.monotonic() + patience
    found = {store_id: check.end(deadline, patience) for store_id, check in checks.items()}
    return {store_id: trouble for store_id, trouble in found.items() if trouble}


class _Check:
    """The check of one store, begun."""

    def __init__(self, store: Store) -> None:
        self._answer, answering = os.pipe()
        pid = os.fork()
        if pid == 0:
            _be_check(store, answering)
        os.close(answering)
        # Its id may be another's as soon as somebody has collected it, as some servers do.
        self._process = os.pidfd_open(pid)

    def end(self, deadline: float, patience: float) -> str:
        """What is wrong; nothing if it is well."""
        try:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([self._answer], [], [], left)[0]:
                return f"it has not answered for {patience:g} seconds; going on without it"
            answer = os.read(self._answer, _LONGEST + 1)
        finally:
            os.close(self._answer)
            self._bury()
        return answer[1:].decode(errors="replace") if answer else "its check ended without answer"

    def _bury(self) -> None:
        """End the process; one that hangs in the kernel is left to its fate."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        if select.select([self._process], [], [], 1.0)[0]:
            with suppress(ChildProcessError):
                os.waitid(os.P_PIDFD, self._process, os.WEXITED)
        os.close(self._process)


def _be_check(store: Store, answering: int) -> NoReturn:
    try:
        os.write(answering, b"!" + _trouble(store).encode()[:_LONGEST])
    finally:
        os._exit(0)  # not by the ways of the process that this one was forked from


def _trouble(store: Store) -> str:
    try:
        store.check()
    except errors.Error as error:
        return error.message or type(error).__name__
    except Exception as error:
        # Its text is a library's, which may hold what must not be shown.
        return f"its check failed unexpectedly with {type(error).__name__}"
    return ""
