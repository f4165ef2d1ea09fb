"""The `calotype` command: its verbs, and the names under which Glance's scripts call it."""

import argparse
import sys
from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import calotype
from calotype import errors
from calotype.admin import cache, config, db, hashes, policy, scrub, serve, stores, sweep
from calotype.settings.files import SCRUBBER_FILE
from calotype.settings.load import load
from calotype.settings.tree import Settings

EXAMPLES = """\
examples:
  calotype serve                                     serve with /etc/glance/glance-api.conf
  calotype --config-file glance-api.conf serve       serve with another configuration
  calotype db sync                                   create or update the tables
  calotype config sample                             print every option with its meaning
  calotype policy sample                             print every policy rule
  calotype hash --missing                            calculate the digests that images lack
  calotype scrub --restore IMAGE_ID                  bring a deleted image back
  calotype verify --all                              compare all data with its digests
  calotype cache list                                print what this node has in its cache
  calotype stores check                              write, read and delete in each store
"""

CLIENT = """
with the client, which is installed here:
  calotype client --help                             list the commands for users of the cloud
  calotype image list                                list the images that you may see
"""


class Arguments(argparse.Namespace):
    """The parsed command line; `settings` are read when first needed."""

    config_file: list[str]
    config_dir: list[str]

    @cached_property
    def settings(self) -> Settings:
        """The configuration that the options name. Raises BadSettings."""
        return load(self.config_file, self.config_dir)

    @cached_property
    def scrubber_settings(self) -> Settings:
        """The same with glance-scrubber.conf, where there is one. Raises BadSettings."""
        return load(self.config_file, self.config_dir, companion=SCRUBBER_FILE)


def parser(program: str = "calotype") -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog=program,
        description=calotype.__doc__,
        epilog=EXAMPLES + (CLIENT if find_spec("calotype_client") else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=_version(program))
    add_config_options(top)
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (serve, db, config, policy, sweep, scrub, hashes, cache, stores):
        module.add_parser(commands)
    for command in commands.choices.values():
        add_config_options(command, again=True)
    return top


def _version(program: str) -> str:
    """What `--version` says: Glance's commands say only the number."""
    if program != "calotype":
        return calotype.__version__
    client = import_module("calotype_client") if find_spec("calotype_client") else None
    return f"calotype {calotype.__version__}" + (
        f" (client {client.__version__})" if client else ""
    )


def add_config_options(to: argparse.ArgumentParser, *, again: bool = False) -> None:
    """`--config-file` and `--config-dir`, before or after the verb."""
    default: Any = argparse.SUPPRESS if again else []
    to.add_argument(
        "--config-file", metavar="FILE", action="append", default=default,
        help="read this file; may be repeated, later ones win "
        "(default: glance-image-import.conf and glance-api.conf in $OS_GLANCE_CONFIG_DIR "
        "or /etc/glance)",
    )  # fmt: skip
    to.add_argument(
        "--config-dir", metavar="DIR", action="append", default=default,
        help="read all *.conf files of this folder, after the files",
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None, program: str = "calotype") -> int:
    """Run one command; the exit code."""
    args = parser(program).parse_args(arguments, namespace=Arguments())
    try:
        return int(args.run(args))
    except errors.Error as error:
        print(f"ERROR: {error.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def glance_api() -> int:
    """`glance-api`: the same as `calotype serve`, for unit files that call it."""
    return main(["serve", *sys.argv[1:]], program="glance-api")


def glance_manage() -> int:
    """`glance-manage`: `calotype db`, with Glance's spellings of the commands."""
    return main(db.glance_arguments(sys.argv[1:]), program="glance-manage")


def glance_scrubber() -> int:
    """`glance-scrubber`: the same as `calotype scrub`."""
    return main(["scrub", *db.without_logging(sys.argv[1:])], program="glance-scrubber")


def glance_cache_prefetcher() -> int:
    """`glance-cache-prefetcher`: `calotype cache prefetch`."""
    return _cache("prefetch", "glance-cache-prefetcher")


def glance_cache_pruner() -> int:
    """`glance-cache-pruner`: `calotype cache prune`."""
    return _cache("prune", "glance-cache-pruner")


def glance_cache_cleaner() -> int:
    """`glance-cache-cleaner`: `calotype cache clean`."""
    return _cache("clean", "glance-cache-cleaner")


def _cache(verb: str, program: str) -> int:
    return main([*db.glance_arguments(sys.argv[1:]), "cache", verb], program=program)
