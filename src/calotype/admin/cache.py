"""`calotype cache`: look after the image cache of this node, beside the API or without it."""

import argparse
from collections.abc import Callable

from calotype import errors
from calotype.admin import logs
from calotype.cache.folder import UUID
from calotype.parts import Parts, assemble, prepare
from calotype.services.cache import NodeCache, Prefetch

Run = Callable[[Parts, NodeCache, argparse.Namespace], int]


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `cache` to the command line."""
    command = commands.add_parser(
        "cache",
        help="look after the image cache of this node",
        description="Look after the image cache in image_cache_dir, whether a service runs or not.",
        epilog="example: calotype cache queue $image_id && calotype cache prefetch",
    )
    verbs = command.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(verbs, "list", show, "list what is in the cache, and what is queued for it")
    _add(verbs, "queue", queue, "note that images are wanted here", ids=True)
    _add(verbs, "remove", remove, "take images out of the cache and off the queue", ids=True)
    _add(verbs, "clear", clear, "take everything out of the cache and off the queue")
    _add(verbs, "prefetch", prefetch, "bring all queued images here")
    _add(verbs, "prune", prune, "shrink the cache to image_cache_max_size")
    _add(verbs, "clean", clean, "remove what failed, stalled, or belongs to no image")


def _add(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    run: Run,
    what: str,
    *,
    ids: bool = False,
) -> None:
    verb = verbs.add_parser(name, help=what, description=what.capitalize() + ".")
    if ids:
        verb.add_argument("ids", nargs="+", metavar="IMAGE_ID", help="the id of an image")
    verb.set_defaults(run=lambda args: _run(run, args))


def _run(run: Run, args: argparse.Namespace) -> int:
    logs.setup(args.settings)
    parts = assemble(args.settings)
    if parts.cache is None:
        raise errors.BadSettings("[DEFAULT] image_cache_dir: is not set, so there is no cache here")
    try:
        prepare(parts)
        return run(parts, parts.cache, args)
    except OSError as error:
        raise errors.StoreUnavailable(f"The image cache cannot be used: {error}") from error
    finally:
        parts.database.close()


# -- the commands --------------------------------------------------------------------------------


def show(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Print one line for each image: id, state, size, hits, last use (UTC)."""
    for entry in cache.space.entries():
        used = entry.last_accessed.isoformat(" ", "seconds")
        print(f"{entry.image_id}  cached  {entry.size}  {entry.hits}  {used}")
    for image_id in cache.folder.queued():
        print(f"{image_id}  queued")
    return 0


def queue(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Queue images; the worker of this node, or `prefetch`, brings them here."""
    for image_id in _checked(args.ids):
        parts.images.get(image_id)
        cache.folder.queue(image_id)
    return 0


def remove(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Take images out, whether there are such images or not."""
    for image_id in _checked(args.ids):
        cache.folder.unqueue(image_id)
        cache.space.remove(image_id)
    return 0


def clear(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Take everything out."""
    queued = sum(cache.folder.unqueue(image_id) for image_id in cache.folder.queued())
    print(f"{cache.space.clear()} images taken out, {queued} off the queue")
    return 0


def prefetch(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Bring all queued images here; exit code 1 when some did not come."""
    come, failed = Prefetch(cache, parts.images, parts.stores).fetch_all()
    print(f"{come} images fetched, {failed} could not be fetched and stay queued")
    return 1 if failed else 0


def prune(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Take out what was used least recently."""
    pruned = cache.space.prune()
    print(f"{pruned.files} images taken out, {pruned.bytes} bytes")
    return 0


def clean(parts: Parts, cache: NodeCache, args: argparse.Namespace) -> int:
    """Remove what nobody needs."""
    print(f"{cache.space.clean(parts.images.living)} files removed")
    return 0


def _checked(ids: list[str]) -> list[str]:
    for image_id in ids:
        if not UUID.fullmatch(image_id):
            raise errors.Invalid(f"{image_id!r} is no id of an image")
    return ids
