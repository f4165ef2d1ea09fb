"""The worker process beside the API: a fork of the service, which shares what is loaded already."""

import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import NoReturn

from calotype.admin.forking import signals_come, signals_wait

LOG = logging.getLogger(__name__)

#: Seconds before a worker process that ended by itself is started again.
RESPAWN_PAUSE = 5.0


class WorkerProcess:
    """Started with the API, started again when it dies, ended with it.

    `work` is what it does, until SIGTERM or until it finds that the process is gone whose id it is
    given; with that it gets a descriptor from which it can read a byte whenever `wake` was called,
    in this process or in one forked from it. `closing`: the descriptors that it must not keep open.
    """

    def __init__(self, work: Callable[[int, int], None]) -> None:
        self._work = work
        self._bell, self._rope = os.pipe()
        os.set_blocking(self._rope, False)
        self._stop = threading.Event()
        self._closing: list[int] = []
        self._process = -1

    def start(self, closing: Iterable[int]) -> None:
        """Fork it, and have a thread watch it."""
        self._closing = list(closing)
        self._process = self._fork()
        threading.Thread(target=self._keep, name="worker-keeper", daemon=True).start()

    def wake(self) -> None:
        """Tell the process that there is work; it would look by itself a little later."""
        with suppress(OSError):  # as many calls wait to be heard as the kernel keeps
            os.write(self._rope, b"!")

    def stop(self) -> None:
        """End the process and wait for it."""
        self._stop.set()
        if self._process >= 0 and not _ended(self._process):
            signal.pidfd_send_signal(self._process, signal.SIGTERM)
            select.select([self._process], [], [])

    def _keep(self) -> None:
        while not self._stop.is_set():
            while not _ended(self._process, seconds=1.0):
                if self._stop.is_set():
                    return
            if not self._stop.wait(RESPAWN_PAUSE):
                LOG.error("The worker process ended; starting it again")
                self._process = self._fork()

    def _fork(self) -> int:
        """A new worker process, as a descriptor: its id may be collected by somebody else."""
        parent = os.getpid()
        with signals_wait():
            pid = os.fork()
            if pid == 0:
                self._be_worker(parent)
        return os.pidfd_open(pid)

    def _be_worker(self, parent: int) -> NoReturn:
        code = 1
        try:
            # In a group of its own: Ctrl-C reaches the service, and that ends us.
            os.setsid()
            signal.set_wakeup_fd(-1)
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                if callable(signal.getsignal(number)):
                    signal.signal(number, signal.SIG_DFL)
            signals_come()
            for descriptor in self._closing:
                os.close(descriptor)
            self._work(parent, self._bell)
            code = 0
        except BaseException:
            LOG.exception("The worker process failed")
        finally:
            # Not by the ways of the service that this process was forked from.
            logging.shutdown()
            sys.stdout.flush()
            os._exit(code)


def _ended(process: int, seconds: float = 0.0) -> bool:
    return bool(select.select([process], [], [], seconds)[0])
