"""`calotype image create | upload | stage | save | verify`: commands that move data."""

import argparse
import hashlib
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from calotype_client import hashing, source
from calotype_client.cli import formats, progress, shown
from calotype_client.cli.command import Row, ShowVerb, Verb, add_image, count, size, store
from calotype_client.cli.given import Given, called, given, opened
from calotype_client.cli.images import add_fields, fields
from calotype_client.cli.tasks import Waiting
from calotype_client.data import Downloaded
from calotype_client.errors import Conflict, Error, NoTask, Refused, WrongData, WrongUse
from calotype_client.model import Image
from calotype_client.wire import BLOCK, Progress

#: Seconds between attempts to remove an image whose data has not arrived.
REMOVAL = (0.1, 0.3, 1.0, 3.0)


class Create(Waiting, ShowVerb):
    """Create an image, with its data if there is any, here or where the service can fetch it.

    When the data does not arrive, or the service does not begin to fetch it, the image is removed
    again.
    """

    example = "calotype image create debian-13 --file debian-13.qcow2 --property os_distro=debian"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image and its data."""
        parser.add_argument("name", metavar="NAME", help="the name that it gets")
        parser.add_argument("--id", help="its id, instead of a new one")
        add_fields(parser)
        _add_source(parser, "the data (default: none yet)")
        parser.add_argument("--uri", help="where the service fetches the data (web-download)")
        _add_store(parser)
        self.add_wait(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Create it."""
        _check_create(parsed_args)
        wanted = {"container_format": "bare", **fields(parsed_args)}
        if parsed_args.id:
            wanted["id"] = parsed_args.id
        if parsed_args.tag:
            wanted["tags"] = parsed_args.tag
        if parsed_args.uri:
            image = self._fetched(wanted, parsed_args)
        elif parsed_args.file is not None:
            image = self._uploaded(wanted, parsed_args)
        else:
            image = self._made(wanted)
        return shown.image(image)

    def _made(self, wanted: dict[str, Any]) -> Image:
        image = self.client.images.create(**wanted)
        self.app.LOG.info("Image %s is made", image.id)
        return image

    def _uploaded(self, wanted: dict[str, Any], args: argparse.Namespace) -> Image:
        with given(args.file, args.size) as data:
            image = self._made({"disk_format": data.disk_format, **wanted})
            try:
                upload(self, image, data, args)
            except BaseException:
                self._remove(image)
                raise
        return self.client.images.get(image.id)

    def _fetched(self, wanted: dict[str, Any], args: argparse.Namespace) -> Image:
        wanted["disk_format"] = formats.fetched(wanted.get("disk_format"), None, args.uri)
        image = self._made(wanted)
        stores = [args.store] if args.store else []
        try:
            task = self.client.imports.begin(image, "web-download", stores=stores, uri=args.uri)
        except NoTask:
            raise
        except BaseException:
            self._remove(image)
            raise
        if task:
            self.follow(task, args)
        return self.client.images.get(image.id)

    def _remove(self, image: Image) -> None:
        try:
            if image.json.get("protected"):
                self.client.images.update(image.id, {"protected": False})
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
    """Give a queued image its data.

    If it has no disk_format, it gets the one that the data seems to be.
    """

    example = "zstd -dc debian.raw.zst | calotype image upload debian --file - --size 2147483648"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The data."""
        add_image(parser)
        _add_source(parser, "the data (default: from stdin)")
        _add_store(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Upload it."""
        image = self.find(parsed_args.image)
        with given(parsed_args.file or "-", parsed_args.size) as data:
            upload(
                self, formats.settle(self.client.images, image, data.disk_format), data, parsed_args
            )


class Stage(Verb):
    """Bring data to where `image import` finds it.

    If the image has no disk_format, it gets the one that the data seems to be.
    """

    example = "calotype image stage debian --file debian.raw && calotype image import debian"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The data."""
        add_image(parser)
        _add_source(parser, "the data (default: from stdin)")

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Stage it."""
        image = self.find(parsed_args.image)
        with given(parsed_args.file or "-", parsed_args.size) as data:
            formats.settle(self.client.images, image, data.disk_format)
            with _bar(image, data, parsed_args) as advance:
                self.client.data.stage(image, data.source, parsed_args.size, progress=advance)


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
        image = self.look_up(parsed_args.image)
        nodes = self._nodes(image) if parsed_args.from_cache else []
        to: Any = sys.stdout.buffer if to_stdout else Path(parsed_args.file)
        with progress.bar(image.name or image.id, image.size) as advance:
            done = self.client.data.download(
                image, to, prefer=parsed_args.prefer, nodes=nodes, progress=advance,
                connections=parsed_args.connections,
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
        parser.add_argument("--file", metavar="FILE", help="a file to compare; `-` is stdin")

    def take_action(self, parsed_args: argparse.Namespace) -> Row:
        """Compare; wrong data is an error."""
        image = self.look_up(parsed_args.image)
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
    digest = hashlib.new(algorithm or "", usedforsecurity=False)
    total = 0
    with opened(name) as file:
        try:
            while block := file.read(BLOCK):
                digest.update(block)
                total += len(block)
                advance(len(block))
        except OSError as error:
            raise Error(f"{called(name)} cannot be read: {error.strerror}") from error
    if digest.hexdigest() != value:
        raise WrongData(
            f"{called(name)} is not the data of image {image.id}: its {algorithm} differs"
        )
    return Downloaded(total, algorithm)


def _check_create(args: argparse.Namespace) -> None:
    """Raises WrongUse for options that do not go together."""
    if args.uri and (args.file is not None or args.size is not None):
        raise WrongUse("--uri does not go with --file and --size: the service fetches the data")
    if args.wait and not args.uri:
        raise WrongUse("--wait goes with --uri: there is nothing else to wait for")


def _add_source(parser: argparse.ArgumentParser, meaning: str) -> None:
    parser.add_argument("--file", metavar="FILE", help=f"{meaning}; `-` is stdin")
    parser.add_argument(
        "--size", type=size, metavar="BYTES",
        help="how much data there is, for a pipe; found by itself for a file",
    )  # fmt: skip


def _add_store(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--store", type=store, help="the store that it goes to, by name")


def upload(verb: Verb, image: Image, data: Given, args: argparse.Namespace) -> None:
    """Send data, with a bar."""
    with _bar(image, data, args) as advance:
        verb.client.data.upload(image, data.source, args.size, store=args.store, progress=advance)
    verb.app.LOG.info("The data of image %s has arrived", image.id)


def _bar(image: Image, data: Given, args: argparse.Namespace) -> AbstractContextManager[Progress]:
    return progress.bar(image.name or image.id, args.size or source.length(data.source))
