"""`calotype worker` and `calotype sweep`: the work beside the API, as a loop and as one pass."""

import argparse
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from calotype import errors
from calotype.admin import logs
from calotype.admin.quickstart import quickstart
from calotype.jobs import make_leftovers, make_runner, make_scrubber
from calotype.parts import Parts, assemble, prepare
from calotype.settings.load import scrubber_settings
from calotype.worker.caretaker import Caretaker
from calotype.worker.cleaner import Cleaner
from calotype.worker.runner import Runner

LOG = logging.getLogger(__name__)

#: Seconds that what runs beside the tasks may take to end.
LEAVE_OFF = 10.0


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `worker` and `sweep` to the command line."""
    worker = commands.add_parser(
        "worker",
        help="do the work beside the API",
        description="Run the background jobs until SIGTERM; `calotype serve` starts one of these.",
    )
    sweep = commands.add_parser(
        "sweep",
        help="remove what crashes left behind, once",
        description=(
            "Put images whose upload died back to queued, finish deletes that were cut off, and "
            "remove bytes that belong to no image."
        ),
        epilog="example: calotype sweep --grace 0",
    )
    sweep.add_argument(
        "--grace",
        type=int,
        metavar="SECONDS",
        help="leave bytes younger than this alone (default: calotype_sweep_grace)",
    )
    for command, run in ((worker, run_worker), (sweep, run_sweep)):
        command.add_argument("--quickstart", metavar="DIR", type=Path, help=argparse.SUPPRESS)
        command.set_defaults(run=run)


def run_sweep(args: argparse.Namespace) -> int:
    """One pass; prints what was done."""
    parts = _parts(args)
    done = _cleaner(parts, args.grace).clean()
    print(
        f"{done.requeued} images queued again, {done.deleted} deletes finished, "
        f"{done.removed} leftovers removed ({done.bytes} bytes)"
    )
    return 1 if done.errors else 0


def run_worker(args: argparse.Namespace) -> int:
    """Pass after pass, until a signal."""
    work(_parts(args), orphaned=lambda: False)
    return 0


def work(parts: Parts, orphaned: Callable[[], bool], bell: int | None = None) -> None:
    """Be a worker until SIGTERM, or until `orphaned` says that nobody is there to send one.

    `bell`: a descriptor that can be read when there is a new task.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    # They end by themselves, unless they wait for a store that is silent: they can be left off at
    # any moment, as a crash would do.
    beside = [
        threading.Thread(target=_clean, args=(parts, stop, orphaned), name="cleaner", daemon=True),
        threading.Thread(target=_scrub, args=(parts, stop), name="scrubber", daemon=True),
    ]
    for thread in beside:
        thread.start()
    if parts.cache is not None:
        # It may be fetching at the end, which can be left off at any moment.
        caretaker = Caretaker(parts.cache, parts.images, parts.stores)
        often = parts.settings.service.calotype_task_lease
        threading.Thread(
            target=caretaker.run, args=(stop, often), name="caretaker", daemon=True
        ).start()
    runner = make_runner(parts)
    if bell is not None:
        threading.Thread(target=_listen, args=(bell, runner), name="bell", daemon=True).start()
    LOG.info("Worker process %d is ready", os.getpid())
    runner.run(stop)
    patient_until = time.monotonic() + LEAVE_OFF
    for thread in beside:
        thread.join(max(0.0, patient_until - time.monotonic()))
        if thread.is_alive():
            LOG.warning("The %s is left off, as a store does not answer it", thread.name)
    LOG.info("Worker process %d ends", os.getpid())


def _listen(bell: int, runner: Runner) -> None:
    while os.read(bell, 4096):
        runner.wake()


def _scrub(parts: Parts, stop: threading.Event) -> None:
    """Scrub, where deletes are delayed; where they are not the cleaner finishes all of them."""
    if not parts.settings.scrubber.delayed_delete:
        return
    try:
        wanted = scrubber_settings(parts.settings)
    except errors.BadSettings as error:
        LOG.error("Deleted images are not scrubbed here: %s", error.message)
        return
    if wanted.wakeup_time > 0:
        make_scrubber(parts, wanted).run(stop, interval=wanted.wakeup_time, keep=False)


def _clean(parts: Parts, stop: threading.Event, orphaned: Callable[[], bool]) -> None:
    service = parts.settings.service
    _cleaner(parts, None).run(
        stop,
        often=service.calotype_task_lease,
        interval=service.calotype_sweep_interval,
        orphaned=orphaned,
    )
    stop.set()


def _parts(args: argparse.Namespace) -> Parts:
    settings = quickstart(args.quickstart) if args.quickstart else args.settings
    logs.setup(settings)
    parts = assemble(settings)
    prepare(parts)
    return parts


def _cleaner(parts: Parts, grace: int | None) -> Cleaner:
    service, scrubber = parts.settings.service, parts.settings.scrubber
    return Cleaner(
        parts.images,
        parts.deletes,
        parts.leases,
        parts.stores,
        grace=service.calotype_sweep_grace if grace is None else grace,
        patience=None
        if scrubber.delayed_delete
        else scrubber.scrub_time + service.calotype_task_lease,
        leftovers=make_leftovers(parts),
    )
