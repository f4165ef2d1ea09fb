"""`calotype image import | tasks | hash`, `calotype task list | show`: work in the background."""

import argparse
from typing import Any

from calotype_client.cli import formats, progress, shown
from calotype_client.cli.command import ListVerb, Row, ShowVerb, Table, Verb, add_image, count
from calotype_client.errors import WrongUse
from calotype_client.model import Image, Task


class Waiting(Verb):
    """A command that begins a task."""

    def add_wait(self, parser: argparse.ArgumentParser) -> None:
        """`--wait`."""
        parser.add_argument(
            "--wait", action="store_true",
            help="show how far it is, until it ends; fail with its reason if it fails",
        )  # fmt: skip

    def follow(self, task: Task, args: argparse.Namespace) -> Task:
        """The task: as it begins, or as it ends."""
        self.app.LOG.info("Task %s has begun", task.id)
        return self.client.tasks.wait(task, progress=progress.say) if args.wait else task


class Import(Waiting, ShowVerb):
    """Have the service fetch data into an image, or copy it to further stores."""

    example = (
        "calotype image import debian --method web-download "
        "--uri https://example.org/debian.qcow2 --wait"
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How, and where to."""
        add_image(parser)
        parser.add_argument(
            "--method", default="glance-direct",
            help="glance-direct (what was staged; the default), web-download, glance-download, "
            "copy-image",
        )  # fmt: skip
        parser.add_argument("--uri", help="for web-download: where the data is")
        parser.add_argument(
            "--disk-format",
            help="what the data is (default: what the image has, or the address ends with)",
        )
        parser.add_argument("--remote-region", help="for glance-download: the other region")
        parser.add_argument("--remote-image", help="for glance-download: the id of the image there")
        where = parser.add_mutually_exclusive_group()
        where.add_argument("--store", action="append", default=[], help="to this store; repeatable")
        where.add_argument("--all-stores", action="store_true", help="to all stores")
        parser.add_argument(
            "--allow-failure", action="store_true",
            help="be content when some of the stores get it",
        )  # fmt: skip
        self.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Begin it; after `--wait` the image is shown."""
        image = self._settled(self.find(parsed_args.image), parsed_args)
        details = {
            "uri": parsed_args.uri,
            "glance_region": parsed_args.remote_region,
            "glance_image_id": parsed_args.remote_image,
        }
        task = self.client.imports.begin(
            image,
            parsed_args.method,
            stores=parsed_args.store,
            all_stores=parsed_args.all_stores,
            allow_failure=parsed_args.allow_failure,
            **{name: value for name, value in details.items() if value},
        )
        if task is None:
            self.app.LOG.warning("There is nothing to do")
        if task is None or self.follow(task, parsed_args).ended:
            return shown.image(self.client.images.get(image.id))
        return shown.task(task)

    def _settled(self, image: Image, args: argparse.Namespace) -> Image:
        """The image with the formats that an import needs."""
        if args.method == "copy-image":
            return image
        wanted = formats.fetched(args.disk_format, image, args.uri)
        if args.disk_format and args.disk_format != image.disk_format:
            return self.client.images.update(image.id, {"disk_format": wanted})
        return formats.settle(self.client.images, image, wanted)


class Methods(ListVerb):
    """List the ways to import that the service offers."""

    example = "calotype image import methods -f value"

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        return ("Method",), [(name,) for name in self.client.imports.methods()]


class ImageTasks(ListVerb):
    """List what goes on, and went on, with an image; the newest first."""

    example = "calotype image tasks debian-13"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image."""
        add_image(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        image = self.look_up(parsed_args.image)
        tasks = self.client.tasks.of_image(image.id)
        rows = [(it.id, it.type, it.status, it.message, it.updated_at) for it in tasks]
        return shown.IMAGE_TASKS, rows


class Hash(Waiting, ShowVerb):
    """Have the digests of an image calculated; for admins."""

    example = "calotype image hash snapshot-7 --algorithm sha512 --wait"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image and the algorithm."""
        add_image(parser)
        parser.add_argument(
            "--algorithm", help="for example sha512 (default: what the service uses)"
        )
        self.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Begin it; after `--wait` the image with its digests is shown."""
        image = self.find(parsed_args.image)
        task = self.client.tasks.hash(image, parsed_args.algorithm)
        task = self.follow(task, parsed_args)
        return shown.image(self.client.images.get(image.id)) if task.ended else shown.task(task)


class TaskList(ListVerb):
    """List the tasks of the whole service; for admins."""

    example = "calotype task list --status failure"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Filters."""
        states = ("pending", "processing", "success", "failure")
        parser.add_argument("--status", choices=states, help="only those in this status")
        parser.add_argument("--type", help="only those of this type: import")
        parser.add_argument("--limit", type=count, metavar="N", help="no more than these")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        given: dict[str, Any] = {"status": parsed_args.status, "type": parsed_args.type}
        filters = {name: value for name, value in given.items() if value}
        tasks = self.client.tasks.list(limit=parsed_args.limit, **filters)
        return shown.TASKS, ((it.id, it.type, it.status, it.owner) for it in tasks)


class TaskShow(ShowVerb):
    """Show all of a task; for admins."""

    example = "calotype task show $task_id"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The task."""
        parser.add_argument("task", metavar="TASK", help="its id")

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        if not parsed_args.task:
            raise WrongUse("The id of the task is empty")
        return shown.task(self.client.tasks.get(parsed_args.task))
