"""`calotype worker` and `calotype sweep`: the work beside the API, as a loop and as one pass."""

import argparse
import logging
import os
import signal
import threading
from pathlib import Path

from calotype.admin import logs
from calotype.admin.serve import quickstart
from calotype.jobs import make_leftovers, make_runner
from calotype.parts import Parts, assemble, prepare
from calotype.worker.caretaker import Caretaker
from calotype.worker.cleaner import Cleaner

LOG = logging.getLogger(__name__)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `worker` and `sweep` to the command line."""
    worker = commands.add_parser(
        "worker",
        help="do the work beside the API",
        description="Run the background jobs until SIGTERM; `calotype serve` starts one of these.",
    )
    worker.add_argument("--attached", type=int, metavar="PID", help=argparse.SUPPRESS)
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
    parts = _parts(args)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    cleaning = threading.Thread(target=_clean, args=(parts, stop, args.attached), name="cleaner")
    cleaning.start()
    if parts.cache is not None:
        caretaker = Caretaker(parts.cache, parts.images, parts.stores)
        often = parts.settings.service.calotype_task_lease
        # It may be fetching at the end, which can be left off at any moment.
        threading.Thread(
            target=caretaker.run, args=(stop, often), name="caretaker", daemon=True
        ).start()
    LOG.info("Worker process %d is ready", os.getpid())
    make_runner(parts).run(stop)
    cleaning.join()
    LOG.info("Worker process %d ends", os.getpid())
    return 0


def _clean(parts: Parts, stop: threading.Event, attached: int | None) -> None:
    service = parts.settings.service
    _cleaner(parts, None).run(
        stop,
        often=service.calotype_task_lease,
        interval=service.calotype_sweep_interval,
        # A worker that `calotype serve` started ends with it, even if that died before this one
        # had begun; any other worker may outlive its shell.
        orphaned=lambda: attached is not None and os.getppid() != attached,
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
