"""The helpers that start real servers, and how loudly a missing one is named."""

import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests import servers
from tests.servers import HOST, Missing, Process, free_port, program

ROOT = Path(__file__).parent.parent


def python(code: str, tmp_path: Path) -> Process:
    return Process([sys.executable, "-c", textwrap.dedent(code)], tmp_path / "log")


def test_ports_are_free_and_differ():
    ports = [free_port() for _ in range(100)]
    assert len(set(ports)) == 100
    with socket.socket() as listener:
        listener.bind((HOST, ports[0]))  # would be given again after all others
        assert not servers._is_free(ports[0])


@pytest.mark.parametrize("worker", ["gw0", "gw1"])
def test_workers_have_ports_of_their_own(worker):
    code = "from tests import servers; print(min(servers._OURS), max(servers._OURS))"
    said = subprocess.check_output(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTEST_XDIST_WORKER": worker, "PYTHONPATH": os.pathsep.join(sys.path)},
        text=True,
    )
    assert said.split() == {"gw0": ["10240", "12799"], "gw1": ["12800", "15359"]}[worker]


def test_a_server_is_waited_for_and_stopped(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", HOST]

    with Process(command, tmp_path / "log", cwd=tmp_path) as server:
        server.wait_port(port).wait_url(f"http://{HOST}:{port}/none")
        assert server.running
        os.kill(server.pid, 0)

    assert not server.running
    assert "GET /none" in server.output()


def test_a_server_that_ends_shows_its_log(tmp_path):
    server = python("print('no such option'); raise SystemExit(3)", tmp_path)

    with pytest.raises(RuntimeError, match="has ended:\nno such option"):
        server.start().wait_port(free_port())


def test_a_server_that_is_late_is_stopped(tmp_path):
    server = python("import time; time.sleep(60)", tmp_path)

    with pytest.raises(RuntimeError, match="is not ready"):
        server.start().wait_port(free_port(), seconds=0.1)

    assert not server.running


def test_a_server_that_does_not_listen_to_reason_is_ended(tmp_path):
    server = python(
        """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(60)
        """,
        tmp_path,
    )
    server.start().wait_until(lambda: "deaf" in server.output())

    assert server.stop(seconds=0.1) == -9


def test_stop_returns_the_exit_status(tmp_path):
    server = python("raise SystemExit(3)", tmp_path).start()
    while server.running:
        time.sleep(0.01)

    assert server.stop() == 3
    assert python("", tmp_path).stop() is None


def test_a_program_that_is_not_there_is_missing():
    with pytest.raises(Missing, match="apt-get install something"):
        program("no-such-program", "/usr/sbin", brought_by="something")


@pytest.mark.parametrize("shared", [(), ("-n", "2", "--dist", "loadgroup")], ids=["one", "two"])
@pytest.mark.parametrize("required", ["0", "1"])
def test_missing_servers_are_named_last_and_loudly(tmp_path, required, shared):
    (tmp_path / "bare_machine.py").write_text(
        "import tests.database_servers as servers\n"
        "def program(name, *folders, brought_by):\n"
        "    raise servers.Missing(f'{name} is not installed: {brought_by}')\n"
        "servers.program = program\n"
    )
    environment = dict(os.environ, CALOTYPE_REQUIRE_SERVERS=required)
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
    tests = ["tests/db/test_migrations.py", "-k", "second_sync"]
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "bare_machine",
            "-p",
            "no:cacheprovider",
            *shared,
            *tests,
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == (1 if required == "1" else 0), ran.stdout
    end = "\n".join(ran.stdout.splitlines()[-12:])
    assert "NOT TESTED: MariaDB" in end
    assert "NOT TESTED: PostgreSQL" in end
    assert ("1 passed, 2 skipped" in end) == (required == "0")
    assert ("2 errors" in end) == (required == "1")
