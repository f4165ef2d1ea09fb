"""Who may do what by default: every rule against every kind of caller, worked out by hand."""

from pathlib import Path

import pytest

from calotype.policy.enforcer import Policy
from calotype.policy.rules import BY_NAME, RULES, defaults
from tests.policy.setting import CALLERS, image, policy_of

EVERYBODY = "AMRmrS-sd"
IN_PROJECT = "AMRmrS-"

#: Who may, where the image (or namespace) is private to the project of M and R.
#: A admin, M and R member and reader of the owner, m and r of another project, S service,
#: - no role, s system admin, d domain admin.
PRIVATE = {
    "default": EVERYBODY,
    "context_is_admin": "Asd",
    "service_api": "ASsd",
    "metadef_default": EVERYBODY,
    "metadef_admin": "Asd",
    "add_image": "AM",
    "delete_image": "AM",
    "get_image": "AMR",
    "get_images": "AMR",
    "modify_image": "AM",
    "publicize_image": "A",
    "communitize_image": "AM",
    "download_image": "AM",
    "download_from_store": "AM",
    "upload_image": "AM",
    "delete_image_location": "A",
    "get_image_location": "AMR",
    "set_image_location": "AM",
    "add_image_location": "AMS",
    "fetch_image_location": "AS",
    "add_member": "AM",
    "delete_member": "AM",
    "get_member": "AMR",
    "get_members": "AMR",
    "modify_member": "A",
    "deactivate": "AM",
    "reactivate": "AM",
    "copy_image": "A",
    "calculate_hash": "A",
    "manage_image_cache": "A",
    "list_cached_nodes": "A",
    "cache_image": "A",
    "cache_list": "A",
    "cache_delete": "A",
    "cache_clean": "A",
    "cache_prune": "A",
    "stores_info_detail": "AS",
    "get_task": IN_PROJECT,
    "get_tasks": IN_PROJECT,
    "add_task": IN_PROJECT,
    "modify_task": IN_PROJECT,
    "tasks_api_access": "A",
    "get_metadef_namespace": "AMR",
    "get_metadef_namespaces": "AMR",
    "modify_metadef_namespace": "A",
    "add_metadef_namespace": "A",
    "delete_metadef_namespace": "A",
    "get_metadef_object": "AMR",
    "get_metadef_objects": "AMR",
    "modify_metadef_object": "A",
    "add_metadef_object": "A",
    "delete_metadef_object": "A",
    "list_metadef_resource_types": "AMR",
    "get_metadef_resource_type": "AMR",
    "add_metadef_resource_type_association": "A",
    "remove_metadef_resource_type_association": "A",
    "get_metadef_property": "AMR",
    "get_metadef_properties": "AMR",
    "modify_metadef_property": "A",
    "add_metadef_property": "A",
    "remove_metadef_property": "A",
    "get_metadef_tag": "AMR",
    "get_metadef_tags": "AMR",
    "modify_metadef_tag": "A",
    "add_metadef_tag": "A",
    "add_metadef_tags": "A",
    "delete_metadef_tag": "A",
    "delete_metadef_tags": "A",
}

#: Who may besides, where the image or namespace is of another visibility. That a caller who is no
#: member does not find a shared image is up to the lookup, not to these rules.
MORE = {
    "community": {"get_image": "mr", "download_image": "m", "download_from_store": "m"},
    "public": {
        "get_image": "mr",
        "download_image": "m",
        "download_from_store": "m",
        **{
            name: "mr"
            for name in PRIVATE
            if name.startswith(("get_metadef", "list_metadef")) and not name.endswith("namespaces")
        },
    },
    "shared": {
        "get_image": "mr",
        "download_image": "m",
        "download_from_store": "m",
        "get_member": "mr",
        "get_members": "mr",
        "modify_member": "m",
    },
}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    return policy_of(tmp_path_factory.mktemp("site"))


def allowed(policy: Policy, rule: str, visibility: str) -> set[str]:
    return {
        letter
        for letter, caller in CALLERS.items()
        if policy.allows(caller, rule, policy.image_target(image(visibility), caller))
    }


@pytest.mark.parametrize("rule", PRIVATE)
def test_who_may_do_what_to_private_things(policy: Policy, rule: str) -> None:
    assert allowed(policy, rule, "private") == set(PRIVATE[rule])


@pytest.mark.parametrize("visibility", MORE)
@pytest.mark.parametrize("rule", PRIVATE)
def test_who_may_do_more_to_things_others_see(policy: Policy, rule: str, visibility: str) -> None:
    expected = set(PRIVATE[rule]) | set(MORE[visibility].get(rule, ""))
    assert allowed(policy, rule, visibility) == expected


def test_the_table_holds_the_documented_rules_and_our_own() -> None:
    assert {rule.name for rule in RULES} == set(PRIVATE)
    assert len(RULES) == len(BY_NAME) == 68


def test_all_but_the_base_rules_are_for_project_tokens_and_have_operations() -> None:
    base = {rule.name for rule in RULES if not rule.scopes}
    assert base == {
        "default", "context_is_admin", "service_api", "metadef_default", "metadef_admin",
    }  # fmt: skip
    assert {rule.name for rule in RULES if not rule.operations} == base
    assert all(rule.scopes == ("project",) for rule in RULES if rule.name not in base)
    for rule in RULES:
        for method, path in rule.operations:
            assert method in {"GET", "POST", "PUT", "PATCH", "DELETE"}
            assert path.startswith("/v2/")


def test_oslo_policy_gets_the_same_table() -> None:
    for rule, default in zip(RULES, defaults(), strict=True):
        assert (default.name, default.check_str) == (rule.name, rule.check)
        legacy = default.deprecated_rule
        assert (legacy.check_str if legacy else None) == rule.legacy
        assert tuple(default.scope_types or ()) == rule.scopes


def test_legacy_checks_stand_where_the_reference_has_them() -> None:
    without = {rule.name for rule in RULES if rule.legacy is None}
    assert without == {
        "context_is_admin", "service_api", "metadef_default", "metadef_admin",
        "publicize_image", "download_from_store", "add_image_location", "fetch_image_location",
        "copy_image", "calculate_hash", "manage_image_cache", "list_cached_nodes",
        "cache_clean", "cache_prune", "modify_task", "tasks_api_access",
        *(n for n in PRIVATE if "metadef_" in n and not n.startswith(("get_", "list_"))),
    }  # fmt: skip


def test_any_reader_may_list_resource_types(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    reader, roleless = CALLERS["R"], CALLERS["-"]
    target = {"project_id": reader.project_id}
    assert policy.allows(reader, "list_metadef_resource_types", target)
    assert not policy.allows(roleless, "list_metadef_resource_types", target)
