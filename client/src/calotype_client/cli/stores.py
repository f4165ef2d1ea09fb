"""`calotype store list`, `calotype image location …`: where data can lie, and where it lies."""

import argparse

from calotype_client.cli import formats
from calotype_client.cli.command import ListVerb, Pairs, Table, Verb, add_image, pair


class List(ListVerb):
    """List the stores of the service."""

    example = "calotype store list --detail"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """How much."""
        parser.add_argument("--detail", action="store_true", help="show what they are; for admins")

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        stores = self.client.stores.list(detail=parsed_args.detail)
        rows = [(it.id, it.description, it.default, it.read_only) for it in stores]
        columns = ("ID", "Description", "Default", "Read Only")
        if not parsed_args.detail:
            return columns, rows
        more = [(it.type, it.weight, Pairs(it.properties or {})) for it in stores]
        both = [one + two for one, two in zip(rows, more, strict=True)]
        return (*columns, "Type", "Weight", "Properties"), both


class LocationList(ListVerb):
    """List where the data of an image lies; for services and admins."""

    example = "calotype image location list debian-13"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image."""
        add_image(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        image = self.look_up(parsed_args.image)
        found = self.client.locations.list(image)
        return ("URL", "Metadata"), [(it.url, Pairs(it.metadata)) for it in found]


class LocationAdd(Verb):
    """Register data that is there already with a queued image."""

    example = "calotype image location add debian https://images.example.org/debian.raw"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The address, and what the data must be."""
        add_image(parser)
        parser.add_argument("url", metavar="URL", help="where the data lies")
        parser.add_argument(
            "--hash", type=pair, metavar="ALGORITHM=DIGEST", help="what it must come to"
        )
        parser.add_argument(
            "--disk-format",
            help="what the data is (default: what the image has, or the address ends with)",
        )

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Register it."""
        image = self.find(parsed_args.image)
        disk_format = formats.fetched(parsed_args.disk_format, image, parsed_args.url)
        formats.settle(self.client.images, image, disk_format)
        algorithm, value = parsed_args.hash or (None, None)
        self.client.locations.add(image, parsed_args.url, hash_algo=algorithm, hash_value=value)
