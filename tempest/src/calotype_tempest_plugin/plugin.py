"""What Tempest asks a plugin for: where its tests are, its options and its clients."""

import os
from typing import Any

from oslo_config import cfg
from tempest import config
from tempest.test_discover import plugins

from calotype_tempest_plugin import config as ours


class CalotypePlugin(plugins.TempestPlugin):
    """The entry point of the group `tempest.test_plugins`."""

    def load_tests(self) -> tuple[str, str]:
        """The folder of the tests, and the one above the package."""
        package = os.path.dirname(os.path.abspath(__file__))
        return os.path.join(package, "tests"), os.path.dirname(package)

    def register_opts(self, conf: cfg.ConfigOpts) -> None:
        """Add the section [calotype]."""
        config.register_opt_group(conf, ours.GROUP, ours.OPTIONS)

    def get_opt_lists(self) -> list[tuple[str, list[Any]]]:
        """What `tempest config` shows."""
        return [(ours.GROUP.name, ours.OPTIONS)]

    def get_service_clients(self) -> list[dict[str, Any]]:
        """The client of the calls that Tempest's own clients do not have."""
        return [
            {
                "name": "calotype",
                "service_version": "calotype.v2",
                "module_path": "calotype_tempest_plugin.services",
                "client_names": ["FeaturesClient"],
                **config.service_client_config("image"),
            }
        ]
