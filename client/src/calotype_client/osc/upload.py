"""`openstack image upload`: the data of an image from a file or from standard input."""

import argparse
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, BinaryIO

from cliff.show import ShowOne

from calotype_client.osc.service import Refused, Service

SHOWN = ("id", "name", "status", "size", "checksum", "os_hash_algo", "os_hash_value")
#: How much is read at once where the length is not known.
BLOCK = 1 << 20


class UploadImage(ShowOne):
    """Upload the data of an image that has none yet"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options of the command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Image (name or ID)")
        parser.add_argument(
            "--file", metavar="<file>", help="Read the data from <file> (default: standard input)"
        )
        parser.add_argument(
            "--size",
            metavar="<bytes>",
            type=_bytes,
            help="Size to declare (default: the size of the file; unknown for a pipe)",
        )
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> tuple[tuple[str, ...], Any]:
        """The image, once it is active."""
        service = Service(self.app)
        with _source(parsed_args.file) as source:
            image_id = str(service.find(parsed_args.image)["id"])
            length = _left(source)
            size = length if parsed_args.size is None else parsed_args.size
            headers = {"Content-Type": "application/octet-stream"}
            if size is not None:
                headers["x-openstack-image-size"] = str(size)
            data = _blocks(source) if not length or length != size else source
            service.ask("PUT", f"/images/{image_id}/file", data=data, headers=headers)
        image = service.show(image_id)
        return SHOWN, tuple(image.get(field) for field in SHOWN)


def _source(path: str | None) -> AbstractContextManager[BinaryIO]:
    """The file, or else standard input. Raises Refused where there is no data to read."""
    if path is None:
        if sys.stdin is None or sys.stdin.isatty():
            raise Refused("There is no data: give --file, or send it to standard input")
        return nullcontext(sys.stdin.buffer)
    try:
        return open(path, "rb")
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _left(source: BinaryIO) -> int | None:
    """How many bytes are left to read, where the system knows."""
    status = os.fstat(source.fileno())
    return status.st_size - source.tell() if stat.S_ISREG(status.st_mode) else None


def _blocks(source: BinaryIO) -> Iterator[bytes]:
    """The data in pieces, which are sent without saying first how many there will be."""
    while block := source.read(BLOCK):
        yield block


def _bytes(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of bytes")
    return int(text)
