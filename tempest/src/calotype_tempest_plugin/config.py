"""The options of the plugin, in the section [calotype] of tempest.conf."""

from oslo_config import cfg

GROUP = cfg.OptGroup(name="calotype", title="What Calotype adds to the Image API")

OPTIONS = [
    cfg.BoolOpt("calculate_hash", default=True, help="Hashes are calculated on demand."),
    cfg.BoolOpt("image_tasks", default=True, help="Everybody sees the tasks of an image."),
    cfg.BoolOpt("declared_size", default=True, help="The declared size of data is honoured."),
    cfg.BoolOpt("cache_nodes", default=False, help="Nodes cache, with the centralized driver."),
    cfg.StrOpt(
        "restore_command",
        help="A command that restores an image whose delete is pending; the id of the image is "
        "added as its last word. For example: "
        "ssh controller calotype --config-file /etc/glance/glance-api.conf scrub --restore. "
        "Without it the test of this feature is skipped: it is not a call of the API.",
    ),
    cfg.IntOpt("task_timeout", default=120, min=1, help="Seconds that a task may take."),
    cfg.IntOpt("task_interval", default=1, min=0, help="Seconds between two looks at a task."),
]
