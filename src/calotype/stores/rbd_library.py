"""Ceph's own Python modules `rados` and `rbd`, which come with the distribution only.

They are compiled for the librados beside them and are on no package index, while a virtual
environment does not see the distribution's folder. So these two, and nothing else, are taken from
there: the folder never gets on the path, where it would bring all its other packages along.
"""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

#: Where Debian and its relatives, and Fedora and its, put what they build for their Python.
FOLDERS = (
    "/usr/lib/python3/dist-packages",
    f"/usr/lib64/python3.{sys.version_info.minor}/site-packages",
    f"/usr/lib/python3.{sys.version_info.minor}/site-packages",
)


def load(name: str, folders: Sequence[str] = FOLDERS) -> Any:
    """The module of that name. Raises ModuleNotFoundError when none fits this Python."""
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.find_spec(name)
    # Any folder of that name that lies on the path is found, too; it has no origin.
    if found is not None and found.origin is not None:
        return importlib.import_module(name)
    return _load_from(name, folders)


def _load_from(name: str, folders: Sequence[str]) -> ModuleType:
    # What was compiled for another Python has another suffix, and is not found.
    spec = importlib.machinery.PathFinder.find_spec(name, list(folders))
    if spec is None or not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        raise ModuleNotFoundError(f"No module named {name!r} fits this Python", name=name)
    try:
        module = importlib.util.module_from_spec(spec)
        # `rbd` looks for `rados` here.
        sys.modules[name] = module
        spec.loader.exec_module(module)
    except ImportError as error:
        sys.modules.pop(name, None)
        raise ModuleNotFoundError(f"{name} cannot be loaded: {error}", name=name) from error
    return module


#: In this order: the second is built on the first.
rados: Any = load("rados")
rbd: Any = load("rbd")
