"""What an operator is told about a policy file."""

import logging

import pytest

from calotype.policy.review import misread, problems


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"delete_image": "role:admin and and role:x"}, "cannot be understood"),
        ({"delete_image": "admin"}, "cannot be understood: 'admin'"),
        ({"delete_image": "(role:admin"}, "cannot be understood"),
        ({"delete_image": [["role:admin", "nonsense"]]}, "cannot be understood"),
        ({"delet_image": "role:admin"}, "no such rule, it has no effect; did you mean 'delete_im"),
        ({"zzzzzzzz": "role:admin"}, "rule 'zzzzzzzz': there is no such rule, it has no effect"),
        ({"get_image": "rule:nope"}, "refers to rule 'nope', which is defined nowhere"),
        ({"get_image": "not rule:get_image"}, "rule 'get_image': refers to itself"),
        ({"context_is_admin": "rule:metadef_admin"}, "refers to itself"),
    ],
)
def test_problems(rules: dict[str, object], expected: str) -> None:
    found = problems(rules)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"delete_image": "!"},
        {"delete_image": ""},
        {"delete_image": "not !"},
        {"delete_image": "(! or role:x) and not (!)"},
        {"delete_image": []},
        {"delete_image": [["role:admin", "project_id:%(project_id)s"], "role:x"]},
        {"boss": "role:boss", "delete_image": "rule:boss or rule:context_is_admin"},
    ],
)
def test_nothing_to_say(rules: dict[str, object]) -> None:
    assert problems(rules) == []


def test_one_line_for_each_rule_of_a_circle() -> None:
    found = problems({"delete_image": "rule:a", "a": "rule:b", "b": "rule:a", "add_image": "!"})
    assert [line.split(":")[0] for line in found] == ["rule 'a'", "rule 'b'"]


def test_the_parsers_tracebacks_stay_out_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    before = logging.getLogger("oslo_policy").level
    assert misread({"delete_image": "role:a and and role:b"})
    assert caplog.records == []
    assert logging.getLogger("oslo_policy").level == before
