"""Every policy rule with its default: the one table that checks, samples and documents come from.

Source: the Image API's documented policy, plus `calculate_hash`, which is our own. Importing this
module is cheap: oslo.policy itself is loaded by `defaults`.
"""

from typing import TYPE_CHECKING

from calotype.policy import image_rules, metadef_rules, service_rules
from calotype.policy.rule import ADMIN, ANY_SCOPE, Rule

if TYPE_CHECKING:
    from oslo_policy.policy import DeprecatedRule, RuleDefault

BASE = (
    Rule(
        name="default",
        check="",
        description="Decides where a rule is referred to that is defined nowhere. Allows all.",
        scopes=ANY_SCOPE,
        legacy=ADMIN,
    ),
    Rule(
        name="context_is_admin",
        check="role:admin",
        description="Who counts as an administrator of this service.",
        scopes=ANY_SCOPE,
    ),
    Rule(
        name="service_api",
        check="role:service or role:admin",
        description="Other services of the cloud; for use in other rules.",
        scopes=ANY_SCOPE,
    ),
    Rule(
        name="metadef_default",
        check="",
        description="What the metadata definition rules of older releases fell back to.",
        scopes=ANY_SCOPE,
    ),
    Rule(
        name="metadef_admin",
        check=ADMIN,
        description="Who may write metadata definitions; for use in other rules.",
        scopes=ANY_SCOPE,
    ),
)

RULES = BASE + image_rules.RULES + service_rules.RULES + metadef_rules.RULES
BY_NAME = {rule.name: rule for rule in RULES}


def defaults() -> list["RuleDefault"]:
    """The table as oslo.policy wants it."""
    return [_default(rule) for rule in RULES]


def _default(rule: Rule) -> "RuleDefault":
    from oslo_policy import policy

    scopes = list(rule.scopes) or None
    if not rule.operations:
        return policy.RuleDefault(
            rule.name,
            rule.check,
            rule.description,
            deprecated_rule=_legacy(rule),
            scope_types=scopes,
        )
    return policy.DocumentedRuleDefault(
        rule.name,
        rule.check,
        rule.description,
        [{"method": method, "path": path} for method, path in rule.operations],
        deprecated_rule=_legacy(rule),
        scope_types=scopes,
    )


def _legacy(rule: Rule) -> "DeprecatedRule | None":
    from oslo_policy import policy

    if rule.legacy is None:
        return None
    return policy.DeprecatedRule(
        rule.name,
        rule.legacy,
        deprecated_reason="The default asks for a role and for ownership now.",
        deprecated_since="before the first release",
    )
