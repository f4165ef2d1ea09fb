"""A policy file with every rule as it is by default, for operators to change."""

import textwrap
from collections.abc import Iterator

from calotype.policy.rule import Rule
from calotype.policy.rules import RULES

_HEAD = """\
# Policy rules and their defaults. Remove the '#' before a rule to change it; the rules that stay
# commented out keep their default, also when a later release has another one.
"""


def sample() -> str:
    """The text of the file. It is valid YAML, and without effect as it stands."""
    return "\n".join([_HEAD, *("\n".join(_lines(rule)) + "\n" for rule in RULES)])


def _lines(rule: Rule) -> Iterator[str]:
    for line in textwrap.wrap(rule.description, 96):
        yield f"# {line}"
    for method, path in rule.operations:
        yield f"#   {method} {path}"
    yield f"# Scope: {', '.join(rule.scopes) or 'any'}"
    if rule.legacy is not None and rule.legacy != rule.check:
        yield f"# With [oslo_policy] enforce_new_defaults = false also allowed: {rule.legacy}"
        if rule.owned is not None:
            yield f"#   of those to whom this applies: {rule.owned}"
    yield f'#"{rule.name}": "{rule.check}"'
