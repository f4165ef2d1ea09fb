"""`calotype image create | upload | stage | save | verify`: commands that move data."""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from calotype_client import hashing, source
from calotype_client.cli import progress, shown
from calotype_client.cli.command import Row, ShowVerb, Verb, add_image, count, size
from calotype_client.cli.images import add_fields, fields
from calotype_client.data import Downloaded
from calotype_client.errors import Conflict, Error, Refused, WrongData, WrongUse
from calotype_client.model import Image
from calotype_client.pieces import USUAL
from calotype_client.wire import Progress

#: How much of a file is compared at once.
BLOCK = 1 << 20

#: What the data of a disk begins with, and the disk_format that it is.
BEGINNINGS = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vhd",
    b"<<< ": "vdi",
}

#: Seconds between attempts to remove an image whose data has not arrived.
REMOVAL = (0.1, 0.3, 1.0, 3.0)


class Create(ShowVerb):
    """Create an image, with its data if there is any.

    When the data does not arrive, the image is removed again.
    """

    example = "calotype image create debian-13 --file debian-13.qcow2 --property os_distro=debian"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image and its data."""
        parser.add_argument("name", metavar="NAME", help="the name that it gets")
        parser.add_argument("--id", help="its id, instead of a new one")
        add_fields(parser)
        _add_source(parser, "the data (default: none yet)")
        parser.add_argument("--store", help="the store that it goes to, by name")

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        wanted = fields(parsed_args)
        if parsed_args.id:
            wanted["id"] = parsed_args.id
        if parsed_args.tag:
            wanted["tags"] = parsed_args.tag
        wanted.setdefault("container_format", "bare")
        if parsed_args.file is None:
            wanted.setdefault("disk_format", "raw")
            return shown.image(self.client.images.create(**wanted))
        with opened(parsed_args.file) as file:
            wanted.setdefault("disk_format", guess(file))
            image = self.client.images.create(**wanted)
            try:
                self._upload(image, file, parsed_args)
            except BaseException:
                self._remove(image)
                raise
        return shown.image(self.client.images.get(image.id))

    def _upload(self, image: Image, file: IO[bytes], args: argparse.Namespace) -> None:
        with progress.bar(args.name, args.size or source.length(file)) as advance:
            self.client.data.upload(image, file, args.size, store=args.store, progress=advance)

    def _remove(self, image: Image) -> None:
        try:
            self._delete(image)
        except Error as error:
            self.app.LOG.warning("Image %s is left over: %s", image.id, error)

    def _delete(self, image: Image) -> None:
        """The service may just be putting away what came of the data: then once more."""
        for pause in REMOVAL:
            try:
                return self.client.images.delete(image.id)
            except Conflict:
                time.sleep(pause)
        return self.client.images.delete(image.id)


class Upload(Verb):
    """Give a queued image its data."""

    example = "zstd -dc debian.raw.zst | calotype image upload debian --file - --size 2147483648"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The data."""
        add_image(parser)
        _add_source(parser, "the data (default: from stdin)")
        parser.add_argument("--store", help="the store that it goes to, by name")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Upload it."""
        image = self.client.images.find(parsed_args.image)
        with opened(parsed_args.file or "-") as file:
            total = parsed_args.size or source.length(file)
            with progress.bar(image.name or image.id, total) as advance:
                self.client.data.upload(
                    image, file, parsed_args.size, store=parsed_args.store, progress=advance
                )


class Stage(Verb):
    """Bring data to where `image import` finds it."""

    example = "calotype image stage debian --file debian.raw && calotype image import debian"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The data."""
        add_image(parser)
        _add_source(parser, "the data (default: from stdin)")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Stage it."""
        image = self.client.images.find(parsed_args.image)
        with opened(parsed_args.file or "-") as file:
            total = parsed_args.size or source.length(file)
            with progress.bar(image.name or image.id, total) as advance:
                self.client.data.stage(image, file, parsed_args.size, progress=advance)


class Save(Verb):
    """Download the data of an image, verified.

    A file appears when all of it is there and is what the digest of the image says.
    """

    example = "calotype image save debian-13 --file debian-13.qcow2"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Where to, and where from."""
        add_image(parser)
        parser.add_argument("--file", metavar="FILE", help="where to (default: to stdout, as `-`)")
        parser.add_argument(
            "--prefer", metavar="STORE[,STORE…]", help="from these stores first, by name"
        )
        parser.add_argument(
            "--from-cache", action="store_true",
            help="from the nodes that have it in their cache, if you may list them; for admins",
        )  # fmt: skip
        parser.add_argument(
            "--connections", type=count, metavar="N",
            help="read so many parts at once into a file (default: 1, and 4 when that is slow)",
        )  # fmt: skip

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Save it."""
        to_stdout = parsed_args.file in (None, "-")
        if to_stdout and (sys.stdout is None or sys.stdout.isatty()):
            raise WrongUse("Not into a terminal: give --file, or send stdout elsewhere")
        image = self.client.images.find(parsed_args.image)
        nodes = self._nodes(image) if parsed_args.from_cache else []
        to: Any = sys.stdout.buffer if to_stdout else Path(parsed_args.file)
        with progress.bar(image.name or image.id, image.size) as advance:
            done = self.client.data.download(
                image, to, prefer=parsed_args.prefer, nodes=nodes, progress=advance,
                connections=parsed_args.connections or (USUAL if len(nodes) > 1 else None),
            )  # fmt: skip
        if to_stdout:
            sys.stdout.buffer.flush()
        if done.verified_by is None:
            self.app.LOG.warning("Image %s has no digest: the data is not verified", image.id)

    def _nodes(self, image: Image) -> list[str]:
        try:
            nodes = self.client.cache.nodes(image)
        except Refused as error:
            self.app.LOG.warning("Not from the cache of a node: %s", error)
            return []
        if not nodes:
            self.app.LOG.warning("No node has image %s in its cache", image.id)
        return nodes


class Verify(ShowVerb):
    """Compare data with the digest of an image: that of a file here, or else its own.

    Without --file all of the image is read, and nothing kept.
    """

    example = "calotype image verify debian-13 --file debian-13.qcow2"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The file."""
        add_image(parser)
        parser.add_argument("--file", metavar="FILE", help="a file to compare")

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Compare; wrong data is an error."""
        image = self.client.images.find(parsed_args.image)
        if hashing.expected(image)[0] is None:
            raise Error(f"Image {image.id} has no digest to compare with: see `image hash`")
        total = image.size
        with progress.bar(image.name or image.id, total) as advance:
            if parsed_args.file:
                done = _compare(image, parsed_args.file, advance)
            else:
                done = self.client.data.download(image, "/dev/null", progress=advance)
        names = ("id", "size", "verified_by", "result")
        return names, (image.id, done.size, done.verified_by, "right")


def _compare(image: Image, name: str, advance: Progress) -> Downloaded:
    algorithm, value = hashing.expected(image)
    digest, total = hashlib.new(algorithm or ""), 0
    with opened(name) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            total += len(block)
            advance(len(block))
    if digest.hexdigest() != value:
        raise WrongData(f"{name} is not the data of image {image.id}: its {algorithm} differs")
    return Downloaded(total, algorithm)


def _add_source(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("--file", metavar="FILE", help=f"{meaning}; `-` is stdin")
    parser.add_argument(
        "--size", type=size, metavar="BYTES",
        help="how much data there is, for a pipe; found by itself for a file",
    )  # fmt: skip


@contextmanager
def opened(name: str) -> Iterator[IO[bytes]]:
    """A file to read, or stdin. Raises Error."""
    if name == "-":
        if sys.stdin.isatty():
            raise WrongUse("Not from a terminal: give --file, or send data to stdin")
        yield sys.stdin.buffer
        return
    try:
        file = Path(name).open("rb")  # noqa: SIM115 - only its opening is tried
    except OSError as error:
        raise Error(f"{name} cannot be read: {error.strerror}") from error
    with file:
        yield file


def guess(file: IO[bytes]) -> str:
    """The disk_format that data seems to be; raw when nothing speaks for another."""
    if source.length(file) is None:
        return "raw"
    here = file.tell()
    beginning = file.read(8)
    file.seek(here)
    found = (name for mark, name in BEGINNINGS.items() if beginning.startswith(mark))
    return next(found, "raw")
