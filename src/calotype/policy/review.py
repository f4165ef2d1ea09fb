"""What is wrong in a set of overriding rules, in words for the operator who wrote them."""

import contextlib
import difflib
import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_policy import policy as oslo

from calotype.policy.rules import BY_NAME


def misread(rules: Mapping[str, Any]) -> list[str]:
    """The rules whose check cannot be understood, which therefore refuse somebody or everybody."""
    with _silent():
        return [
            f"rule '{name}': the check cannot be understood: {check!r}"
            for name, check in rules.items()
            if _refusals(oslo.RuleDefault(name, check).check) != _meant_refusals(check)
        ]


def problems(rules: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong: checks, names that no rule has, and references to nothing."""
    with _silent():
        used = {name: _references(oslo.RuleDefault(name, rules[name]).check) for name in rules}
    return [*misread(rules), *_unknown(rules, used), *_dangling(used), *_circular(used)]


def _unknown(rules: Mapping[str, Any], used: Mapping[str, set[str]]) -> Iterator[str]:
    """Names that are neither a rule of ours nor used by another rule of the file."""
    referred = set().union(*used.values())
    for name in rules:
        if name not in BY_NAME and name not in referred:
            near = difflib.get_close_matches(name, BY_NAME, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            yield f"rule '{name}': there is no such rule, it has no effect{hint}"


def _dangling(used: Mapping[str, set[str]]) -> Iterator[str]:
    for name, references in used.items():
        for missing in sorted(references - used.keys() - BY_NAME.keys()):
            yield (
                f"rule '{name}': refers to rule '{missing}', which is defined nowhere; the rule "
                "'default' decides in its place, and by default it allows everybody"
            )


def _circular(used: Mapping[str, set[str]]) -> Iterator[str]:
    with _silent():
        ours = {n: _references(oslo.RuleDefault(n, r.check).check) for n, r in BY_NAME.items()}
    every = {**ours, **used}
    for name in used:
        reached: set[str] = set()
        ahead = set(every[name])
        while ahead:
            reached |= ahead
            ahead = set().union(*(every.get(n, set()) for n in ahead)) - reached
        if name in reached:
            yield f"rule '{name}': refers to itself, the service does not start with it"


def _parts(check: Any) -> Iterator[Any]:
    inner = getattr(check, "rules", None) or [getattr(check, "rule", None)]
    for part in inner:
        if part is not None:
            yield from _parts(part)
    yield check


def _references(check: Any) -> set[str]:
    return {part.match for part in _parts(check) if isinstance(part, oslo.RuleCheck)}


def _refusals(check: Any) -> int:
    return sum(str(part) == "!" for part in _parts(check))


def _meant_refusals(check: str | list[Any]) -> int:
    """How many `!` the operator wrote: the parser turns what it does not understand into more."""
    if isinstance(check, str):
        return [word.strip("()") for word in re.split(r"\s+", check)].count("!")
    return sum(_meant_refusals(part) for part in check)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the parser's tracebacks out of the log: what it did not understand is our result."""
    log = logging.getLogger("oslo_policy")
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)
