"""A private RabbitMQ, with a port mapper of its own so that it meets no other Erlang."""

import shutil
import tempfile
from pathlib import Path
from typing import Self

from tests.servers import HOST, Process, free_port, program

_CONFIG = """\
loopback_users = none
disk_free_limit.absolute = 10MB
vm_memory_high_watermark.absolute = 512MB
"""


class RabbitMQ:
    """A broker of ours, not yet started, in a folder that `remove` takes away."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="calotype-rabbitmq-"))
        self.port = free_port()
        self.url = f"rabbit://guest:guest@{HOST}:{self.port}/"
        self._processes: list[Process] = []

    def start(self) -> Self:
        """Start it and wait until it takes connections. Raises Missing."""
        # Debian's own name for it insists on another user than the one who runs the tests.
        server = program(
            "rabbitmq-server", "/usr/lib/rabbitmq/bin", "/usr/sbin", brought_by="rabbitmq-server"
        )
        within = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        server = str(within) if within.exists() else server
        mapper = program("epmd", brought_by="rabbitmq-server")
        (self.folder / "rabbitmq.conf").write_text(_CONFIG)
        (self.folder / "plugins").write_text("[].")
        environment = self._environment()
        port = environment["ERL_EPMD_PORT"]
        self._run("epmd", [mapper, "-port", port, "-address", HOST], environment).wait_port(
            int(port)
        )
        self._run("rabbitmq", [server], environment).wait_port(self.port, 120)
        return self

    def remove(self) -> None:
        """Stop it at once and remove its files."""
        while self._processes:
            self._processes.pop().kill()
        shutil.rmtree(self.folder)

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> Process:
        process = Process(command, self.folder / f"{name}.out", env=environment, cwd=self.folder)
        self._processes.append(process)
        return process.start()

    def _environment(self) -> dict[str, str]:
        folder = str(self.folder)
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "HOME": folder,
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": "calotype@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
            "RABBITMQ_LOG_BASE": f"{folder}/log",
            "RABBITMQ_CONF_ENV_FILE": f"{folder}/none",
            "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/plugins",
            "RABBITMQ_PID_FILE": f"{folder}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }
