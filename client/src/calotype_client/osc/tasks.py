"""`openstack image tasks list` and `openstack image hash`: what goes on in the background."""

import argparse
from collections.abc import Iterable
from typing import Any

from cliff.lister import Lister
from cliff.show import ShowOne

from calotype_client.osc.service import client_of

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
        client = client_of(self.app)
        columns = LONG if parsed_args.long else SHORT
        tasks = client.tasks.of_image(client.images.find(parsed_args.image).id)
        rows = [tuple(task.json.get(column) for column in columns) for task in tasks]
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
        client = client_of(self.app)
        image = client.images.find(parsed_args.image)
        task = client.tasks.hash(image, parsed_args.algorithm)
        if not parsed_args.wait:
            names = ("task_id", "image_id", "type", "status")
            return names, (task.id, image.id, task.type, task.status)
        message = client.tasks.wait(task).message
        found = client.images.get(image.id).json
        shown = ("id", "checksum", "os_hash_algo", "os_hash_value")
        return (*shown, "message"), (*(found.get(field) for field in shown), message)


def _heading(column: str) -> str:
    return " ".join("ID" if word == "id" else word.title() for word in column.split("_"))
