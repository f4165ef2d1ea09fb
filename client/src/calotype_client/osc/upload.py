"""`openstack image upload`: the data of an image from a file or from standard input."""

import argparse
from typing import Any

from cliff.show import ShowOne

from calotype_client import source
from calotype_client.cli import formats, progress
from calotype_client.cli.command import size
from calotype_client.cli.given import given
from calotype_client.osc.service import client_of

SHOWN = ("id", "name", "status", "size", "checksum", "os_hash_algo", "os_hash_value")


class UploadImage(ShowOne):
    """Upload the data of an image that has none yet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options of the command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Image (name or ID)")
        parser.add_argument(
            "--file", metavar="<file>", default="-",
            help="Read the data from <file> (default: standard input)",
        )  # fmt: skip
        parser.add_argument(
            "--size", metavar="<bytes>", type=size,
            help="Size to declare (default: the size of the file; unknown for a pipe)",
        )  # fmt: skip
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """The image, once it is active."""
        client = client_of(self.app)
        with given(parsed_args.file, parsed_args.size) as data:
            found = client.images.find(parsed_args.image)
            image = formats.settle(client.images, found, data.disk_format)
            total = parsed_args.size or source.length(data.source)
            with progress.bar(image.name or image.id, total) as advance:
                client.data.upload(image, data.source, parsed_args.size, progress=advance)
        shown = client.images.get(image.id).json
        return SHOWN, tuple(shown.get(field) for field in SHOWN)
