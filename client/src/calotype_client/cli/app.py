"""The client's command line: options for the cloud, then a command."""

import argparse
import logging
import sys
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from cliff.app import App
from cliff.command import Command
from cliff.commandmanager import CommandManager
from keystoneauth1.exceptions import ClientException

import calotype_client
from calotype_client.cli.completion import Complete
from calotype_client.cli.masking import Masked, masked
from calotype_client.cli.sdk import ConfigException, OpenStackConfig
from calotype_client.cli.verbs import COMMANDS
from calotype_client.client import Client, of_region
from calotype_client.errors import Error, NoCloud, WrongUse
from calotype_client.identity import no_cloud, unreadable

DESCRIPTION = """\
The client of Calotype, and of every service with the OpenStack Image API v2.

Who you are and where the cloud is comes from clouds.yaml (--os-cloud), from OS_* variables, or
from the options below.

Exit codes: 0 done; 1 failed; 2 wrong use, or no cloud; 3 not found; 4 not allowed;
130, 141, 143 cut short.
"""

#: Loggers that say nothing about our requests.
SILENT = (
    "stevedore",
    "urllib3",
    "openstack.config",
    "keystoneauth.identity",
    "keystoneauth.discover",
)


class Application(App):
    """The client as a program."""

    NAME = "calotype"
    LOG = logging.getLogger(NAME)
    CONSOLE_MESSAGE_FORMAT = "%(levelname)s: %(message)s"
    #: Warnings; -v says what is done, -vv and --debug show each request.
    DEFAULT_VERBOSE_LEVEL = 0

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        with unreadable() as self._unreadable:
            self._config = OpenStackConfig(
                app_name="calotype-client", app_version=calotype_client.__version__
            )
        self._failure: BaseException | None = None
        commands = CommandManager("calotype.client")
        for name, command in COMMANDS.items():
            commands.add_command(name, command)
        super().__init__(DESCRIPTION, calotype_client.__version__, commands, deferred_help=True)
        commands.add_command("complete", Complete)

    @cached_property
    def client(self) -> Client:
        """The service that the options name. Raises NoCloud."""
        try:
            return of_region(self._config.get_one(argparse=self.options))
        except (ConfigException, ClientException) as error:
            raise no_cloud(error, self.options.os_cloud, self._unreadable) from error

    def build_option_parser(
        self,
        description: str | None,
        version: str | None,
        argparse_kwargs: dict[str, Any] | None = None,
    ) -> argparse.ArgumentParser:
        """Our options and those of the cloud, as openstackclient names them."""
        kwargs = {
            "allow_abbrev": False,
            "prog": self.NAME,
            "formatter_class": argparse.RawDescriptionHelpFormatter,
            **(argparse_kwargs or {}),
        }
        parser = super().build_option_parser(description, version, kwargs)
        for action in parser._actions:
            if action.dest == "version":  # cliff's names the file that runs
                # Typed as any option is; that of `--version` has it.
                action.version = f"calotype-client {version}"  # type: ignore[attr-defined]
        try:
            self._config.register_argparse_arguments(parser, self._words, service_keys=["image"])
        except (ConfigException, ClientException) as error:
            raise no_cloud(error, "", self._unreadable) from error
        return parser

    def configure_logging(self) -> None:
        """Requests are shown by --debug, -vv and --log-file, with secrets masked."""
        least = logging.WARNING
        if self.options.debug:
            self.options.verbose_level = 2
        elif not (self.options.log_file or self.options.verbose_level >= 2):
            least = logging.ERROR  # what keystoneauth warns of is told by us, or tried again
            logging.getLogger("keystoneauth").setLevel(least)
        super().configure_logging()
        for name in SILENT:
            logging.getLogger(name).setLevel(least)
        for handler in logging.getLogger().handlers:
            handler.setFormatter(Masked(handler.formatter or logging.Formatter()))

    def interact(self) -> None:
        """No command is wrong use: there is no shell."""
        self.parser.print_help(sys.stderr)
        raise SystemExit(2)

    def run_subcommand(self, argv: list[str]) -> int:
        """Run it; an error says by itself what the exit code is."""
        try:
            self.command_manager.find_command(argv)
        except ValueError:
            return self._unknown(argv)
        result = super().run_subcommand(argv)
        return self._failure.exit_code if isinstance(self._failure, Error) else result

    def _unknown(self, argv: list[str]) -> int:
        from difflib import get_close_matches  # wanted here only

        typed = " ".join(argv[:2])
        near = " or ".join(get_close_matches(typed, COMMANDS))
        hint = f"do you mean {near}?" if near else "see calotype --help"
        self.LOG.error("There is no command %r: %s", typed, hint)
        return WrongUse.exit_code

    def clean_up(self, cmd: Command, result: int, err: BaseException | None) -> None:
        """Keep what went wrong."""
        self._failure = err


def main(words: Sequence[str]) -> int:
    """Run one command; the exit code."""
    try:
        return Application(words).run(list(words))
    except (ConfigException, ClientException, NoCloud) as error:
        print(f"ERROR: {masked(str(error))}", file=sys.stderr)
        return NoCloud.exit_code
