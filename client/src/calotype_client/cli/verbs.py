"""Every command of the client, by what is typed."""

from collections.abc import Mapping

from calotype_client.cli import cache, data, images, members, stores, tasks
from calotype_client.cli.command import Verb

COMMANDS: Mapping[str, type[Verb]] = {
    "image list": images.List,
    "image show": images.Show,
    "image create": data.Create,
    "image upload": data.Upload,
    "image stage": data.Stage,
    "image import": tasks.Import,
    "image import methods": tasks.Methods,
    "image save": data.Save,
    "image verify": data.Verify,
    "image set": images.Set,
    "image unset": images.Unset,
    "image delete": images.Delete,
    "image tasks": tasks.ImageTasks,
    "image hash": tasks.Hash,
    "image member list": members.List,
    "image member show": members.Show,
    "image member add": members.Add,
    "image member set": members.Set,
    "image member remove": members.Remove,
    "image location list": stores.LocationList,
    "image location add": stores.LocationAdd,
    "store list": stores.List,
    "cache list": cache.List,
    "cache queue": cache.Queue,
    "cache nodes": cache.Nodes,
    "cache delete": cache.Delete,
    "cache clear": cache.Clear,
    "task list": tasks.TaskList,
    "task show": tasks.TaskShow,
}
