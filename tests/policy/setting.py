"""A policy as a site would have it, and the callers that the tests ask about."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from oslo_config.cfg import ConfigOpts

from calotype.caller import Caller
from calotype.model.image import Image, Status, Visibility
from calotype.policy.enforcer import Policy
from calotype.policy.loading import configured

OWN, OTHER = "0" * 31 + "a", "0" * 31 + "b"


def conf_of(folder: Path, text: str = "") -> ConfigOpts:
    """The configuration of a service whose files lie in `folder`."""
    file = folder / "site.conf"
    file.write_text(text)
    conf = ConfigOpts()
    conf(["--config-file", str(file)], project="calotype", default_config_dirs=[])
    return conf


def policy_of(folder: Path, text: str = "", rules: str | None = None) -> Policy:
    """A policy with these options and these overriding rules."""
    if rules is not None:
        (folder / "policy.yaml").write_text(rules)
    return configured(conf_of(folder, text))


def caller(project: str | None, *roles: str, **more: Any) -> Caller:
    return Caller(user_id="u", project_id=project, roles=frozenset(roles), **more)


ADMIN = caller("9" * 32, "admin", "member", "reader")
OWN_MEMBER = caller(OWN, "member", "reader")
OWN_READER = caller(OWN, "reader")
OTHER_MEMBER = caller(OTHER, "member", "reader")
OTHER_READER = caller(OTHER, "reader")
SERVICE = caller("5" * 32, "service")
ROLELESS = caller(OWN)
SYSTEM_ADMIN = caller(None, "admin", "member", "reader", system_scope="all")
DOMAIN_ADMIN = caller(None, "admin", "member", "reader", domain_id="d")

#: The letters that the tables of the tests use.
CALLERS: Mapping[str, Caller] = {
    "A": ADMIN,
    "M": OWN_MEMBER,
    "R": OWN_READER,
    "m": OTHER_MEMBER,
    "r": OTHER_READER,
    "S": SERVICE,
    "-": ROLELESS,
    "s": SYSTEM_ADMIN,
    "d": DOMAIN_ADMIN,
}


def image(visibility: str = "private", **fields: Any) -> Image:
    """An image of the project OWN."""
    now = datetime.now(UTC)
    return Image(
        id="6d2e9a90-8f0e-4b5d-9a39-8d6f1f9c7b11",
        status=Status.ACTIVE,
        visibility=Visibility(visibility),
        created_at=now,
        updated_at=now,
        **{"owner": OWN, **fields},
    )
