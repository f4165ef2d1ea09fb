"""The sample policy file: complete, true, and without effect as it stands."""

import re
from pathlib import Path

import yaml

from calotype.policy.rules import RULES
from calotype.policy.sample import sample
from tests.policy.setting import ADMIN, policy_of


def test_it_is_valid_and_without_effect() -> None:
    assert yaml.safe_load(sample()) is None
    assert all(line.startswith("#") for line in sample().splitlines() if line)


def test_with_every_rule_uncommented_it_says_what_the_table_says(tmp_path: Path) -> None:
    text = re.sub(r'^#"', '"', sample(), flags=re.MULTILINE)
    assert yaml.safe_load(text) == {rule.name: rule.check for rule in RULES}
    assert policy_of(tmp_path, rules=text).allows(ADMIN, "delete_image", {})


def test_each_rule_says_what_it_guards_and_for_which_tokens() -> None:
    paragraphs = dict(zip((rule.name for rule in RULES), sample().split("\n\n")[1:], strict=True))
    for rule in RULES:
        about = paragraphs[rule.name]
        assert rule.description.split()[0] in about
        assert f"# Scope: {'project' if rule.scopes else 'any'}\n" in about
        for method, path in rule.operations:
            assert f"#   {method} {path}\n" in about
    assert "also allowed: rule:manage_image_cache\n" in paragraphs["cache_image"]
    assert "also allowed" not in paragraphs["copy_image"]
    assert "also allowed" not in paragraphs["get_task"]
