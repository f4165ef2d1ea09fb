"""`calotype hash` and `calotype verify`: the digests of images, calculated and compared."""

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from calotype import errors
from calotype.admin import logs
from calotype.caller import Caller
from calotype.db.digests import Digests, Lacking
from calotype.jobs import make_runner
from calotype.model.task import ENDED, Task, TaskStatus
from calotype.parts import Parts, assemble, prepare
from calotype.services import hashes
from calotype.worker.digesting import MIB
from calotype.worker.runner import Runner
from calotype.worker.verifying import WITH_DATA, Pace, Verified, Verifier

#: Seconds between two looks at a task that runs.
LOOK = 0.2
OUTCOMES = ("calculated", "failed", "passed over", "left to a worker")


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `hash` and `verify` to the command line."""
    hashing = commands.add_parser(
        "hash",
        help="calculate the digests that active images lack",
        description=(
            "Calculate the digests of active images that have none, one after the other, and end. "
            "Each is a task as if asked for over the API; it counts as the image's project's."
        ),
        epilog="example: calotype hash --missing --limit 100",
    )
    hashing.add_argument(
        "--missing", action="store_true", required=True, help="all images without os_hash_value"
    )
    hashing.add_argument(
        "--limit", type=_count, metavar="N", help="no more than N images, the oldest first"
    )
    hashing.add_argument("--dry-run", action="store_true", help="say which; change nothing")
    hashing.set_defaults(run=run_hash)
    verify = commands.add_parser(
        "verify",
        help="read images again and compare their digests",
        description=(
            "Read every copy of the images again and compare size and digests with what is "
            "recorded. Changes nothing. Ends with status 1 if anything does not match or cannot be "
            "read."
        ),
        epilog="example: calotype verify --all --rate 50",
    )
    verify.add_argument("images", nargs="*", metavar="IMAGE", help="the ids of images")
    verify.add_argument("--all", action="store_true", help="all images that have data")
    verify.add_argument("--rate", type=_rate, metavar="MiB/s", help="read no faster than this")
    verify.set_defaults(run=run_verify)


def run_hash(args: argparse.Namespace) -> int:
    """Calculate what is missing; 1 if any of it failed."""
    parts = _parts(args)
    found = Digests(parts.database).lacking(args.limit)
    if args.dry_run:
        for one in found:
            print(f"{one.id}: {one.size} bytes")
        print(f"{len(found)} images, {sum(one.size for one in found)} bytes")
        return 0
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return _Hashing(parts, make_runner(parts), stop).run(found)


class _Hashing:
    """One run of `calotype hash`."""

    def __init__(self, parts: Parts, runner: Runner, stop: threading.Event) -> None:
        self._parts = parts
        self._runner = runner
        self._stop = stop

    def run(self, found: list[Lacking]) -> int:
        """Calculate the digests of these images; the exit status."""
        counts = dict.fromkeys(OUTCOMES, 0)
        with ThreadPoolExecutor(1, thread_name_prefix="task") as pool:
            try:
                for number, one in enumerate(found, 1):
                    if not self._stop.is_set():
                        print(f"[{number}/{len(found)}] {one.id}: ", end="", flush=True)
                        outcome, text = self._hash(one, pool)
                        counts[outcome] += 1
                        print(text, flush=True)
            except BaseException:
                self._stop.set()  # or the pool would wait for the end of the task
                raise
        print(", ".join(f"{count} {outcome}" for outcome, count in counts.items()))
        return 1 if counts["failed"] or self._stop.is_set() else 0

    def _hash(self, one: Lacking, pool: ThreadPoolExecutor) -> tuple[str, str]:
        try:
            image = self._parts.images.get(one.id)
            if image.os_hash_value is not None:
                return "passed over", "it has its digests by now"
            algorithm = self._parts.settings.service.hashing_algorithm
            task = hashes.queue(
                self._parts.database, image, algorithm, Caller(project_id=image.owner)
            )
        except (errors.ImageNotFound, errors.Conflict) as error:
            return "passed over", error.message
        task = self._until_ended(task, pool)
        if task.status is TaskStatus.SUCCESS:
            return "calculated", f"{algorithm} {(task.result or {}).get('os_hash_value')}"
        if task.status is TaskStatus.FAILURE:
            return "failed", f"FAILED: {task.message}"
        return "left to a worker", f"task {task.id} is left to a worker"

    def _until_ended(self, task: Task, pool: ThreadPoolExecutor) -> Task:
        """Run the task here, unless a worker was quicker; then wait for that one."""
        while task.status not in ENDED and not self._stop.is_set():
            attempt = pool.submit(self._runner.run_one, task.id, self._stop)
            self._show_progress(task.id, attempt)
            attempt.result()
            task = self._parts.tasks.get(task.id)
            if task.status not in ENDED:
                self._stop.wait(LOOK)
        return self._parts.tasks.get(task.id)

    def _show_progress(self, task_id: str, attempt: Future[None]) -> None:
        shown = ""
        while not attempt.done():
            self._stop.wait(LOOK)
            message = self._parts.tasks.get(task_id).message if sys.stdout.isatty() else ""
            if message:
                print("\b" * len(shown) + message, end="", flush=True)
                shown = message
        print("\b" * len(shown), end="")


def run_verify(args: argparse.Namespace) -> int:
    """Compare; 1 if anything does not match, cannot be read, or is not there."""
    if bool(args.images) == args.all:
        raise errors.Invalid("Name the images to verify, or give --all")
    parts = _parts(args)
    verifier = Verifier(parts.images, parts.stores, Pace(args.rate))
    done, bad = [], 0
    for image_id in args.images or _all(parts):
        try:
            found = verifier.verify(image_id)
        except (errors.ImageNotFound, errors.Conflict) as error:
            if not args.all:  # with --all, it is gone since we listed it
                print(f"{image_id}: {error.message}", flush=True)
                bad += 1
            continue
        for problem in found.problems:
            print(f"{image_id}: {problem}", flush=True)
        done.append(found)
    print(_summary(done))
    return 1 if bad or any(found.problems for found in done) else 0


def _all(parts: Parts) -> Iterator[str]:
    for status in WITH_DATA:
        yield from parts.images.in_status(status)


def _summary(done: list[Verified]) -> str:
    bad = sum(1 for found in done if found.problems)
    unknown = sum(1 for found in done if not found.compared)
    size = sum(found.bytes for found in done)
    return (
        f"{len(done)} images with {sum(found.copies for found in done)} copies read "
        f"({size // MIB} MiB): {bad} with a mismatch, {unknown} without a recorded digest"
    )


def _parts(args: argparse.Namespace) -> Parts:
    settings = args.settings
    logs.setup(settings)
    parts = assemble(settings)
    prepare(parts)
    return parts


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _rate(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number
