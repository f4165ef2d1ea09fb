"""Compiled rules answer as oslo.policy does, whatever the rule, the caller and the target."""

import random

import pytest
from oslo_config.cfg import ConfigOpts
from oslo_policy import policy as oslo

from calotype import errors
from calotype.policy.compiler import Compiler
from calotype.policy.enforcer import Asker, Test

ROLES = ("admin", "member", "reader", "Boss")
ATOMS = (
    "@",
    "!",
    *(f"role:{role}" for role in ROLES),
    "role:%(wanted_role)s",
    "project_id:%(project_id)s",
    "project_id:%(owner)s",
    "project_id:p1",
    "user_id:%(project_id)s",
    "user_id:u%%",
    "roles:admin",
    "absent:%(project_id)s",
    "absent:None",
    "user.id:x",
    "is_admin:True",
    "'public':%(visibility)s",
    "public:%(visibility)s",
    "None:%(member_id)s",
    "True:%(flag)s",
    "'p1':p1",
    "7:%(number)s",
    "'a-b':%(missing)s",
    "'p1-u1':%(project_id)s-%(user)s",
    "rule:first",
    "rule:nowhere",
)


def random_check(rng: random.Random, depth: int = 3) -> str:
    kind = rng.choice(["atom", "and", "or", "not"]) if depth else "atom"
    if kind == "atom":
        return rng.choice(ATOMS)
    if kind == "not":
        return f"not {rng.choice(ATOMS)}"
    parts = [random_check(rng, depth - 1) for _ in range(rng.randint(2, 3))]
    return f"({f' {kind} '.join(parts)})"


def random_creds(rng: random.Random) -> dict[str, object]:
    creds: dict[str, object] = {"roles": [r.lower() for r in ROLES if rng.random() < 0.4]}
    values: dict[str, list[object]] = {
        "project_id": ["p1", "p2"],
        "user_id": ["u1", "p1", "u%"],
        "is_admin": [True, False],
    }
    creds |= {k: rng.choice(v) for k, v in values.items() if rng.random() < 0.8}
    return creds


def random_target(rng: random.Random) -> dict[str, object]:
    values: dict[str, list[object]] = {
        "project_id": ["p1", "p2", None],
        "owner": ["p1", "p2"],
        "member_id": ["p1", None],
        "visibility": ["public", "private"],
        "flag": [True, False],
        "number": [7, "7", 8],
        "wanted_role": ["admin", "boss"],
        "user": ["u1"],
    }
    return {key: rng.choice(some) for key, some in values.items() if rng.random() < 0.8}


def enforcer_of(rules: dict[str, str], default: str = "default") -> oslo.Enforcer:
    conf = ConfigOpts()
    conf([], project="calotype", default_config_files=[])
    enforcer = oslo.Enforcer(conf, use_conf=False, default_rule=default)
    enforcer.set_rules(oslo.Rules.from_dict(rules, default))
    return enforcer


def ask(test: Test, creds: dict[str, object], target: dict[str, object]) -> bool:
    roles = creds["roles"]
    assert isinstance(roles, list)
    return test.answer(Asker(frozenset(roles), creds), target)


@pytest.mark.parametrize("seed", range(20))
def test_any_rule_answers_as_oslo_policy_does(seed: int) -> None:
    rng = random.Random(seed)
    seen = set()
    for _ in range(25):
        check = random_check(rng)
        enforcer = enforcer_of({"it": check, "first": "role:member", "default": "role:reader"})
        test = Compiler(enforcer).rule("it")
        for _ in range(8):
            creds, target = random_creds(rng), random_target(rng)
            expected = bool(enforcer.enforce("it", target, dict(creds)))
            assert ask(test, creds, target) is expected, (check, creds, target)
            seen.add(expected)
    assert seen == {True, False}


def test_the_keys_are_all_that_the_answer_depends_on() -> None:
    rng = random.Random(1)
    for _ in range(300):
        check = random_check(rng)
        enforcer = enforcer_of({"it": check, "first": "role:member", "default": "role:reader"})
        test = Compiler(enforcer).rule("it")
        if test.keys is None:
            continue
        creds, target = random_creds(rng), random_target(rng)
        reduced = {key: target[key] for key in test.keys if key in target}
        assert ask(test, creds, target) is ask(test, creds, reduced)


def test_a_foreign_check_gets_the_target_the_credentials_and_the_rule() -> None:
    seen: list[object] = []

    class Asked(oslo.Check):
        def __call__(self, target, creds, enforcer, current_rule=None):  # type: ignore[no-untyped-def]
            seen.append((dict(target), creds["user_id"], current_rule))
            return "yes"

    class Old(oslo.Check):
        def __call__(self, target, creds, enforcer):  # type: ignore[no-untyped-def]
            seen.append("old")
            return None

    enforcer = enforcer_of({"it": ""})
    enforcer.rules["it"] = oslo.OrCheck([Old("old", "x"), Asked("asked", "x")])
    test = Compiler(enforcer).rule("it")
    assert test.keys is None
    assert ask(test, {"roles": [], "user_id": "u"}, {"a": 1}) is True
    assert seen == ["old", ({"a": 1}, "u", "it")]


def test_a_rule_that_is_nowhere_refuses_when_there_is_no_default() -> None:
    test = Compiler(enforcer_of({"it": "rule:nowhere"}, default="none")).rule("it")
    assert ask(test, {"roles": ["admin"]}, {}) is False


@pytest.mark.parametrize("odd", ["1x:1x", "{[]}:x", "{[1]:2}:x"])
def test_a_check_whose_left_side_is_no_expression_refuses(odd: str) -> None:
    test = Compiler(enforcer_of({"it": odd})).rule("it")
    assert ask(test, {"roles": ["admin"], "1x": "1x"}, {}) is False


def test_a_circle_is_told_with_its_way() -> None:
    compiler = Compiler(enforcer_of({"a": "rule:b", "b": "role:x or rule:c", "c": "rule:b"}))
    with pytest.raises(errors.BadSettings, match="refers to itself: b > c > b"):
        compiler.rule("a")
