"""Private MariaDB and PostgreSQL servers."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import psycopg
import pymysql

from tests.servers import HOST, Missing, Process, as_user, fast_folder, free_port, program


class DatabaseServer:
    """A database server of ours, not yet started, in a folder that `remove` takes away."""

    def __init__(self) -> None:
        # Not pytest's folder: sockets allow but 107 characters, and other users cannot enter there.
        self.folder = Path(tempfile.mkdtemp(prefix="calotype-", dir=fast_folder()))
        self.port = free_port()
        self.process: Process | None = None
        self._made = 0

    def start(self) -> Self:
        """Create the server's files when there are none, start it, wait until it answers."""
        raise NotImplementedError

    def url(self, name: str) -> str:
        """The address of a database."""
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """Run a statement as the server's administrator."""
        raise NotImplementedError

    def create(self) -> str:
        """Make a new empty database; returns its name."""
        self._made += 1
        name = f"test_{self._made}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever uses it."""
        self.execute(f"DROP DATABASE {name}")

    def stop(self) -> None:
        """Stop the server; its files stay, and `start` goes on with them."""
        if self.process is not None:
            self.process.stop()
            self.process = None

    def remove(self) -> None:
        """Stop the server and remove its files."""
        self.stop()
        shutil.rmtree(self.folder)


class MariaDB(DatabaseServer):
    """MariaDB with a small memory, which writes to disk when it likes."""

    def start(self) -> Self:
        server = program("mariadbd", "/usr/sbin", "/usr/local/sbin", brought_by="mariadb-server")
        data = self.folder / "data"
        as_root = ["--user=root"] if os.geteuid() == 0 else []
        if not data.exists():
            self._install(data, as_root)
        self.process = Process(
            [
                *(server, "--no-defaults", *as_root, f"--datadir={data}"),
                *(f"--socket={self.folder}/socket", f"--pid-file={self.folder}/pid"),
                *(f"--port={self.port}", f"--bind-address={HOST}", "--skip-name-resolve"),
                *("--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync"),
                *("--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--sync-frm=0"),
                *("--max-connections=300", "--character-set-server=utf8mb4"),
                f"--tmpdir={self.folder}",
            ],
            self.folder / "log",
        )
        self.process.start().wait_port(self.port)
        return self

    def _install(self, data: Path, as_root: Sequence[str]) -> None:
        install = program("mariadb-install-db", "/usr/sbin", brought_by="mariadb-server")
        subprocess.run(
            [
                *(install, "--no-defaults", *as_root, f"--datadir={data}", "--skip-test-db"),
                *("--auth-root-authentication-method=normal", "--skip-name-resolve"),
            ],
            check=True,
            capture_output=True,
        )

    def url(self, name: str) -> str:
        return f"mysql+pymysql://root@{HOST}:{self.port}/{name}?charset=utf8"

    def execute(self, statement: str) -> None:
        connection = pymysql.connect(host=HOST, port=self.port, user="root", autocommit=True)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)


class PostgreSQL(DatabaseServer):
    """PostgreSQL; it refuses to run as root, so it then runs as its package's user."""

    USER = "postgres"

    def start(self) -> Self:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
        where = [str(folder) for folder in folders]
        server = program("postgres", *where, brought_by="postgresql")
        data = self.folder / "data"
        if not data.exists():
            self._install(data, program("initdb", *where, brought_by="postgresql"))
        self.process = Process(
            [
                *(
                    server,
                    "-D",
                    str(data),
                    "-h",
                    HOST,
                    "-p",
                    str(self.port),
                    "-k",
                    str(self.folder),
                ),
                *("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"),
                *("-c", "shared_buffers=32MB", "-c", "max_connections=200"),
            ],
            self.folder / "log",
            cwd=self.folder,
            user=self.USER,
            stop_with=signal.SIGINT,  # ends the sessions; SIGTERM would wait for them
        )
        self.process.start().wait_until(self._answers)
        return self

    def _install(self, data: Path, initdb: str) -> None:
        if os.geteuid() == 0:
            try:
                owner = pwd.getpwnam(self.USER)
            except KeyError as error:
                raise Missing(f"no user {self.USER}: apt-get install postgresql") from error
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        subprocess.run(
            [
                *(initdb, "-D", str(data), "-U", self.USER, "-A", "trust", "-E", "UTF8"),
                *("--locale=C.UTF-8", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **as_user(self.USER),
        )

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def url(self, name: str) -> str:
        return f"postgresql+psycopg2://{self.USER}@{HOST}:{self.port}/{name}"

    def execute(self, statement: str) -> None:
        address = f"host={HOST} port={self.port} user={self.USER} dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)
