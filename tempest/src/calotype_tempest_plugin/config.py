"""The options of the plugin, in the section [calotype] of tempest.conf.

Features are off unless they are asked for, as with Tempest's own that not every cloud has: who has
the plugin installed and says nothing gets skips from `tempest run`, and no failures.
"""

from oslo_config import cfg

GROUP = cfg.OptGroup(name="calotype", title="What Calotype adds to the Image API")

OPTIONS = [
    cfg.BoolOpt(
        "calculate_hash",
        default=False,
        help="Test that an admin can have the digests of an image calculated. The task is "
        "followed by the call that image_tasks is about. Off, its tests are skipped.",
    ),
    cfg.BoolOpt(
        "image_tasks",
        default=False,
        help="Test that whoever sees an image sees its tasks. Off, its tests are skipped.",
    ),
    cfg.BoolOpt(
        "declared_size",
        default=False,
        help="Test that the header x-openstack-image-size is honoured on upload and stage. "
        "Off, its tests are skipped.",
    ),
    cfg.BoolOpt(
        "cache_nodes",
        default=False,
        help="Test that an admin can ask which nodes have an image in their cache. The nodes must "
        "cache, with the driver centralized_db. Off, its tests are skipped.",
    ),
    cfg.StrOpt(
        "restore_command",
        help="A command that restores an image whose delete is pending; the id of the image is "
        "added as its last word. For example: "
        "ssh controller calotype --config-file /etc/glance/glance-api.conf scrub --restore. "
        "The service must have delayed_delete on. Without the command the tests of this feature "
        "are skipped: it is not a call of the API.",
    ),
    cfg.IntOpt(
        "task_timeout",
        default=120,
        min=1,
        help="Seconds that a task, caching an image, or restore_command may take.",
    ),
    cfg.IntOpt("task_interval", default=1, min=0, help="Seconds between two looks at a task."),
]
