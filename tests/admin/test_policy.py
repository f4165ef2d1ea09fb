"""`calotype policy`, called as the command line calls it."""

import argparse
from pathlib import Path

import pytest
import yaml

from calotype.admin import policy


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    policy.add_parser(parser.add_subparsers(required=True))
    args = parser.parse_args(["policy", *words])
    result = args.run(args)
    assert isinstance(result, int)
    return result


def test_sample_prints_all_rules(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sample") == 0
    printed = capsys.readouterr().out
    assert printed.count('\n#"') == 68
    assert yaml.safe_load(printed) is None


def test_sample_writes_a_file_that_check_accepts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policy.yaml"
    assert run("sample", "--output", str(file)) == 0
    assert run("check", str(file)) == 0
    assert capsys.readouterr().out == f"{file}: 0 rules, no problems\n"


def test_sample_says_when_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("sample", "--output", str(tmp_path / "no" / "such")) == 1
    assert "cannot be written: No such file or directory" in capsys.readouterr().err


def test_check_names_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text('delet_image: "role:x"\nget_image: "role:x and"\nadd_image: "role:x"\n')
    assert run("check", str(file)) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 2
    assert f"{file}: rule 'delet_image': there is no such rule" in told.err
    assert f"{file}: rule 'get_image': the check cannot be understood" in told.err


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "cannot be read"), ("a: [", "not valid YAML"), ("- a", "expected")]
)
def test_check_of_a_file_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str | None, reason: str
) -> None:
    file = tmp_path / "policy.yaml"
    if text is not None:
        file.write_text(text)
    assert run("check", str(file)) == 1
    assert reason in capsys.readouterr().err
