"""Private real servers for the tests: each in a folder and on a port of its own, on loopback.

Nothing here touches a server of the system, and only processes started here are ended, by pid.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pymysql

HOST = "127.0.0.1"


class Missing(Exception):
    """A server is not installed on this machine; the message says what brings it."""


def free_port() -> int:
    """A port on which nothing listens just now."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return int(listener.getsockname()[1])


def program(name: str, *folders: str, brought_by: str) -> str:
    """The path of a program, looked for in PATH and `folders`. Raises Missing."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *folders])
    found = shutil.which(name, path=path)
    if found is None:
        raise Missing(f"{name} is not installed: apt-get install {brought_by}")
    return found


class Process:
    """A server process: started, waited for, and stopped by its pid. Its output goes to `log`.

    As a context manager it is started on entry and stopped on exit. `user`: whom to run as, when
    we are root. `stop_with`: the signal that asks for an orderly end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        stop_with: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.command = [str(part) for part in command]
        self.log = log
        self._env = env
        self._cwd = cwd
        self._user = user
        self._stop_with = stop_with
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id; only while it is started."""
        assert self._popen is not None, "not started"
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive."""
        return self._popen is not None and self._popen.poll() is None

    def output(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def start(self) -> Self:
        """Start it; returns at once."""
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if self._env is None else dict(self._env),
                cwd=self._cwd,
                start_new_session=True,
                **_as_user(self._user),
            )
        return self

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60) -> Self:
        """Return when `ready()` is true; fail with the end of the log when it ends or is late."""
        deadline = time.monotonic() + seconds
        while not ready():
            late = time.monotonic() > deadline
            if late or not self.running:
                what = "is not ready" if late else "has ended"
                self.stop()
                raise RuntimeError(f"{self.command[0]} {what}:\n{self.output()[-4000:]}")
            time.sleep(0.02)
        return self

    def wait_port(self, port: int, seconds: float = 60) -> Self:
        """Return when something accepts connections on the port."""
        return self.wait_until(lambda: _accepts(port), seconds)

    def wait_url(self, url: str, seconds: float = 60) -> Self:
        """Return when the URL answers, whatever the status."""
        return self.wait_until(lambda: _answers(url), seconds)

    def stop(self, seconds: float = 20) -> int | None:
        """Ask it to end, then end it, with all that is left of its session; returns its status."""
        if self._popen is None:
            return None
        if self.running:
            self._popen.send_signal(self._stop_with)
            try:
                self._popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._popen.wait()

    def kill(self) -> None:
        """End it and its children at once, as a power failure would."""
        assert self._popen is not None, "not started"
        # The session is ours and its leader still exists, so the number cannot be another's.
        if self.running:
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()


def _as_user(user: str | None) -> dict[str, Any]:
    if user is None or os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        return False
    return True


def _fast_folder() -> str | None:
    """Memory, if there is plenty: making tables is five times faster there than on a disk."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2 << 30:
        return str(memory)
    return None


class DatabaseServer:
    """A database server of ours, not yet started, in a folder that `remove` takes away."""

    def __init__(self) -> None:
        # Not pytest's folder: sockets allow but 107 characters, and other users cannot enter there.
        self.folder = Path(tempfile.mkdtemp(prefix="calotype-", dir=_fast_folder()))
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
            **_as_user(self.USER),
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
