"""Logging as the operator configured it, by oslo.log, the library Glance uses."""

from oslo_log import log as oslo_log

from calotype.settings.tree import Settings


def setup(settings: Settings) -> None:
    """Start logging. What the files say about levels, formats and targets holds."""
    oslo_log.setup(settings.conf, "calotype")
