"""The worker process that `calotype serve` forks: it outlives no service, and is replaced."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.site import soon
from tests.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with Service(tmp_path / "service", arguments=("--workers", "1")) as service:
        yield service


def ready(service: Service) -> list[int]:
    """The ids of the worker processes that were ever ready."""
    return [
        int(number)
        for number in re.findall(r"Worker process (\d+) is ready", service.process.output())
    ]


def ended(service: Service, pid: int) -> bool:
    return f"Worker process {pid} ends" in service.process.output()


def first_worker(service: Service) -> int:
    assert soon(lambda: bool(ready(service)))
    return ready(service)[0]


def test_a_worker_that_dies_is_replaced(service: Service) -> None:
    worker = first_worker(service)
    os.kill(worker, signal.SIGKILL)
    assert soon(lambda: len(ready(service)) == 2)
    assert "The worker process ended; starting it again" in service.process.output()
    assert service.stop() == 0
    assert ended(service, ready(service)[1])


def test_it_ends_with_the_service(service: Service) -> None:
    worker = first_worker(service)
    assert service.stop() == 0
    assert ended(service, worker)


def test_it_ends_when_the_service_was_killed(service: Service) -> None:
    worker = first_worker(service)
    service.kill()
    assert soon(lambda: ended(service, worker))


def test_it_keeps_no_door_open(service: Service) -> None:
    worker = first_worker(service)
    sockets = {os.readlink(f"/proc/{worker}/fd/{fd}") for fd in os.listdir(f"/proc/{worker}/fd")}
    listening = {
        f"socket:[{line.split()[9]}]"
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{service.port:04X}")
    }
    assert listening
    assert not sockets & listening
