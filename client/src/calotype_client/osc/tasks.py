"""`openstack image tasks list` and `openstack image hash`: what goes on in the background."""

import argparse
import time
from collections.abc import Iterable
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

from calotype_client.osc.service import Refused, Service

#: Seconds between two looks at a task that is waited for.
PAUSE = 0.5

SHORT = ("id", "type", "status", "message", "created_at", "updated_at")
LONG = (*SHORT, "expires_at", "owner", "user_id", "request_id", "result")


class ListImageTasks(Lister):
    """List the tasks of an image, the newest first"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options of the command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Image (name or ID)")
        parser.add_argument("--long", action="store_true", help="List additional fields in output")
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[Any, ...]]]:
        """One row for each task."""
        service = Service(self.app)
        columns = LONG if parsed_args.long else SHORT
        tasks = _tasks_of(service, str(service.find(parsed_args.image)["id"]))
        rows = [tuple(task.get(column) for column in columns) for task in tasks]
        return tuple(_heading(column) for column in columns), rows


class HashImage(ShowOne):
    """Calculate the checksum and the hash of an active image (admin only)"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options of the command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Image (name or ID)")
        parser.add_argument(
            "--algorithm",
            metavar="<algorithm>",
            help="Hash algorithm, for example sha512 (default: the one the service is set to)",
        )
        parser.add_argument(
            "--wait", action="store_true", help="Wait for the end, and show the image's hash"
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """The task; with --wait, what it found."""
        service = Service(self.app)
        image_id = str(service.find(parsed_args.image)["id"])
        wanted = {"os_hash_algo": parsed_args.algorithm} if parsed_args.algorithm else None
        task = service.ask("POST", f"/images/{image_id}/hash", body=wanted)
        if not parsed_args.wait:
            return ("task_id", "image_id", "type", "status"), (
                *(task["id"], image_id, task["type"], task["status"]),
            )
        message = _ended(service, image_id, str(task["id"]))
        image = service.show(image_id)
        shown = ("id", "checksum", "os_hash_algo", "os_hash_value")
        return (*shown, "message"), (*(image.get(field) for field in shown), message)


def _tasks_of(service: Service, image_id: str) -> list[dict[str, Any]]:
    return list(service.ask("GET", f"/images/{image_id}/tasks")["tasks"])


def _ended(service: Service, image_id: str, task_id: str) -> str:
    """What a task says when it has ended well. Raises Refused with its reason when it has failed.

    An expired task is not shown any more: that is after its end, and all that is known of it.
    """
    while True:
        task = next((t for t in _tasks_of(service, image_id) if t["id"] == task_id), None)
        if task is None:
            raise Refused(f"Task {task_id} is not among the tasks of image {image_id} any more")
        if task["status"] == "failure":
            raise Refused(f"Task {task_id} has failed: {task['message']}")
        if task["status"] == "success":
            return str(task["message"])
        time.sleep(PAUSE)


def _heading(column: str) -> str:
    return " ".join("ID" if word == "id" else word.title() for word in column.split("_"))
