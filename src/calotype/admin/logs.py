"""Logging as the operator configured it, by oslo.log, the library Glance uses."""

import logging

from oslo_log import _options
from oslo_log import log as oslo_log

from calotype.settings.load import check_libraries
from calotype.settings.tree import Settings


def setup(settings: Settings) -> None:
    """Start logging. What the files say about levels, formats and targets holds.

    Without a target everything goes to stderr: a service that says nothing helps nobody. Raises
    BadSettings for a wrong value.
    """
    conf = settings.conf
    for group, options in _options.list_opts():
        conf.register_opts(options, group=group)
    if not (conf.log_file or conf.log_dir or conf.use_syslog or conf.use_journal):
        conf.set_default("use_stderr", True)
    check_libraries(settings)
    oslo_log.setup(conf, "calotype")
    if not conf.debug:  # `db sync` says in its own words what it did
        logging.getLogger("alembic").setLevel(logging.WARNING)
