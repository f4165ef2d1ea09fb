"""`calotype db`: make the tables, say where they stand, remove what was deleted long ago.

The commands, their options and exit codes are those of `glance-manage db`, in its spelling with
underscores too, so that the scripts of a deployment keep working.
"""

import argparse
from collections.abc import Callable, Sequence

from calotype import errors
from calotype.db import purge as purging
from calotype.db import schema
from calotype.db.engine import Database
from calotype.db.schema import Stand
from calotype.parts import open_database

#: What the exit code of `check` says to scripts: which of the three steps comes next.
UP_TO_DATE, EXPAND_IS_DUE, CONTRACT_IS_DUE, FAILED = 0, 3, 5, 1


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `db` to the command line."""
    command = commands.add_parser(
        "db",
        help="create and look after the database",
        description="Create and look after the database that [database] connection names.",
        epilog="example: calotype db sync && calotype db purge --age-in-days 90 --max-rows -1",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(verbs, "sync", sync, "create, upgrade or complete the tables", "upgrade", revision=True)
    _add(verbs, "version", version, "print the revision of the database")
    _add(verbs, "check", check, "say whether the database is up to date, also by exit code 0, 3, 5")
    _add(verbs, "expand", sync, "the first step of an upgrade: the same as sync")
    _add(verbs, "migrate", migrate, "the second step of an upgrade: nothing to do")
    _add(verbs, "contract", contract, "the third step of an upgrade: nothing to do")
    for name, run, what, days in (
        ("purge", purge, "remove old deleted rows, except images", 30),
        ("purge-images-table", purge_images_table, "remove old deleted images", 180),
    ):
        _add_limits(_add(verbs, name, run, what, name.replace("-", "_")), days)


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Callable[[Database, argparse.Namespace], int],
    what: str,
    alias: str | None = None,
    *,
    revision: bool = False,
) -> argparse.ArgumentParser:
    aliases = [alias] if alias and alias != name else []
    verb = verbs.add_parser(name, aliases=aliases, help=what, description=what.capitalize() + ".")
    if revision:
        where = f"the revision to go to; there is but one, {schema.GLANCE_HEAD}"
        verb.add_argument("--version", dest="revision", metavar="REVISION", help=where)
        verb.add_argument("version", nargs="?", metavar="REVISION", help="the same")
    verb.set_defaults(run=lambda args: _run(run, args))
    return verb


def _add_limits(verb: argparse.ArgumentParser, days: int) -> None:
    for option, default, what in (
        ("age-in-days", days, "remove what was deleted so many days ago"),
        ("max-rows", 100, "remove at most so many rows of a table; -1 for all"),
    ):
        verb.add_argument(
            f"--{option}",
            f"--{option.replace('-', '_')}",
            type=int,
            default=default,
            metavar="N",
            help=f"{what} (default %(default)s)",
        )


def _run(verb: Callable[[Database, argparse.Namespace], int], args: argparse.Namespace) -> int:
    database = open_database(args.settings)
    try:
        return verb(database, args)
    except errors.DatabaseUnavailable as error:
        reason = error.__cause__ or "no reason given"
        raise errors.DatabaseUnavailable(f"{database}: {error.message} ({reason})") from error
    finally:
        database.close()


def glance_arguments(arguments: Sequence[str]) -> list[str]:
    """The arguments of `glance-manage` as ours: `db_sync` is `db sync`; logging options go."""
    ours: list[str] = []
    for argument in without_logging(arguments):
        if argument.startswith("db_") and "db" not in ours:
            ours += ["db", argument.removeprefix("db_")]
        else:
            ours.append(argument)
    return ours


def without_logging(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command of Glance without options on logging: the files say that here."""
    left: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument.startswith(("--log-file", "--log-dir")):
            if "=" not in argument:
                next(rest, None)
        elif argument not in ("-d", "--debug", "--nodebug"):
            left.append(argument)
    return left


# -- the commands --------------------------------------------------------------------------------


def sync(database: Database, args: argparse.Namespace) -> int:
    """Bring the database to the present schema."""
    wanted = getattr(args, "revision", None) or getattr(args, "version", None)
    if wanted not in (None, "head", "heads", schema.GLANCE_HEAD):
        raise errors.Invalid(f"version: {wanted} is not to be had, only {schema.GLANCE_HEAD}")
    if schema.sync(database):
        print(f"The database is now at {schema.GLANCE_HEAD}, with our own tables beside.")
    else:
        print("The database is up to date: nothing to do.")
    return 0


def version(database: Database, args: argparse.Namespace) -> int:
    """Print Glance's revisions of the database, one on each line, or why there is none."""
    state = schema.check(database)
    print("\n".join(state.revisions) or state.advice)
    return 0


def check(database: Database, args: argparse.Namespace) -> int:
    """Print what is to be done, and say it by the exit code."""
    state = schema.check(database)
    print(state.advice)
    if state.stand is Stand.CURRENT:
        return UP_TO_DATE
    if state.stand is Stand.UNKNOWN:
        return FAILED
    return CONTRACT_IS_DUE if schema.GLANCE_EXPANDED in state.revisions else EXPAND_IS_DUE


def migrate(database: Database, args: argparse.Namespace) -> int:
    """Nothing: no row changes between the schemas that we upgrade."""
    print("No rows need to be changed.")
    return 0


def contract(database: Database, args: argparse.Namespace) -> int:
    """Nothing when `expand` was ours. After Glance's own, the rest; refused before any."""
    if schema.GLANCE_EXPANDED in schema.check(database).revisions:
        return sync(database, args)
    schema.require_current(database)
    print("The database is up to date: nothing to do.")
    return 0


def purge(database: Database, args: argparse.Namespace) -> int:
    """Remove old deleted rows of all tables but `images`."""
    _report(purging.purge(database, args.age_in_days, args.max_rows))
    return 0


def purge_images_table(database: Database, args: argparse.Namespace) -> int:
    """Remove old deleted images; those to which other rows refer are only counted."""
    _report(purging.purge_images(database, args.age_in_days, args.max_rows))
    if kept := purging.held(database, args.age_in_days):
        print(f"{kept} deleted images are kept because other rows refer to them: run `purge` first")
    return 0


def _report(removed: dict[str, int]) -> None:
    for table, rows in removed.items():
        print(f"{table}: {rows} rows removed")
