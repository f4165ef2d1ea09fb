"""The policy with an operator's files: overrides, old defaults, changes while running."""

import itertools
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calotype import errors
from calotype.caller import Caller
from calotype.policy import enforcer
from calotype.policy.enforcer import Policy, admitted
from tests.policy.setting import (
    ADMIN,
    OTHER,
    OTHER_MEMBER,
    OWN,
    OWN_MEMBER,
    OWN_READER,
    ROLELESS,
    SYSTEM_ADMIN,
    caller,
    image,
    policy_of,
)

REWRITTEN = itertools.count(1)
OLD_DEFAULTS = "[oslo_policy]\nenforce_new_defaults = false\n"


@pytest.fixture(autouse=True)
def look_each_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(enforcer, "LOOK_AGAIN", 0.0)
    yield


def may(policy: Policy, who: Caller, rule: str, visibility: str = "private") -> bool:
    return policy.allows(who, rule, policy.image_target(image(visibility), who))


def rewrite(path: Path, text: str) -> None:
    """Write a file such that its time of change differs, however coarse the clock."""
    path.write_text(text)
    later = time.time_ns() + next(REWRITTEN) * 1_000_000_000
    os.utime(path, ns=(later, later))


def test_check_raises_denied_and_names_the_rule(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    target = policy.image_target(image(), OWN_READER)
    with pytest.raises(errors.Denied, match="policy rule 'delete_image' does not allow it"):
        policy.check(OWN_READER, "delete_image", target)
    policy.check(OWN_MEMBER, "delete_image", target)


def test_a_rule_that_does_not_exist_is_our_mistake_not_a_permission(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    with pytest.raises(LookupError, match="delet_image"):
        policy.allows(ADMIN, "delet_image", {})
    assert policy.knows("delete_image")
    assert not policy.knows("delet_image")


def test_overrides_take_the_place_of_defaults(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, rules='delete_image: "role:janitor"\nget_images: "!"\n')
    assert may(policy, caller(OTHER, "janitor"), "delete_image")
    assert not may(policy, OWN_MEMBER, "delete_image")
    assert not may(policy, ADMIN, "get_images")
    assert may(policy, OWN_MEMBER, "upload_image")


def test_scope_is_enforced_for_overridden_rules_too(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, rules='delete_image: "@"\n')
    assert may(policy, ROLELESS, "delete_image")
    assert not may(policy, SYSTEM_ADMIN, "delete_image")


def test_a_site_may_define_rules_of_its_own(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path, rules='boss: "role:boss"\npublicize_image: "rule:boss or role:admin"\n'
    )
    assert may(policy, caller(OTHER, "boss"), "publicize_image")
    assert policy.allows(caller(OTHER, "boss"), "boss", {})
    assert policy.knows("boss")


def test_files_of_the_policy_directory_win_over_the_policy_file(tmp_path: Path) -> None:
    folder = tmp_path / "policy.d"
    folder.mkdir()
    (folder / "10-first.yaml").write_text('delete_image: "role:first"\n')
    (folder / "20-second.yaml").write_text('delete_image: "role:second"\n')
    (folder / ".hidden.yaml").write_text('delete_image: "@"\n')
    policy = policy_of(tmp_path, rules='delete_image: "role:file"\nupload_image: "role:file"\n')
    assert may(policy, caller(OTHER, "second"), "delete_image")
    assert not may(policy, caller(OTHER, "first", "file"), "delete_image")
    assert may(policy, caller(OTHER, "file"), "upload_image")


def test_a_policy_directory_works_without_a_policy_file(tmp_path: Path) -> None:
    folder = tmp_path / "policy.d"
    folder.mkdir()
    (folder / "one.yaml").write_text('delete_image: "role:one"\n')
    policy = policy_of(tmp_path)
    assert may(policy, caller(OTHER, "one"), "delete_image")


def test_context_is_admin_decides_who_is_an_admin(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, rules='context_is_admin: "role:boss"\n')
    boss = admitted(policy, caller(OTHER, "boss"))
    assert boss.is_admin
    assert may(policy, boss, "delete_image")
    assert not admitted(policy, caller(OTHER, "admin")).is_admin


def test_rules_may_look_at_the_image_and_the_caller(tmp_path: Path) -> None:
    policy = policy_of(
        tmp_path,
        rules="get_image: \"user_id:%(made_by)s or 'windows':%(os_type)s\"\n"
        "delete_image: \"service_roles:cleaner and 'True':%(protected)s\"\n",
    )
    made = image(properties={"made_by": "u", "owner": OTHER})
    assert policy.allows(OTHER_MEMBER, "get_image", policy.image_target(made, OTHER_MEMBER))
    assert not may(policy, OTHER_MEMBER, "get_image")
    cleaner = caller(OTHER, service_roles=frozenset({"cleaner"}))
    target = policy.image_target(image(protected=True), cleaner)
    assert policy.allows(cleaner, "delete_image", target)
    assert not policy.allows(OWN_MEMBER, "delete_image", target)


def test_a_property_cannot_pose_as_a_field_of_the_image(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    posing = image(properties={"project_id": OTHER, "member_id": OTHER, "visibility": "public"})
    target = policy.image_target(posing, OTHER_MEMBER)
    assert not policy.allows(OTHER_MEMBER, "get_image", target)
    assert (target["project_id"], target["member_id"]) == (OWN, None)


@pytest.mark.parametrize(
    ("visibility", "who", "expected"),
    [
        ("shared", OTHER_MEMBER, OTHER),
        ("shared", OWN_MEMBER, None),
        ("private", OTHER_MEMBER, None),
        ("public", OTHER_MEMBER, None),
        ("community", OTHER_MEMBER, None),
    ],
)
def test_member_id_is_the_callers_project_for_shared_images_of_others(
    visibility: str, who: Caller, expected: str | None
) -> None:
    target = Policy.image_target(image(visibility), who)
    assert target["member_id"] == expected
    assert target["project_id"] == target["owner"] == OWN
    assert target["visibility"] == visibility


@pytest.mark.parametrize("rule", ["get_image", "download_image", "delete_image", "add_member"])
def test_a_caller_without_project_owns_nothing(tmp_path: Path, rule: str) -> None:
    policy = policy_of(tmp_path)
    nowhere = caller(None, "member", "reader")
    for thing in (image(owner=None), image()):
        assert not policy.allows(nowhere, rule, policy.image_target(thing, nowhere))


# -- lists ---------------------------------------------------------------------------------------


def test_allowing_answers_as_allows_does(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    rows = [
        image(visibility, owner=owner)
        for visibility in ("private", "public", "shared", "community")
        for owner in (OWN, OTHER, None)
    ]
    for who in (ADMIN, OWN_MEMBER, OTHER_MEMBER, ROLELESS, SYSTEM_ADMIN):
        targets = [policy.image_target(row, who) for row in rows] * 2
        allowed = policy.allowing(who, "get_image")
        assert [allowed(t) for t in targets] == [
            policy.allows(who, "get_image", t) for t in targets
        ]


def test_allowing_tells_rows_apart_by_whatever_the_rule_looks_at(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, rules="get_image: \"'yes':%(shown)s\"\n")
    allowed = policy.allowing(OWN_MEMBER, "get_image")
    shown = [image(properties={"shown": value}) for value in ("yes", "no", "yes")]
    targets = [policy.image_target(i, OWN_MEMBER) for i in [*shown, image()]]
    assert [allowed(t) for t in targets] == [True, False, True, False]


def test_asking_is_cheap(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    target = policy.image_target(image(), OTHER_MEMBER)

    def microseconds() -> float:
        start = time.perf_counter()
        for _ in range(1000):
            policy.allows(OTHER_MEMBER, "get_image", target)
        return (time.perf_counter() - start) * 1000

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enforcer, "LOOK_AGAIN", 1.0)
        policy.allows(OTHER_MEMBER, "get_image", target)
        assert min(microseconds() for _ in range(10)) <= 40


# -- the defaults of older releases ----------------------------------------------------------------


def test_old_defaults_ask_for_no_role(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, OLD_DEFAULTS)
    assert may(policy, ROLELESS, "delete_image")
    assert may(policy, ROLELESS, "get_images")
    assert may(policy, caller(OTHER), "get_image", "public")
    assert may(policy, caller(OTHER), "modify_member", "shared")
    assert not may(policy_of(tmp_path), ROLELESS, "delete_image")


@pytest.mark.parametrize(
    "rule",
    [
        "add_image", "delete_image", "modify_image", "communitize_image", "upload_image",
        "deactivate", "reactivate", "delete_image_location", "set_image_location",
        "get_image_location", "add_member", "delete_member",
    ],
)  # fmt: skip
def test_old_defaults_do_not_give_away_what_others_own(tmp_path: Path, rule: str) -> None:
    policy = policy_of(tmp_path, OLD_DEFAULTS)
    for visibility in ("private", "shared", "community", "public"):
        assert not may(policy, OTHER_MEMBER, rule, visibility)
        assert may(policy, OWN_READER, rule, visibility)
        assert may(policy, ADMIN, rule, visibility)


def test_old_defaults_hide_what_the_caller_does_not_see(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, OLD_DEFAULTS)
    for rule in ("get_image", "download_image", "get_members", "get_member"):
        assert not may(policy, OTHER_MEMBER, rule)
    assert not may(policy, OTHER_MEMBER, "get_metadef_namespace")
    assert may(policy, caller(OTHER), "get_metadef_namespace", "public")
    assert not may(policy, OWN_MEMBER, "modify_member", "shared")


def test_old_defaults_keep_ownership_for_overridden_rules(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, OLD_DEFAULTS, rules='delete_image: "role:janitor"\n')
    assert may(policy, caller(OWN, "janitor"), "delete_image")
    assert not may(policy, caller(OTHER, "janitor"), "delete_image")


def test_the_cache_rules_follow_their_predecessor_with_old_defaults_only(tmp_path: Path) -> None:
    keeper = caller(OTHER, "keeper")
    rules = 'manage_image_cache: "role:keeper"\n'
    assert may(policy_of(tmp_path, OLD_DEFAULTS, rules), keeper, "cache_image")
    assert not may(policy_of(tmp_path, "", rules), keeper, "cache_image")


def test_old_defaults_do_not_open_what_has_no_legacy_check(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, OLD_DEFAULTS)
    for rule in ("publicize_image", "copy_image", "tasks_api_access", "calculate_hash"):
        assert not may(policy, OWN_MEMBER, rule)


# -- files that change, files that are wrong -------------------------------------------------------


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, rules='delete_image: "!"\n')
    assert not may(policy, ADMIN, "delete_image")
    rewrite(tmp_path / "policy.yaml", 'delete_image: "role:janitor"\n')
    assert may(policy, caller(OTHER, "janitor"), "delete_image")
    rewrite(tmp_path / "policy.yaml", 'get_image: "!"\n')
    assert may(policy, OWN_MEMBER, "delete_image")


def test_a_file_that_appears_is_read(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    assert may(policy, OWN_MEMBER, "delete_image")
    (tmp_path / "policy.d").mkdir()
    rewrite(tmp_path / "policy.d" / "more.yaml", 'delete_image: "!"\n')
    assert not may(policy, OWN_MEMBER, "delete_image")


def test_the_files_are_not_looked_at_for_each_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enforcer, "LOOK_AGAIN", 3600.0)
    policy = policy_of(tmp_path, rules='delete_image: "!"\n')
    rewrite(tmp_path / "policy.yaml", 'delete_image: "@"\n')
    assert not may(policy, OWN_MEMBER, "delete_image")


@pytest.mark.parametrize("broken", ['"delete_image: x', "- a\n- b\n", "delete_image: 5\n"])
def test_a_broken_change_leaves_the_rules_as_they_were(
    tmp_path: Path, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    policy = policy_of(tmp_path, rules='delete_image: "!"\n')
    rewrite(tmp_path / "policy.yaml", broken)
    for _ in range(3):
        assert not may(policy, ADMIN, "delete_image")
        assert may(policy, OWN_MEMBER, "upload_image")
    complaints = [r for r in caplog.records if r.name == enforcer.LOG.name]
    assert len(complaints) == 1
    assert str(tmp_path / "policy.yaml") in complaints[0].getMessage()
    rewrite(tmp_path / "policy.yaml", 'delete_image: "@"\n')
    assert may(policy, OWN_READER, "delete_image")


def test_rules_of_a_file_that_vanishes_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = policy_of(tmp_path, rules='delete_image: "!"\n')
    (tmp_path / "policy.yaml").unlink()
    assert not may(policy, OWN_MEMBER, "delete_image")
    assert "are gone" in caplog.text
    (tmp_path / "policy.d").mkdir()
    rewrite(tmp_path / "policy.d" / "x.yaml", 'upload_image: "!"\n')
    assert not may(policy, OWN_MEMBER, "delete_image")
    rewrite(tmp_path / "policy.yaml", 'upload_image: "@"\n')
    assert may(policy, OWN_MEMBER, "delete_image")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ('"delete_image: x', "not valid YAML"),
        ("just a text", "expected lines of the form"),
        ("delete_image: 5", "rule 'delete_image' must be a text"),
        ("delete_image: [[5]]", "rule 'delete_image' must be a text"),
        ("yes: role:x", "rule name True is not a text"),
        ("a: rule:b\nb: not rule:a", "refers to itself: a > b > a"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_at_start(
    tmp_path: Path, broken: str, reason: str
) -> None:
    with pytest.raises(errors.BadSettings, match=reason):
        policy_of(tmp_path, rules=broken)


def test_a_policy_directory_that_is_a_file_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "policy.d").write_text("")
    with pytest.raises(errors.BadSettings, match=r"policy_dirs: .* is not a directory"):
        policy_of(tmp_path)


def test_a_check_that_cannot_be_understood_refuses_and_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, enforcer.LOG.name)
    policy = policy_of(tmp_path, rules='delete_image: "role:admin and and role:x"\n')
    assert not may(policy, ADMIN, "delete_image")
    assert "rule 'delete_image': the check cannot be understood" in caplog.text


def test_a_policy_file_that_was_asked_for_and_is_missing_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    policy = policy_of(tmp_path, "[oslo_policy]\npolicy_file = strict.yaml\n")
    assert may(policy, OWN_MEMBER, "delete_image")
    assert "policy_file: strict.yaml is not there" in caplog.text
