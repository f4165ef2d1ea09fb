"""All options of the service outside of the stores, by section."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from oslo_config import cfg

from calotype.settings import group_options as groups
from calotype.settings import service_options, store_options

OPTIONS: Mapping[str, Sequence[cfg.Opt]] = MappingProxyType(
    {
        "DEFAULT": service_options.DEFAULT,
        "database": groups.DATABASE,
        "glance_store": store_options.SELECTORS,
        store_options.STAGING: store_options.RESERVED[store_options.STAGING],
        store_options.TASKS: store_options.RESERVED[store_options.TASKS],
        "glance_download_properties": groups.DOWNLOAD_PROPERTIES,
        "image_conversion": groups.IMAGE_CONVERSION,
        "image_format": groups.IMAGE_FORMAT,
        "image_import_opts": groups.IMAGE_IMPORT,
        "import_filtering_opts": groups.IMPORT_FILTERING,
        "inject_metadata_properties": groups.INJECT_METADATA,
        "paste_deploy": groups.PASTE_DEPLOY,
        "profiler": groups.PROFILER,
        "task": groups.TASK,
        "taskflow_executor": groups.TASKFLOW,
        "wsgi": groups.WSGI,
    }
)
