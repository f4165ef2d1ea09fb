"""Who asks: the identity behind one request, as the authentication established it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller. Roles are lower case; `is_admin` is what the rule `context_is_admin` says."""

    user_id: str | None = None
    project_id: str | None = None
    roles: frozenset[str] = frozenset()
    is_admin: bool = False
    read_only: bool = False
    request_id: str = ""
    domain_id: str | None = None
    user_domain_id: str | None = None
    project_domain_id: str | None = None
    system_scope: str | None = None
    service_roles: frozenset[str] = frozenset()
    token: str | None = field(default=None, repr=False)
    #: The service catalogue as Keystone gave it with the token, in JSON.
    catalog: str | None = field(default=None, repr=False)
