"""`calotype scrub`, also called `glance-scrubber`: the data of deleted images, removed or back."""

import argparse
import logging
import signal
import threading
from pathlib import Path

from calotype import errors
from calotype.admin import glance_scrubber, logs, pid_file
from calotype.admin.quickstart import quickstart
from calotype.db.restores import Restores as RestoreRows
from calotype.jobs import make_scrubber
from calotype.parts import Parts, assemble, prepare
from calotype.services.restores import RUNNING, Restores

LOG = logging.getLogger(__name__)

DESCRIPTION = """\
With delayed_delete, remove the data of images that were deleted scrub_time seconds ago or earlier.
Only one scrubber runs at a time in a database, and on a machine. Settings are read from
glance-scrubber.conf, too, where it lies beside the others; what it says wins.
"""
EXAMPLES = """\
examples:
  calotype scrub                                  one pass
  calotype scrub --daemon                         a pass every wakeup_time seconds, until SIGTERM
  calotype scrub --restore IMAGE_ID               bring a deleted image back, with its data
  calotype scrub --restore IMAGE_ID --with-metadata
                                                  with its tags, members and properties, too
"""
BOTH = (
    "The restore and daemon options should not be set together. "
    "Please use either of them in one request."
)


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `scrub` to the command line."""
    command = commands.add_parser(
        "scrub",
        help="remove the data of deleted images, or bring one back",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "-D", "--daemon", action="store_true", help="pass after pass, until SIGTERM"
    )
    command.add_argument(
        "--restore",
        metavar="IMAGE_ID",
        help="make this deleted image active again, if all of its data is still there",
    )
    command.add_argument(
        "--with-metadata",
        action="store_true",
        help="with --restore: with the tags, members and properties that went with it",
    )
    command.add_argument(
        "--pid-file",
        metavar="FILE",
        type=Path,
        help=f"keep the pid here (default: {pid_file.FOLDER}/glance-scrubber.pid, or where this "
        "user may write)",
    )
    command.add_argument("--quickstart", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """One pass, pass after pass, or one image back."""
    settings = quickstart(args.quickstart) if args.quickstart else args.scrubber_settings
    daemon = args.daemon or settings.scrubber.daemon
    if args.restore is not None and daemon:
        raise errors.Invalid(BOTH)
    if args.with_metadata and args.restore is None:
        raise errors.Invalid("--with-metadata says how to --restore an image: name it")
    logs.setup(settings)
    parts = assemble(settings)
    prepare(parts)
    path = args.pid_file or pid_file.standard_path("glance-scrubber")
    with pid_file.held(path, RUNNING):
        if args.restore is not None:
            if any(glance_scrubber.running()):
                raise errors.Conflict(RUNNING)
            restores = Restores(RestoreRows(parts.database), parts.leases, parts.stores)
            restores.restore(args.restore, with_metadata=args.with_metadata)
        else:
            _scrub(parts, daemon=daemon)
    return 0


def _scrub(parts: Parts, *, daemon: bool) -> None:
    wanted = parts.settings.scrubber
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scrubber = make_scrubber(parts, wanted)
    if daemon:
        scrubber.run(stop, interval=max(1, wanted.wakeup_time), keep=True)
    else:
        with scrubber.alone() as lease:
            done = scrubber.scrub(lease, stop)
        LOG.info("%d images scrubbed, %d left for the next time", done.done, done.left)
