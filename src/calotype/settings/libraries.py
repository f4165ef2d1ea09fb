"""What the service needs to know of options that belong to libraries, without importing these."""

import os

from oslo_config import cfg

from calotype.settings.reading import DEFAULT, Reader
from calotype.settings.tree import Front, Notifications

NOTIFICATIONS = "oslo_messaging_notifications"
PROXY_HEADERS = cfg.BoolOpt("enable_proxy_headers_parsing", default=False)
DISABLED_BY = cfg.StrOpt("disable_by_file_path")
#: Where Glance's own pipeline file looks; both places count.
DISABLED_BY_DEFAULT = "/etc/glance/healthcheck_disable"


def front(reader: Reader) -> Front:
    """What the files ask of oslo.middleware."""
    written = reader.written
    origins = [
        value
        for section, name in written.names()
        if name == "allowed_origin" and section.partition(".")[0] == "cors"
        for value in written.values(section, name)
    ]
    disabled_by = reader.peek("healthcheck", DISABLED_BY)
    return Front(
        cors=any(origins) or bool(reader.peek("cors", cfg.StrOpt("allowed_origin"))),
        proxy_headers=bool(reader.peek("oslo_middleware", PROXY_HEADERS)),
        healthcheck_files=tuple(filter(None, (disabled_by, DISABLED_BY_DEFAULT))),
    )


def notifications(reader: Reader) -> Notifications:
    """What is sent, and whether anything is."""
    variable = os.environ.get(f"OS_{NOTIFICATIONS.upper()}__DRIVER")
    written = reader.written.values(NOTIFICATIONS, "driver")
    drivers = written if variable is None else (variable,)
    return Notifications(
        default_publisher_id=reader.value(DEFAULT, "default_publisher_id"),
        disabled_notifications=reader.value(DEFAULT, "disabled_notifications"),
        drivers=tuple(each for each in drivers if each not in ("", "noop")),
    )
