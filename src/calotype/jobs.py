"""What a worker does, put together: a job for each kind of task, and what tidies up."""

from calotype.caller import Caller
from calotype.db.digests import Digests
from calotype.imports.check import Step
from calotype.imports.convert import Conversion, converted
from calotype.imports.fetch import fetched, limits
from calotype.imports.leftovers import Leftovers
from calotype.imports.remote import downloaded
from calotype.imports.run import ImportJob
from calotype.imports.transform import LimitOf, decompressed, injected
from calotype.model.importing import GLANCE_DOWNLOAD, WEB_DOWNLOAD
from calotype.parts import Parts, make_quota, make_removal, make_staging, make_uri_filter
from calotype.services import hashes, imports, locations
from calotype.services.staging import Staging
from calotype.settings import tree
from calotype.settings.tree import Settings
from calotype.worker.hashing import HashJob
from calotype.worker.locating import LocationJob
from calotype.worker.runner import Runner
from calotype.worker.scrubber import Scrubber


def make_runner(parts: Parts) -> Runner:
    """What runs the tasks of this database, with a job for each kind."""
    settings = parts.settings
    hashing = HashJob(
        parts.images,
        Digests(parts.database),
        parts.tasks,
        parts.stores,
        retries=settings.service.http_retries,
        md5=settings.service.calotype_md5_checksum,
    )
    return Runner(
        parts.tasks,
        parts.leases,
        {
            hashes.TYPE: hashing,
            imports.TYPE: _import_job(parts),
            locations.TYPE: LocationJob(
                parts.tasks,
                parts.stores,
                make_quota(parts),
                hashing,
                settings.service.http_retries,
            ),
        },
        attempts=settings.service.calotype_task_attempts,
        threads=settings.task.task_pool_threads,
    )


def make_leftovers(parts: Parts) -> Leftovers:
    """What puts right what crashes leave of stages and imports."""
    return Leftovers(parts.database, parts.images, parts.leases, make_staging(parts.settings))


def make_scrubber(parts: Parts, wanted: tree.Scrubber) -> Scrubber:
    """What removes the data of images that were deleted long enough ago."""
    return Scrubber(
        parts.deletes,
        parts.leases,
        make_removal(parts),
        scrub_time=wanted.scrub_time,
        threads=wanted.scrub_pool_size,
    )


def _import_job(parts: Parts) -> ImportJob:
    staging, quota = make_staging(parts.settings), make_quota(parts)

    def room(owner: str) -> tuple[int, str]:
        return quota.room(Caller(project_id=owner or None))

    limit_of = limits(room)
    prefixes = parts.settings.imports.extra_properties
    fetch = {
        WEB_DOWNLOAD: fetched(staging, make_uri_filter(parts.settings), limit_of),
        GLANCE_DOWNLOAD: downloaded(staging, prefixes, limit_of),
    }
    return ImportJob(
        parts.images,
        parts.tasks,
        parts.leases,
        parts.stores,
        staging,
        fetch=fetch,
        plugins=_plugins(parts.settings, staging, limit_of),
        parallel=parts.settings.imports.max_parallel_stores,
    )


def _plugins(settings: Settings, staging: Staging, limit_of: LimitOf) -> list[Step]:
    wanted = settings.imports
    conversion = Conversion(wanted.output_format, settings.image_format.vmdk_allowed_types)
    known: dict[str, Step] = {
        "no_op": lambda journey: None,
        "inject_image_metadata": injected(wanted.inject),
        "image_decompression": decompressed(staging, limit_of),
        "image_conversion": converted(staging, conversion, limit_of),
    }
    return [known[name] for name in wanted.image_import_plugins]
