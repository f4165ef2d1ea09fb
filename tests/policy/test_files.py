"""Which policy files there are, and when they count as changed."""

import os
from pathlib import Path

import pytest
from oslo_config.cfg import ConfigOpts
from oslo_policy import opts

from calotype import errors
from calotype.policy import files
from tests.policy.setting import conf_of, policy_of


def test_the_file_comes_first_then_those_of_the_directory_by_name(tmp_path: Path) -> None:
    policy_of(tmp_path, rules="{}")
    (tmp_path / "policy.d" / "deeper").mkdir(parents=True)
    for name in ("b.yaml", "a.yaml", ".swap"):
        (tmp_path / "policy.d" / name).write_text("{}")
    found = files.found(policy_conf(tmp_path))
    assert [p.name for p in found] == ["policy.yaml", "a.yaml", "b.yaml"]


def policy_conf(folder: Path) -> ConfigOpts:
    conf = conf_of(folder)
    conf.register_opts(opts.list_opts()[0][1], group="oslo_policy")
    return conf


def test_a_change_within_the_same_second_is_a_change(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("a")
    before = files.stamps([path])
    path.write_text("bb")
    os.utime(path, ns=(before[0][1], before[0][1]))
    assert files.stamps([path]) != before
    path.unlink()
    assert files.stamps([path]) == ()


def test_an_empty_file_has_no_rules(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("# nothing yet\n")
    assert files.read(tmp_path / "policy.yaml") == {}


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(errors.BadSettings, match=r"policy\.yaml cannot be read"):
        files.read(tmp_path / "policy.yaml")
