"""`calotype image list | show | set | unset | delete`."""

import argparse
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from calotype_client.cli import shown
from calotype_client.cli.command import (
    ListVerb,
    Row,
    ShowVerb,
    Table,
    Verb,
    add_image,
    count,
    pair,
)
from calotype_client.errors import Error, NotFound, WrongUse
from calotype_client.model import FIELDS

#: Who sees an image; what the option means.
VISIBILITIES = {
    "public": "everybody sees it; on most clouds, only admins may say so",
    "private": "only its project sees it",
    "shared": "only its project sees it, and those that it is shared with (`image member add`)",
    "community": "everybody may use it, but it is in the lists of its project only",
}

#: Plain fields: option -> what it means.
TEXTS = {
    "disk-format": "what the data is: raw, qcow2, iso, vmdk…",
    "container-format": "what is around it: bare, ova…",
    "owner": "the id of the project that owns it",
}
NUMBERS = {
    "min-disk": "GiB of disk that it needs to boot",
    "min-ram": "MiB of memory that it needs to boot",
}
#: Fields that may be taken for properties: field -> the options that set it.
_OPTIONS = {
    **{name.replace("-", "_"): f"--{name}" for name in (*TEXTS, *NUMBERS)},
    "name": "--name",
    "visibility": ", ".join(f"--{name}" for name in VISIBILITIES),
    "protected": "--protected, --unprotected",
    "os_hidden": "--hidden, --unhidden",
    "tags": "--tag",
}


