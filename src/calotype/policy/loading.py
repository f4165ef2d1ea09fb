"""Reads the rules: the defaults, and the operator's files on top.

oslo.policy finds, parses and merges them; `compiler.py` makes them quick.
"""

import logging
from collections.abc import Mapping

from oslo_config.cfg import ConfigOpts, Error
from oslo_policy import opts
from oslo_policy import policy as oslo

from calotype import errors
from calotype.policy import files, review, rules
from calotype.policy.compiler import Compiler
from calotype.policy.enforcer import Asked, Policy, both

LOG = logging.getLogger(__name__)


def configured(conf: ConfigOpts) -> Policy:
    """The policy of a configuration. Raises BadSettings when its files cannot be used."""
    return Policy(PolicyFiles(conf))


class PolicyFiles:
    """The policy files that a configuration names."""

    def __init__(self, conf: ConfigOpts) -> None:
        conf.register_opts(opts.list_opts()[0][1], group="oslo_policy")
        self._conf = conf
        self._seen = files.stamps(files.found(conf))
        self._refused: tuple[files.Stamp, ...] | None = None

    def load(self) -> Mapping[str, Asked]:
        """All rules. Raises BadSettings when a file cannot be used."""
        asked = _load(self._conf)
        _warn_when_missing(self._conf)
        return asked

    def reload(self) -> Mapping[str, Asked] | None:
        """The rules again, if a file has changed. Raises BadSettings, OSError; once a change."""
        now = files.stamps(files.found(self._conf))
        if now in (self._seen, self._refused):
            return None
        self._refused = now  # until it has proved good: to complain once only
        gone = {path for path, *_ in self._seen} - {path for path, *_ in now}
        if gone:
            # Overrides mostly take rights away: without them more would be allowed, all at once.
            raise errors.BadSettings(
                f"Policy files are gone: {', '.join(sorted(gone))}; restart if that is meant"
            )
        asked = _load(self._conf)
        self._seen, self._refused = now, None
        LOG.info("The policy files changed and were read again")
        return asked


def _warn_when_missing(conf: ConfigOpts) -> None:
    name = conf.oslo_policy.policy_file
    if name != "policy.yaml" and not conf.find_file(name):
        LOG.warning("[oslo_policy] policy_file: %s is not there; the defaults apply", name)


def _load(conf: ConfigOpts) -> Mapping[str, Asked]:
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


def _asked(name: str, compiler: Compiler, old_defaults: bool) -> Asked:
    rule = rules.BY_NAME.get(name)
    test = compiler.rule(name)
    if rule is None:
        return Asked(test, frozenset())
    if old_defaults and rule.owned:
        test = both([test, compiler.text(rule.owned)])
    return Asked(test, frozenset(rule.scopes))
