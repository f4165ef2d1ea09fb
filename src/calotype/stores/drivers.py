"""How a store of each type is made from its options.

A driver is loaded when a store of its type is configured, not before: so nobody needs the library
of a backend that is not there. Making a store connects to nothing.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from calotype.errors import BadSettings
from calotype.stores.store import Store

#: Makes a store from its options, by name. Its id is what the operator named it, empty where the
#: stores have no names. Raises BadSettings.
Maker = Callable[[str, Mapping[str, Any]], Store]


def _file(store_id: str, options: Mapping[str, Any]) -> Store:
    from calotype.stores.filesystem import FilesystemSettings, FilesystemStore

    return FilesystemStore(FilesystemSettings.from_options(options))


def _rbd(store_id: str, options: Mapping[str, Any]) -> Store:
    from calotype.stores.rbd import RbdStore
    from calotype.stores.rbd_settings import RbdSettings

    return RbdStore(RbdSettings.from_options(options))


def _s3(store_id: str, options: Mapping[str, Any]) -> Store:
    from calotype.stores.s3 import S3Store
    from calotype.stores.s3_settings import S3Settings

    return S3Store(S3Settings.from_options(options))


def _swift(store_id: str, options: Mapping[str, Any]) -> Store:
    from calotype.stores.swift import SwiftStore
    from calotype.stores.swift_settings import SwiftSettings

    return SwiftStore(SwiftSettings.from_options(options))


def _cinder(store_id: str, options: Mapping[str, Any]) -> Store:
    from calotype.stores.cinder import CinderStore
    from calotype.stores.cinder_settings import CinderSettings

    return CinderStore(store_id, CinderSettings.from_options(options))


#: What brings the library of a driver, by the name of the library.
_BROUGHT_BY: Mapping[str, str] = MappingProxyType(
    {
        "boto3": "pip install 'calotype[s3]'",
        "botocore": "pip install 'calotype[s3]'",
        "swiftclient": "pip install 'calotype[swift]'",
        "cinderclient": "pip install 'calotype[cinder]'",
        "os_brick": "pip install 'calotype[cinder]'",
        "rados": "install the distribution's python3-rbd (Debian) or python3-rbd and python3-rados",
        "rbd": "install the distribution's python3-rbd (Debian) or python3-rbd and python3-rados",
    }
)


def _with_its_library(make: Maker) -> Maker:
    def made(store_id: str, options: Mapping[str, Any]) -> Store:
        try:
            return make(store_id, options)
        except ModuleNotFoundError as error:
            brought_by = _BROUGHT_BY.get((error.name or "").partition(".")[0])
            if brought_by is None:
                raise
            whose = f"The store {store_id}" if store_id else "A store of [glance_store]"
            raise BadSettings(
                f"{whose} needs {error.name}, which is not installed: {brought_by}"
            ) from error

    return made


#: The one of each type; an http store needs the filter of addresses too.
MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "file": _file,
        "rbd": _with_its_library(_rbd),
        "s3": _with_its_library(_s3),
        "swift": _with_its_library(_swift),
        "cinder": _with_its_library(_cinder),
    }
)
