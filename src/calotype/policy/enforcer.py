"""May this caller do that? The answers of the policy, asked of rules that were made ready before.

Each rule is a plain function, made once when the rules have been read (`loading.py`); see
docs/adr/0004-policy-cost.md. The files are looked at again once a second at most, and a change that
cannot be used leaves the rules as they were: a slip in an editor must neither open nor close a
running service.

Rule 1: scope is enforced always; a system- or domain-scoped caller is refused, even an admin.
Rule 2: what is not known about a caller matches nothing; no project is not the project "None".
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from calotype import errors
from calotype.caller import Caller
from calotype.model.image import Image, Visibility

LOG = logging.getLogger(__name__)

Target = Mapping[str, object]

#: Seconds between two looks at the policy files.
LOOK_AGAIN = 1.0


@dataclass(frozen=True, slots=True)
class Asker:
    """A caller as checks see it: its roles, and what it is by name (oslo.policy's credentials)."""

    roles: frozenset[str]
    creds: dict[str, Any]


Answer = Callable[[Asker, Target], bool]


@dataclass(frozen=True, slots=True)
class Test:
    """A check ready to be asked. `keys`: what of the target it looks at, None when not known."""

    __test__ = False

    answer: Answer
    keys: frozenset[str] | None = field(default_factory=frozenset)


def nobody(_asker: Asker, _target: Target) -> bool:
    """The answer that refuses everybody."""
    return False


def anybody(_asker: Asker, _target: Target) -> bool:
    """The answer that allows everybody."""
    return True


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule ready to be asked, and the scopes of tokens that may ask it."""

    test: Test
    scopes: frozenset[str]


class Source(Protocol):
    """Where the rules come from."""

    def load(self) -> Mapping[str, Asked]:
        """All rules. Raises BadSettings when they cannot be used."""
        ...

    def reload(self) -> Mapping[str, Asked] | None:
        """The rules again, None when nothing has changed. Raises BadSettings, OSError."""
        ...


class Policy:
    """Decides what callers may do.

    Raises BadSettings when the operator's files cannot be used at start.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._asked = source.load()
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

    def _rule(self, name: str) -> Asked:
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
            self._asked = self._source.reload() or self._asked
        except (errors.BadSettings, OSError) as error:
            LOG.error("%s. The policy stays as it was.", error)
        finally:
            self._lock.release()


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


# -- the functions that rules are made of ----------------------------------------------------------


def both(tests: Iterable[Test]) -> Test:
    """Allows what all of the tests allow."""
    parts = tuple(tests)
    answers = tuple(part.answer for part in parts)

    def ask(asker: Asker, target: Target) -> bool:
        for answer in answers:  # noqa: SIM110 - half the time of all() with a generator
            if not answer(asker, target):
                return False
        return True

    return Test(ask, _keys(parts))


def either(tests: Iterable[Test]) -> Test:
    """Allows what any of the tests allows."""
    parts = tuple(tests)
    answers = tuple(part.answer for part in parts)

    def ask(asker: Asker, target: Target) -> bool:
        for answer in answers:  # noqa: SIM110 - half the time of any() with a generator
            if answer(asker, target):
                return True
        return False

    return Test(ask, _keys(parts))


def opposite(test: Test) -> Test:
    """Allows what the test does not."""
    answer = test.answer
    return Test(lambda asker, target: not answer(asker, target), test.keys)


def _keys(tests: Iterable[Test]) -> frozenset[str] | None:
    found: set[str] = set()
    for test in tests:
        if test.keys is None:
            return None
        found |= test.keys
    return frozenset(found)


def role_check(role: str) -> Test:
    """Allows callers with a role."""
    return Test(lambda asker, _target: role in asker.roles)


def literal_check(literal: str, match: str, key: str | None) -> Test:
    """Allows what has this text under `key`; without a key, all or nobody."""
    if key is None:
        return Test(anybody if literal == match else nobody)

    def ask(_asker: Asker, target: Target) -> bool:
        return key in target and str(target[key]) == literal

    return Test(ask, frozenset({key}))


def credential_check(name: str, match: str, key: str | None) -> Test:
    """Allows callers that are by name what `match` says, or what the target has under `key`."""

    def ask(asker: Asker, target: Target) -> bool:
        if name not in asker.creds:
            return False
        if key is not None and key not in target:
            return False
        wanted = match if key is None else str(target[key])
        held = asker.creds[name]
        if isinstance(held, list):
            return any(str(one) == wanted for one in held)
        return str(held) == wanted

    return Test(ask, frozenset() if key is None else frozenset({key}))
