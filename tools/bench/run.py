"""One run: for each database its servers, for each measurement its rounds, server by server."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.database_servers import MariaDB
from tests.servers import Missing
from tools.bench import backends, peers, rows, shell
from tools.bench.catalog import MEASUREMENTS, Measurement
from tools.bench.measurements import Bench, Failed, Sample
from tools.bench.peers import Peer
from tools.bench.plan import MIB, Plan

DATABASES = ("mariadb", "sqlite")


@dataclass
class Result:
    """What one measurement gave with one database: the samples of each server, and failures."""

    database: str
    measurement: Measurement
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)


def say(message: str) -> None:
    """Tell whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def run(
    plan: Plan,
    folder: Path,
    *,
    databases: Sequence[str],
    wanted: Collection[str],
    alone: bool,
) -> Iterator[Result]:
    """Measure; `wanted` names measurements, none for all; `alone`: Calotype without peers."""
    chosen = [it for it in MEASUREMENTS if not wanted or it.name in wanted]
    source, small = folder / "source", folder / "small"
    make_data(source, plan.size)
    make_data(small, plan.small_size)
    for measurement in chosen:
        if measurement.backend:
            yield from run_at_backend(plan, folder, measurement, measurement.backend, alone=alone)
    chosen = [it for it in chosen if not it.backend]
    if not chosen:
        return
    for database in databases:
        home = folder / database
        try:
            with servers(database, home, plan, source, alone=alone) as found:
                bench = Bench(plan, source, small, found)
                for measurement in chosen:
                    # Bytes take the same way whatever the database: once is enough.
                    if database == databases[0] or not measurement.transfers or measurement.alone:
                        yield measure(bench, database, measurement)
        except Missing as missing:
            say(f"NOT MEASURED with {database}: {missing}")
        shutil.rmtree(home)


def run_at_backend(
    plan: Plan, folder: Path, measurement: Measurement, kind: str, *, alone: bool
) -> Iterator[Result]:
    """Measure uploads to a backend; with MariaDB, which they have little to do with."""
    home, source, small = folder / f"at-{kind}", folder / "source", folder / "small"
    home.mkdir()
    if kind == "cinder":
        source = home / "source"
        make_data(source, plan.volume_size)
    try:
        with ExitStack() as stack:
            say(f"{kind}: starting the backend")
            address = _addresses("mariadb", home, stack)
            found = stack.enter_context(backends.servers(kind, home, address, alone=alone))
            yield measure(Bench(plan, source, small, found), "mariadb", measurement)
    except Missing as missing:
        say(f"NOT MEASURED: {missing}")
    shutil.rmtree(home)


def make_data(path: Path, size: int) -> None:
    """A file of random bytes, which repeat after 16 MiB: no format, nothing to compress."""
    block = os.urandom(min(size, 16 * MIB))
    with path.open("wb") as file:
        while file.tell() < size:
            file.write(block[: size - file.tell()])


@contextmanager
def servers(
    database: str, home: Path, plan: Plan, source: Path, *, alone: bool
) -> Iterator[dict[str, Peer]]:
    """All servers for one database, configured but not started. Raises Missing for the database."""
    home.mkdir()
    with ExitStack() as stack:
        address = _addresses(database, home, stack)
        say(f"{database}: making {plan.images} images")
        ours, ours_at = home / "calotype", address("calotype")
        rows.make_tables(ours_at)
        rows.fill(ours_at, plan.images)
        found = [peers.calotype("calotype", ours, ours_at)]
        for name, options in (
            ("calotype-no-md5", ["calotype_md5_checksum = false"]),
            ("calotype-sha256", ["calotype_md5_checksum = false", "hashing_algorithm = sha256"]),
        ):
            found.append(peers.calotype(name, home / name, ours_at, *options))
        found.append(peers.calotype("calotype-cache", home / "calotype-cache", ours_at, cache=True))
        found.append(shell.calotype(found[0]))
        if not alone:
            found += _peers(home, address, plan, source, found[0])
        yield {peer.name: peer for peer in found}


def _addresses(database: str, home: Path, stack: ExitStack) -> Callable[[str], str]:
    if database == "sqlite":
        return lambda name: f"sqlite:///{home}/{name}.db"
    server = MariaDB()
    stack.callback(server.remove)
    server.start()
    return lambda name: server.url(server.create())


def _peers(
    home: Path, address: Callable[[str], str], plan: Plan, source: Path, ours: Peer
) -> list[Peer]:
    def glance(name: str, cache: bool) -> Peer:
        url = address(name)
        peer = peers.glance(name, home / name, url, cache=cache)
        rows.fill(url, 1 if cache else plan.images)
        return peer

    makers: list[Callable[[], Peer]] = [
        lambda: glance("glance", cache=False),
        lambda: glance("glance-cache", cache=True),
        lambda: peers.nginx(home / "nginx", source),
        lambda: peers.bare(home / "bare"),
        lambda: peers.openssl(home / "openssl"),
        lambda: shell.openstack(ours),
        lambda: shell.glance(ours),
    ]
    found = []
    for make in makers:
        try:
            found.append(make())
        except Missing as missing:
            say(f"NOT MEASURED: {missing}")
    return found


def measure(bench: Bench, database: str, measurement: Measurement) -> Result:
    """All rounds of one measurement, the servers taking turns."""
    result = Result(database, measurement)
    subjects = [bench.peers[name] for name in measurement.subjects if name in bench.peers]
    rounds = bench.plan.transfer_rounds if measurement.transfers else bench.plan.rounds
    with ExitStack() as stack:
        if not measurement.alone:
            subjects = [it for it in subjects if _ready(bench, it, result, stack)]
        for turn in range(rounds):
            for number in range(len(subjects)):
                # Each round begins with another one, so that nobody always follows the same.
                peer = subjects[(number + turn) % len(subjects)]
                with _noted(result, peer, f"{turn + 1}/{rounds}"):
                    sample = measurement.work(bench, peer)
                    result.samples.setdefault(peer.name, []).append(sample)
                    say("  " + ", ".join(f"{key} {value:.4g}" for key, value in sample.items()))
    return result


def _ready(bench: Bench, peer: Peer, result: Result, stack: ExitStack) -> bool:
    """Whether a server could be started and prepared."""
    with _noted(result, peer, "prepare"):
        stack.callback(peer.stop)
        peer.start()
        result.measurement.prepare(bench, peer)
        return True
    return False


@contextmanager
def _noted(result: Result, peer: Peer, turn: str) -> Iterator[None]:
    """Say what is done; a server that fails is noted, and the others go on."""
    say(f"{result.database}: {result.measurement.name}, {turn}, {peer.name}")
    try:
        yield
    except (Failed, RuntimeError) as failed:  # the latter when a server does not start
        result.failures.setdefault(peer.name, []).append(str(failed))
        say(f"  FAILED: {failed}")
