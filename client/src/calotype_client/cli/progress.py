"""How far it is, for somebody who watches; nothing where nobody does."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from calotype_client.cli.terminal import harmless
from calotype_client.model import Task
from calotype_client.wire import Progress


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Progress]:
    """A bar on stderr with rate and time left; none when that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    from rich import progress  # not loaded where nobody sees it
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(binary_units=True),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(harmless(title), total=total)
        yield lambda count: shown.advance(task, count)


def say(task: Task) -> None:
    """A line for each step of a task; the last one of a failure is the error that follows."""
    if task.status == "failure":
        return
    text = f"{task.status}: {task.message}" if task.message else task.status
    print(harmless(text), file=sys.stderr)
