"""`calotype cache …`: the image cache of a node, over the API."""

import argparse

from calotype_client.cli import shown
from calotype_client.cli.command import ListVerb, Table, Verb, add_image
from calotype_client.errors import NotFound


class List(ListVerb):
    """List what the node that answers has in its cache, and what is queued for it; for admins."""

    example = "calotype client --os-image-endpoint-override http://node-1:9292 cache list"

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List it."""
        return shown.CACHED, map(shown.cached, self.client.cache.entries())


class Queue(Verb):
    """Have the node that answers fetch images into its cache; for admins."""

    example = "calotype client cache queue debian-13"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The images."""
        add_image(parser, many=True)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Queue them, if they are all there."""
        for image in [self.find(name) for name in parsed_args.images]:
            self.client.cache.queue(image)


class Nodes(ListVerb):
    """List the nodes that have an image in their cache; for admins."""

    example = "calotype cache nodes debian-13 -f value"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The image."""
        add_image(parser)

    def take_action(self, parsed_args: argparse.Namespace) -> Table:
        """List them."""
        image = self.look_up(parsed_args.image)
        return ("Node",), [(url,) for url in self.client.cache.nodes(image)]


class Delete(Verb):
    """Take images out of the cache of the node that answers, and off its queue; for admins."""

    example = "calotype cache delete debian-13"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """The images."""
        add_image(parser, many=True)

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Take them out; also those whose image is gone, by id."""
        for name in parsed_args.images:
            try:
                image_id = self.find(name).id
            except NotFound:
                image_id = name
            self.client.cache.delete(image_id)


class Clear(Verb):
    """Take everything out of the cache of the node that answers, and off its queue; for admins."""

    example = "calotype client cache clear --queue"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Which of both."""
        which = parser.add_mutually_exclusive_group()
        for target in ("cache", "queue"):
            which.add_argument(
                f"--{target}", dest="target", action="store_const", const=target,
                help=f"only the {target}",
            )  # fmt: skip

    def take_action(self, parsed_args: argparse.Namespace) -> None:
        """Clear it."""
        self.client.cache.clear(parsed_args.target)
