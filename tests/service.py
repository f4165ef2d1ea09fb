"""A real `calotype serve`, as a process of its own, for tests that talk to it over HTTP."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import HOST, Process, free_port

#: A configuration as small as it gets; `extra` sections of a test are appended.
CONFIG = """\
[DEFAULT]
node_staging_uri = file://{folder}/staging
{default}
[database]
connection = {database}
[glance_store]
stores = file
filesystem_store_datadir = {folder}/images
{extra}
"""

#: A database with all tables and no rows, once there has been one.
_SYNCED: list[bytes] = []


class Service:
    """One service: its folder, configuration and process. Start it as often as the test needs."""

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        default: str = "",
        extra: str = "",
        arguments: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self.images = folder / "images"
        self.config = folder / "glance-api.conf"
        self.log = folder / "calotype.log"
        self._arguments = arguments
        self.database = database or f"sqlite:///{folder}/calotype.db"
        folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            CONFIG.format(folder=folder, default=default, database=self.database, extra=extra)
        )
        self.process = self._process()

    def __enter__(self) -> Self:
        """Make the tables and serve."""
        self.make_tables()
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def command(self, *arguments: str) -> list[str]:
        """A command line of `calotype` with this configuration."""
        return [sys.executable, "-m", "calotype", "--config-file", str(self.config), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one `calotype` command to its end, e.g. `run("db", "sync")`."""
        return subprocess.run(
            self.command(*arguments),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def make_tables(self) -> None:
        """What `calotype db sync` makes; on SQLite it does so once, and is copied then."""
        own_file = self.database == f"sqlite:///{self.folder}/calotype.db"
        file = self.folder / "calotype.db"
        if own_file and _SYNCED and not file.exists():
            file.write_bytes(_SYNCED[0])
            return
        new = own_file and not file.exists()
        synced = self.run("db", "sync")
        assert synced.returncode == 0, synced.stderr
        if new:
            _SYNCED.append(file.read_bytes())

    def start(self) -> Self:
        """Start serving and wait for the first answer."""
        self.process = self._process()
        self.process.start().wait_url(f"{self.url}/healthcheck")
        return self

    def stop(self) -> int | None:
        """Ask it to end, and wait."""
        return self.process.stop()

    def kill(self) -> None:
        """End it and its children at once, as a power failure would."""
        self.process.kill()

    def _process(self) -> Process:
        serve = self.command("serve", "--port", str(self.port), *self._arguments)
        return Process(serve, self.log, env=environment())


def file_stores(folders: Mapping[str, Path], staging: Path, fetch_from: int) -> tuple[str, str]:
    """What goes into `default` and `extra` for named stores of files, the first being the default.

    Images may be fetched from the port `fetch_from` of this machine.
    """
    named = ", ".join(f"{name}:file" for name in folders)
    lines = [f"default_backend = {next(iter(folders))}"]
    for name, folder in {**folders, "os_glance_staging_store": staging}.items():
        lines += [f"[{name}]", f"filesystem_store_datadir = {folder}"]
    lines += [
        "[import_filtering_opts]",
        f"allowed_hosts = [{HOST}]",
        f"allowed_ports = [{fetch_from}]",
    ]
    return f"enabled_backends = {named}\n", "\n".join(lines) + "\n"


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without any cloud in it, finding the package in src."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    source = str(Path(__file__).parents[1] / "src")
    return {**clean, "PYTHONPATH": source, **(extra or {})}