class List(ListVerb):
    """List the images that you may see."""

    example = "calotype image list --status active --sort size:desc -f json"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Filters."""
        parser.add_argument("--name", help="only those of this name")
        parser.add_argument("--status", help="only those in this status")
        parser.add_argument(
            "--visibility", choices=(*VISIBILITIES, "all"), help="only those of this visibility"
        )
        parser.add_argument(
            "--member-status", choices=("accepted", "pending", "rejected", "all"),
            help="of those shared with you, only these (default: accepted)",
        )  # fmt: skip
        parser.add_argument("--owner", help="only those of this project, by id")
        parser.add_argument("--tag", action="append", help="only those with this tag; repeatable")
        parser.add_argument(
            "--property", action="append", type=pair, default=[], metavar="KEY=VALUE",
            help="only those with this property, or field; repeatable",
        )  # fmt: skip
        parser.add_argument("--hidden", action="store_true", help="only hidden ones")
        parser.add_argument(
            "--sort", metavar="KEY[:DIRECTION],…",
            help="in this order, e.g. size:desc,name:asc (default: newest first)",
        )  # fmt: skip
        parser.add_argument("--limit", type=count, metavar="N", help="no more than these")
        parser.add_argument("--long", action="store_true", help="show more columns")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        names = ("name", "status", "visibility", "member_status", "owner", "tag", "sort")
        given = {name: getattr(parsed_args, name) for name in names}
        filters = {name: value for name, value in given.items() if value is not None}
        filters |= dict(parsed_args.property)
        if parsed_args.hidden:
            filters["os_hidden"] = "true"
        images = self.client.images.list(limit=parsed_args.limit, **filters)
        columns, row = (shown.LONG, shown.long) if parsed_args.long else (shown.LIST, shown.short)
        return columns, map(row, images)


class Show(ShowVerb):
    """Show all of an image."""

    example = "calotype image show debian-13 -f value -c status"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image."""
        add_image(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Show it."""
        return shown.image(self.look_up(parsed_args.image))


class Set(ShowVerb):
    """Change an image: its fields, properties and tags."""

    example = "calotype image set debian-13 --property os_distro=debian --tag stable --public"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What can be changed."""
        add_image(parser)
        parser.add_argument("--name", help="a new name")
        add_fields(parser)
        activity = parser.add_mutually_exclusive_group()
        activity.add_argument(
            "--deactivate", action="store_true", help="nobody but admins may download it"
        )
        activity.add_argument("--activate", action="store_true", help="everybody may again")

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Change it: fields and properties at once, then tags, each beside those of others."""
        images = self.client.images
        changes = fields(parsed_args)
        given = (changes, parsed_args.tag, parsed_args.deactivate, parsed_args.activate)
        if not any(given):
            raise WrongUse("Nothing to be changed is given")
        image = self.find(parsed_args.image)
        if changes:
            images.update(image.id, changes)
        for tag in parsed_args.tag:
            images.add_tag(image.id, tag)
        if parsed_args.deactivate:
            images.deactivate(image.id)
        if parsed_args.activate:
            images.reactivate(image.id)
        return shown.image(images.get(image.id))


class Unset(ShowVerb):
    """Take properties and tags away from an image."""

    example = "calotype image unset debian-13 --property os_distro --tag stable"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """What is taken away."""
        add_image(parser)
        for what in ("property", "tag"):
            parser.add_argument(
                f"--{what}", action="append", default=[], help=f"take this {what}; repeatable"
            )

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Take away: properties at once, then tags."""
        if not parsed_args.tag and not parsed_args.property:
            raise WrongUse("Nothing to be taken away is given")
        _need_properties(parsed_args.property)
        images = self.client.images
        image = self.find(parsed_args.image)
        missing = set(parsed_args.tag) - set(image.tags)
        if missing:
            raise Error(f"Image {image.id} has no tag {', '.join(sorted(missing))}")
        if parsed_args.property:
            images.update(image.id, {}, parsed_args.property)
        for tag in parsed_args.tag:
            with suppress(NotFound):  # somebody else has taken it away since
                images.remove_tag(image.id, tag)
        return shown.image(images.get(image.id))


class Delete(Verb):
    """Delete images, or their data in one store."""

    example = "calotype image delete old-1 old-2"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The images."""
        add_image(parser, many=True)
        parser.add_argument("--store", help="only the data there, by the name of the store")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Delete each; those that cannot be are told, and the others are deleted all the same."""
        failed: list[Error] = []
        for name in parsed_args.images:
            try:
                image = self.find(name)
                self.client.images.delete(image.id, store=parsed_args.store)
            except Error as error:
                failed.append(error)
        for earlier in failed[:-1]:
            self.app.LOG.error(earlier)
        if failed:
            raise failed[-1]


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Options for the fields of an image."""
    for name, meaning in TEXTS.items():
        parser.add_argument(f"--{name}", help=meaning)
    for name, meaning in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, metavar="N", help=meaning)
    seen = parser.add_mutually_exclusive_group()
    for name, meaning in VISIBILITIES.items():
        seen.add_argument(
            f"--{name}", dest="visibility", action="store_const", const=name,
            help=meaning,
        )  # fmt: skip
    protection = parser.add_mutually_exclusive_group()
    _add_switch(protection, "--protected", "protected", True, "it cannot be deleted")
    _add_switch(protection, "--unprotected", "protected", False, "it can be deleted")
    hiding = parser.add_mutually_exclusive_group()
    _add_switch(hiding, "--hidden", "os_hidden", True, "lists leave it out")
    _add_switch(hiding, "--unhidden", "os_hidden", False, "lists show it")
    parser.add_argument(
        "--property", action="append", type=pair, default=[], metavar="KEY=VALUE",
        help="a property; repeatable",
    )  # fmt: skip
    parser.add_argument("--tag", action="append", default=[], help="a tag; repeatable")


def _add_switch(group: Any, option: str, field: str, value: bool, meaning: str) -> None:
    group.add_argument(option, dest=field, action="store_const", const=value, help=meaning)


def fields(args: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_fields` say, and the name; tags left out. Raises WrongUse."""
    _need_properties(name for name, _ in args.property)
    names = [name.replace("-", "_") for name in (*TEXTS, *NUMBERS)]
    names += ["name", "visibility", "protected", "os_hidden"]
    given: Mapping[str, Any] = {name: getattr(args, name) for name in names}
    return {name: value for name, value in given.items() if value is not None} | dict(args.property)


def _need_properties(names: Iterable[str]) -> None:
    """Raises WrongUse for a name that is a field's, which may have an option of its own."""
    for name in names:
        if name in FIELDS:
            option = _OPTIONS.get(name)
            advice = f": use {option}" if option else ""
            raise WrongUse(f"{name} is a field of the image, not a property{advice}")
