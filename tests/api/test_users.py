"""The file that gives each user a project and roles."""

from pathlib import Path

import pytest

from calotype import errors
from calotype.api.users import User, Users, read


def users_of(folder: Path, text: str) -> dict[str, User]:
    file = folder / "users.yaml"
    file.write_text(text)
    return read(str(file))


def test_roles_bring_those_they_imply(tmp_path: Path) -> None:
    found = users_of(
        tmp_path,
        "a: {project: p, roles: [ADMIN]}\nb: {project: p, roles: [member, creator]}\n"
        "c: {project: p, roles: [reader]}\nd: {project: p, roles: [service]}\n"
        "e: {project: p, roles: [manager]}\n",
    )
    assert found["a"].roles == {"admin", "manager", "member", "reader"}
    assert found["b"].roles == {"member", "creator", "reader"}
    assert found["c"].roles == {"reader"}
    assert found["d"].roles == {"service"}
    assert found["e"].roles == {"manager", "member", "reader"}


def test_what_may_be_said_of_a_user(tmp_path: Path) -> None:
    text = (
        "a: {project: p, roles: [x], user_id: u, user_domain_id: ud, project_domain_id: pd}\n"
        "b: {project: null, roles: [admin]}\n"
    )
    found = users_of(tmp_path, text)
    assert found["a"] == User("p", frozenset({"x"}), "u", "ud", "pd")
    assert found["b"].project is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected one entry for each user"),
        ("- a", "expected one entry for each user"),
        ("a: [", "not valid YAML"),
        ("a: member", "user 'a': expected 'project' and 'roles'"),
        ("yes: {project: p, roles: [x]}", "user name True is not a text"),
        ("7: {project: p, roles: [x]}", "user name 7 is not a text"),
        ("'': {project: p, roles: [x]}", "user name '' is not a text"),
        ("a: {project: p}", "user 'a': roles: expected a list"),
        ("a: {project: p, roles: member}", "user 'a': roles: expected a list"),
        ("a: {project: p, roles: []}", "user 'a': roles: expected a list"),
        ("a: {project: p, roles: [1]}", "user 'a': roles: each must be a text"),
        ("a: {project: p, roles: ['']}", "user 'a': roles: each must be a text"),
        ("a: {project: 5, roles: [x]}", "user 'a': project: expected a text in quotes, got 5"),
        ("a: {project: None, roles: [x]}", "user 'a': project: expected a text.*'None'"),
        ("a: {project: '', roles: [x]}", "user 'a': project: expected a text"),
        ("a: {roles: [member]}", "user 'a': 'project' is missing"),
        ("a: {project: p, roles: [x], tenant: t}", "user 'a': 'tenant' is not known here"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(errors.BadSettings, match=reason) as raised:
        users_of(tmp_path, text)
    assert str(tmp_path / "users.yaml") in raised.value.message


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(errors.BadSettings, match=r"/nowhere/users\.yaml: it cannot be read"):
        Users("/nowhere/users.yaml")
