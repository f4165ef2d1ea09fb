"""May this caller do that? The answers of the policy, from the defaults and the operator's files.

oslo.policy finds, parses and merges the rules; `checks` makes them quick (docs/adr/0004). The
files are looked at again once a second at most, and a change that cannot be used leaves the rules
as they were: a slip in an editor must neither open nor close a running service.

Rule 1: scope is enforced always; a system- or domain-scoped caller is refused, even an admin.
Rule 2: what is not known about a caller matches nothing; no project is not the project "None".
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from oslo_config.cfg import ConfigOpts, Error
from oslo_policy import opts
from oslo_policy import policy as oslo

from calotype import errors
from calotype.caller import Caller
from calotype.model.image import Image, Visibility
from calotype.policy import files, review, rules
from calotype.policy.checks import Asker, Compiler, Target, Test, both

LOG = logging.getLogger(__name__)

#: Seconds between two looks at the policy files.
LOOK_AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule ready to be asked."""

    test: Test
    scopes: frozenset[str]


class Policy:
    """Decides what callers may do.

    Raises BadSettings when the operator's files cannot be used at start.
    """

    def __init__(self, conf: ConfigOpts) -> None:
        conf.register_opts(opts.list_opts()[0][1], group="oslo_policy")
        self._conf = conf
        self._lock = threading.Lock()
        self._seen = files.stamps(files.found(conf))
        self._refused: tuple[files.Stamp, ...] | None = None
        self._asked = _load(conf)
        _warn_when_missing(conf)
        self._next_look = time.monotonic() + LOOK_AGAIN

    def allows(self, caller: Caller, rule: str, target: Target) -> bool:
        """Whether the rule lets the caller do this to the target. LookupError for no such rule."""
        asked = self._rule(rule)
        if asked.scopes and scope(caller) not in asked.scopes:
            return False
        return asked.test.answer(_asker(caller), target)

    def check(self, caller: Caller, rule: str, target: Target) -> None:
        """Return if the rule allows this; raise Denied naming the rule otherwise."""
        if not self.allows(caller, rule, target):
            raise errors.Denied(f"You may not do this: policy rule '{rule}' does not allow it")

    def allowing(self, caller: Caller, rule: str) -> Callable[[Target], bool]:
        """`allows` for many targets, asking once for those that are alike to the rule."""
        asked = self._rule(rule)
        if asked.scopes and scope(caller) not in asked.scopes:
            return lambda _target: False
        asker = _asker(caller)
        answer, keys = asked.test.answer, asked.test.keys
        if keys is None:
            return lambda target: answer(asker, target)
        known: dict[tuple[object, ...], bool] = {}

        def allowed(target: Target) -> bool:
            alike = tuple([str(target[key]) if key in target else None for key in keys])
            if alike not in known:
                known[alike] = answer(asker, target)
            return known[alike]

        return allowed

    def is_admin(self, caller: Caller) -> bool:
        """Whether the rule context_is_admin holds for a caller that is being made."""
        return self.allows(caller, "context_is_admin", _asker(caller).creds)

    def knows(self, rule: str) -> bool:
        """Whether a rule of this name exists, as a default or in the operator's files."""
        return rule in self._asked

    @staticmethod
    def image_target(image: Image, caller: Caller) -> dict[str, object]:
        """An image as the rules see it: whose it is, who may see it, and its own fields."""
        owner = image.owner
        project = caller.project_id
        offered = image.visibility is Visibility.SHARED and owner != project
        return {
            **image.properties,
            "id": image.id,
            "image_id": image.id,
            "name": image.name,
            "status": image.status.value,
            "disk_format": image.disk_format,
            "container_format": image.container_format,
            "protected": image.protected,
            "os_hidden": image.os_hidden,
            "visibility": image.visibility.value,
            "owner": owner,
            "project_id": owner,
            "member_id": project if offered else None,
        }

    def _rule(self, name: str) -> _Asked:
        if time.monotonic() >= self._next_look:
            self._look_again()
        try:
            return self._asked[name]
        except KeyError:
            raise LookupError(f"There is no policy rule '{name}'") from None

    def _look_again(self) -> None:
        """Read the files again if they changed; one thread does, the others go on meanwhile."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._next_look = time.monotonic() + LOOK_AGAIN
            self._reload()
        except (errors.BadSettings, OSError) as error:
            LOG.error("%s. The policy stays as it was.", error)
        finally:
            self._lock.release()

    def _reload(self) -> None:
        now = files.stamps(files.found(self._conf))
        if now in (self._seen, self._refused):
            return
        self._refused = now  # until it has proved good: to complain once only
        gone = {path for path, *_ in self._seen} - {path for path, *_ in now}
        if gone:
            # Overrides mostly take rights away: without them more would be allowed, all at once.
            raise errors.BadSettings(
                f"Policy files are gone: {', '.join(sorted(gone))}; restart if that is meant"
            )
        self._asked = _load(self._conf)
        self._seen, self._refused = now, None
        LOG.info("The policy files changed and were read again")


def admitted(policy: Policy, caller: Caller) -> Caller:
    """A caller as authentication found it, and an admin if the policy says so."""
    return replace(caller, is_admin=True) if policy.is_admin(caller) else caller


def scope(caller: Caller) -> str:
    """What the caller's token is for: 'system', 'domain' or 'project'."""
    if caller.system_scope:
        return "system"
    return "domain" if caller.domain_id else "project"


def _asker(caller: Caller) -> Asker:
    creds: dict[str, Any] = {
        "roles": list(caller.roles),
        "service_roles": list(caller.service_roles),
        "is_admin": caller.is_admin,
        "user_id": caller.user_id,
        "project_id": caller.project_id,
        "domain_id": caller.domain_id,
        "user_domain_id": caller.user_domain_id,
        "project_domain_id": caller.project_domain_id,
        "system_scope": caller.system_scope,
    }
    return Asker(caller.roles, {name: held for name, held in creds.items() if held is not None})


def _warn_when_missing(conf: ConfigOpts) -> None:
    name = conf.oslo_policy.policy_file
    if name != "policy.yaml" and not conf.find_file(name):
        LOG.warning("[oslo_policy] policy_file: %s is not there; the defaults apply", name)


def _load(conf: ConfigOpts) -> Mapping[str, _Asked]:
    """All rules, ready to be asked. Raises BadSettings when a file cannot be used."""
    for path in files.found(conf):
        for problem in review.misread(files.read(path)):
            LOG.error("Policy file %s, %s", path, problem)
    enforcer = oslo.Enforcer(conf)
    # Each rule with another legacy check would have its own warning, at each start.
    enforcer.suppress_default_change_warnings = True
    enforcer.register_defaults(rules.defaults())
    try:
        enforcer.load_rules()
    except (ValueError, OSError, Error) as error:
        raise errors.BadSettings(f"[oslo_policy] The rules cannot be read: {error}") from error
    compiler = Compiler(enforcer)
    old_defaults = not conf.oslo_policy.enforce_new_defaults
    return {name: _asked(name, compiler, old_defaults) for name in enforcer.rules}


def _asked(name: str, compiler: Compiler, old_defaults: bool) -> _Asked:
    rule = rules.BY_NAME.get(name)
    test = compiler.rule(name)
    if rule is None:
        return _Asked(test, frozenset())
    if old_defaults and rule.owned:
        test = both([test, compiler.text(rule.owned)])
    return _Asked(test, frozenset(rule.scopes))
