"""What one policy rule is, and the check strings that many rules share."""

from dataclasses import dataclass, field

Operation = tuple[str, str]

PROJECT_ONLY = ("project",)
ANY_SCOPE: tuple[str, ...] = ()

ADMIN = "rule:context_is_admin"
METADEF_ADMIN = "rule:metadef_admin"
DEFAULT = "rule:default"
METADEF_DEFAULT = "rule:metadef_default"

_OWNER = "project_id:%(project_id)s"
_MEMBER = "project_id:%(member_id)s"
_IMAGE_IN_SIGHT = (
    f"({_OWNER} or {_MEMBER} or 'community':%(visibility)s"
    " or 'public':%(visibility)s or 'shared':%(visibility)s)"
)

OWN_MEMBER = f"{ADMIN} or (role:member and {_OWNER})"
OWN_READER = f"{ADMIN} or (role:reader and {_OWNER})"
READ_IMAGE = f"{ADMIN} or (role:reader and {_IMAGE_IN_SIGHT})"
USE_IMAGE = f"{ADMIN} or (role:member and {_IMAGE_IN_SIGHT})"
MEMBER_READ = f"{ADMIN} or role:reader and ({_OWNER} or {_MEMBER})"
METADEF_READ = f"{ADMIN} or (role:reader and ({_OWNER} or 'public':%(visibility)s))"

# What a site that still runs with the old defaults keeps: they ask for no role, and old services
# compared the owner in their code instead. See `Rule.owned`.
OWNED = f"{ADMIN} or {_OWNER}"
IMAGE_IN_SIGHT = f"{ADMIN} or {_IMAGE_IN_SIGHT}"
MEMBERSHIP = f"{ADMIN} or {_OWNER} or {_MEMBER}"
OWN_MEMBERSHIP = f"{ADMIN} or {_MEMBER}"
METADEF_IN_SIGHT = f"{ADMIN} or {_OWNER} or 'public':%(visibility)s"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: who may do what by default.

    `legacy` is the check of older releases, allowed beside `check` when a site sets
    `[oslo_policy] enforce_new_defaults = false`; `owned` must hold as well then, whatever allowed
    the call, since the old checks say nothing about whose the object is.
    """

    name: str
    check: str
    description: str
    operations: tuple[Operation, ...] = ()
    scopes: tuple[str, ...] = field(default=PROJECT_ONLY)
    legacy: str | None = None
    owned: str | None = None
