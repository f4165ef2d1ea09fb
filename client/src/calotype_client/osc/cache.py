"""`openstack cache nodes list`: where an image is cached."""

import argparse
from collections.abc import Iterable

from cliff.lister import Lister

from calotype_client.osc.service import client_of


class ListCacheNodes(Lister):
    """List the nodes that have an image in their cache"""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """The options of the command."""
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Image (name or ID)")
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[tuple[str, ...], Iterable[tuple[str, ...]]]:
        """One row for each node."""
        client = client_of(self.app)
        image = client.images.find(parsed_args.image)
        return ("Node",), [(node,) for node in client.cache.nodes(image)]
