"""`calotype image member …`: the projects that an image is shared with."""

import argparse

from calotype_client.cli.command import ListVerb, Row, ShowVerb, Table, Verb, add_image
from calotype_client.model import Member

COLUMNS = ("Image ID", "Member ID", "Status")


def _add_both(parser: argparse.ArgumentParser) -> None:
    add_image(parser)
    parser.add_argument("project", metavar="PROJECT", help="the id of the project")


def _row(it: Member) -> tuple[str, str, str]:
    return it.image_id, it.member_id, it.status


class List(ListVerb):
    """List the projects that an image is shared with."""

    example = "calotype image member list debian-13"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image."""
        add_image(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        image = self.look_up(parsed_args.image)
        return COLUMNS, map(_row, self.client.members.list(image))


class Show(ShowVerb):
    """Show whether a project has accepted an image."""

    example = "calotype image member show debian-13 64f0efc9955145aeb06f297a8a6fe402"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image and the project."""
        _add_both(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        image = self.look_up(parsed_args.image)
        return COLUMNS, _row(self.client.members.get(image, parsed_args.project))


class Add(ShowVerb):
    """Share an image with a project; it is pending there until accepted."""

    example = "calotype image member add debian-13 64f0efc9955145aeb06f297a8a6fe402"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image and the project."""
        _add_both(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Share it."""
        image = self.find(parsed_args.image)
        return COLUMNS, _row(self.client.members.add(image, parsed_args.project))


class Set(ShowVerb):
    """Accept or reject an image, as the project that it is shared with."""

    example = "calotype image member set $image_id $project_id --accept"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image, the project, and the answer."""
        _add_both(parser)
        answer = parser.add_mutually_exclusive_group(required=True)
        for option, status in (
            ("--accept", "accepted"),
            ("--reject", "rejected"),
            ("--pending", "pending"),
        ):
            answer.add_argument(
                option, dest="status", action="store_const", const=status, help=f"it is {status}"
            )

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Answer."""
        image = self.look_up(parsed_args.image)
        found = self.client.members.set(image, parsed_args.project, parsed_args.status)
        return COLUMNS, _row(found)


class Remove(Verb):
    """Share an image with a project no longer."""

    example = "calotype image member remove debian-13 64f0efc9955145aeb06f297a8a6fe402"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image and the project."""
        _add_both(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Remove it."""
        image = self.find(parsed_args.image)
        self.client.members.remove(image, parsed_args.project)
