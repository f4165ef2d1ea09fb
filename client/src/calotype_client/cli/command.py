"""What all commands of the client share."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cliff.columns import FormattableColumn
from cliff.command import Command
from cliff.lister import Lister
from cliff.show import ShowOne

from calotype_client.cli.terminal import cell
from calotype_client.client import Client
from calotype_client.errors import BadRequest, NotFound
from calotype_client.model import Image

Row = tuple[Sequence[str], Sequence[Any]]
Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


class Verb(Command):
    """A command that does something and shows nothing."""

    #: Shown below the help.
    example = ""

    @property
    def client(self) -> Client:
        """The service that the options name."""
        client: Client = self.app.client  # type: ignore[attr-defined]
        return client

    def find(self, name: str) -> Image:
        """The image of a name or an id, to be changed: not one that others offer under a name."""
        return self.client.images.find(name)

    def look_up(self, name: str) -> Image:
        """The image of a name or an id, to be seen; a line says when it is offered by others."""
        try:
            return self.find(name)
        except NotFound as error:
            try:
                image = self.client.images.find(name, offered=True)
            except BadRequest:  # an older service, which cannot be asked so
                raise error from None
        self.app.LOG.warning(
            "%r is in none of your lists: it is image %s of project %s (%s)",
            name, image.id, image.owner, image.visibility,
        )  # fmt: skip
        return image

    def get_epilog(self) -> str:
        """Examples, as they are typed."""
        return f"example: {self.example}" if self.example else ""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The command line of this command."""
        parser = super().get_parser(prog_name)
        self.add_arguments(parser)
        return parser

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what only this command takes."""

    def on_screen(self, args: argparse.Namespace) -> bool:
        """Whether a table is shown to somebody who watches."""
        return args.formatter == "table" and self.app.stdout.isatty()


class ListVerb(Verb, Lister):
    """A command that shows a table."""

    @property
    def need_sort_by_cliff(self) -> bool:
        """Only when a column is named."""
        return True

    def produce_output(
        self,
        parsed_args: argparse.Namespace,
        column_names: Sequence[str],
        data: Iterable[Sequence[Any]],
    ) -> int:
        """Show it; on a terminal, without what would be commands to it."""
        if self.on_screen(parsed_args):
            data = (tuple(map(cell, row)) for row in data)
        return int(super().produce_output(parsed_args, column_names, data))


class ShowVerb(Verb, ShowOne):
    """A command that shows one thing, field by field."""

    def produce_output(
        self, parsed_args: argparse.Namespace, column_names: Sequence[str], data: Sequence[Any]
    ) -> int:
        """Show it; on a terminal, without what would be commands to it."""
        if self.on_screen(parsed_args):
            data = tuple(map(cell, data))
        return int(super().produce_output(parsed_args, column_names, data))


class Names(FormattableColumn[Sequence[str]]):
    """A list of names: joined for people, a list for machines."""

    def human_readable(self) -> str:
        """Joined by commas."""
        return ", ".join(self._value)

    def machine_readable(self) -> list[str]:
        """As a list."""
        return list(self._value)


class Pairs(FormattableColumn[Mapping[str, Any]]):
    """Properties: `name=value`, … for people, an object for machines."""

    def human_readable(self) -> str:
        """Joined by commas."""
        return ", ".join(f"{name}={value}" for name, value in self._value.items())

    def machine_readable(self) -> dict[str, Any]:
        """As an object."""
        return dict(self._value)


def add_image(parser: argparse.ArgumentParser, *, many: bool = False) -> None:
    """The image that a command is about."""
    if many:
        parser.add_argument("images", nargs="+", metavar="IMAGE", help="a name or an id")
    else:
        parser.add_argument("image", metavar="IMAGE", help="its name or id")


def pair(text: str) -> tuple[str, str]:
    """`KEY=VALUE` of a command line."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form KEY=VALUE")
    return name, value


def size(text: str) -> int:
    """A count of bytes of a command line."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no count of bytes")
    return int(text)


def store(text: str) -> str:
    """The name of a store, or several, as a header can carry them."""
    if not text or not (text.isascii() and text.isprintable()):
        raise argparse.ArgumentTypeError(f"{text!r} is no name of a store")
    return text


def count(text: str) -> int:
    """A number of a command line, from one on."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
