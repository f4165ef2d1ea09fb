"""The bench: a tiny run of Calotype alone, and what is made of numbers."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Process
from tools.bench import accounting, page, report, shell
from tools.bench.catalog import MEASUREMENTS
from tools.bench.command import main
from tools.bench.measurements import Failed, Sample
from tools.bench.peers import Peer
from tools.bench.plan import FIGURES, QUICK
from tools.bench.report import BEGIN, END
from tools.bench.run import Result

BY_NAME = {it.name: it for it in MEASUREMENTS}


def result(name: str, **samples: list[Sample]) -> Result:
    named = {subject.replace("_", "-"): values for subject, values in samples.items()}
    return Result("sqlite", BY_NAME[name], named)


def test_measures_a_real_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["start", "list-walk", "show-load", "download", "client-save"]
    only = [word for name in wanted for word in ("--only", name)]
    out = tmp_path / "found.json"

    code = main(
        [
            *("--quick", "--alone", "--database", "sqlite", "--size", "2M", "--images", "40"),
            *("--json", str(out), *only),
        ]
    )

    text = capsys.readouterr()
    assert code == 0, text.err
    found = json.loads(out.read_text())
    measured = {it["measurement"]: it["samples"] for it in found["samples"]}
    assert list(measured) == [name for name in BY_NAME if name in wanted]
    numbers = [
        value
        for samples in measured.values()
        for taken in samples.values()
        for sample in taken
        for key, value in sample.items()
        if key not in ("cpu", "server")  # too little to be seen by the kernel's clock
    ]
    assert min(numbers) > 0
    assert "show, 8 clients" in text.out
    assert "too small to judge" in text.out


def test_every_measurement_is_judged_by_figures() -> None:
    assert FIGURES.keys() == BY_NAME.keys()


def test_a_higher_rate_is_better() -> None:
    found = result(
        "upload",
        calotype=[{"rate": 500, "cpu": 4}, {"rate": 460, "cpu": 4}, {"rate": 10, "cpu": 4}],
        glance=[{"rate": 200, "cpu": 5}],
        bare=[{"rate": 600, "cpu": 2}],
    )
    beside = {(line.peer, line.unit): line for line in report.lines([found], QUICK)}
    glance, bare = beside["glance", "MB/s"], beside["bare", "MB/s"]
    assert (glance.ours, glance.ratio, glance.met) == (460, 2.3, True)
    assert (bare.ratio, bare.met) == (pytest.approx(0.767, abs=0.001), False)
    # Of a cost without a target the ratio says how many times less it is.
    assert (beside["bare", "s/GiB"].ratio, beside["bare", "s/GiB"].met) == (0.5, None)


def test_a_shorter_time_is_better() -> None:
    found = result("list", calotype=[{"time": 50}], glance=[{"time": 990}])
    (line,) = report.lines([found], QUICK)
    assert (line.ratio, line.target, line.met) == (19.8, "≥ 20 ×", False)


def test_a_target_may_be_a_part_of_the_peers_cost() -> None:
    found = result("start", calotype=[{"time": 400}], glance=[{"time": 1000}])
    (line,) = report.lines([found], QUICK)
    assert (line.ratio, line.target, line.met) == (0.4, "≤ 0.4 ×", True)


@pytest.mark.parametrize(("growth", "met"), [(16, True), (16.1, False)])
def test_a_limit_holds_whatever_the_peer_needs(growth: float, met: bool) -> None:
    sample = {"peak": 1.0, "small": 1.0, "growth": growth}
    found = result("memory-four", calotype=[sample], glance=[{**sample, "growth": 1000}])
    (line,) = [it for it in report.lines([found], QUICK) if it.title.endswith("per upload")]
    assert (line.ours, line.target, line.met) == (growth, "≤ 16 MiB", met)


def test_variants_are_shown_and_not_judged() -> None:
    found = result(
        "upload-four",
        calotype_sha256=[{"rate": 1, "cpu": 1}],
        glance=[{"rate": 100, "cpu": 1}],
    )
    lines = report.lines([found], QUICK)
    assert [(line.title, line.met) for line in lines] == [
        ("upload, four of 64 MiB, sha256, md5 off", None),
        ("upload, four of 64 MiB, sha256, md5 off, server CPU", None),
    ]


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    path = tmp_path / "performance.md"
    path.write_text(f"# Ours\n\n{BEGIN}\nold\n{END}\n\nWhat it means.\n")
    found = result("show", calotype=[{"time": 1}], glance=[{"time": 4}])
    found.failures["nginx"] = ["it broke"]

    page.write(path, [found], QUICK, {"versions": {"glance": "33"}})

    text = path.read_text()
    assert text.startswith(f"# Ours\n\n{BEGIN}\n")
    assert text.endswith(f"{END}\n\nWhat it means.\n")
    assert "| show | ms | 1.00 | glance | 4.00 | 4.00 | ≥ 5 × | **MISSED** |" in text
    assert "Versions: glance 33." in text
    assert "nginx: failed 1 times, first with: it broke" in text
    assert "old" not in text


def test_the_page_of_the_project_has_a_place_for_results() -> None:
    text = (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
    assert text.index(BEGIN) < text.index(END)


def test_counts_what_children_use_also_when_they_have_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    parent = f"import subprocess,sys,time\nsubprocess.run([sys.executable,'-c',{burn!r}])\n"
    process = subprocess.Popen(
        [sys.executable, "-c", parent + "print('done', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        assert 0.3 <= accounting.cpu_seconds(process.pid) < 3
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def python(tmp_path: Path) -> Iterator[shell.Client]:
    """Python as somebody's client, before a server that does nothing."""
    server, environment = Peer("server", tmp_path), {"OS_ENDPOINT": "http://here"}
    server.process = Process(["sleep", "600"], tmp_path / "log").start()
    yield shell.Client("python", tmp_path, [sys.executable], environment, server=server)
    server.stop()


def test_a_client_is_timed_with_its_children(python: shell.Client) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\n"
    program = f"import subprocess,sys,time\n{burn}subprocess.run([sys.executable,'-c',{burn!r}])"

    sample = shell.timed(python, ["-c", program])

    assert 0.4 <= sample["cpu"] < 3
    assert sample["time"] >= 0.4
    assert sample["server"] < 0.2


def test_a_client_knows_only_the_cloud_that_is_measured(
    python: shell.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_CLOUD", "of somebody else")
    program = "import os; raise SystemExit([n for n in os.environ if n[:3] == 'OS_'])"
    with pytest.raises(Failed, match=r"python ended with 1: \['OS_ENDPOINT'\]"):
        shell.timed(python, ["-c", program])


def test_sees_the_peak_of_memory() -> None:
    # In a process of its own: this one may have so much memory to spare that it needs no more.
    grow = "input(); block = bytearray(b'x') * (40 << 20); print('grown', flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", grow], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdin is not None and process.stdout is not None
        before = accounting.memory(process.pid)
        with accounting.PeakMemory(process.pid, interval=0.01) as watch:
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"grown\n"
            time.sleep(0.2)
        assert watch.peak - before > 35
    finally:
        process.kill()
        process.communicate()
