"""The configuration of openstacksdk, without all the rest of it.

`import openstack.config` loads the package first, which loads the interfaces of all services: more
than a third of what a command takes to start. Here the package is there from the beginning, and
runs what is written in it when somebody wants a name of its own, as `openstack.connect`.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

NAME = "openstack"


class _Package(ModuleType):
    """A package whose modules can be imported before its own code has run."""

    def __getattr__(self, name: str) -> Any:
        # Set below; modules in general may have none.
        spec: ModuleSpec = self.__spec__  # type: ignore[assignment]
        # Python asks for a module by this way as well, before it imports it.
        if name.startswith("__") or find_spec(f"{NAME}.{name}") or spec.loader is None:
            raise AttributeError(f"module {NAME!r} has no attribute {name!r}")
        # From now on a plain module; Python allows this for modules, mypy does not know it.
        self.__class__ = ModuleType  # type: ignore[assignment]
        spec.loader.exec_module(self)
        return getattr(self, name)


def _put_off() -> None:
    spec = find_spec(NAME)
    if NAME in sys.modules or spec is None or spec.submodule_search_locations is None:
        return
    package = _Package(NAME)
    package.__spec__, package.__loader__ = spec, spec.loader
    package.__file__, package.__path__ = spec.origin, spec.submodule_search_locations
    sys.modules[NAME] = package


_put_off()

from openstack.config import OpenStackConfig  # noqa: E402 - the package has to be there
from openstack.exceptions import ConfigException  # noqa: E402 - as above

__all__ = ["ConfigException", "OpenStackConfig"]
