"""Converts staged data to the format that the operator wants, with qemu-img.

Rule 1: qemu-img sees only data whose format was recognised, passed the safety checks, and is the
one that the image claims; it is told that format and never left to guess.
Rule 2: what would make it open other files (backing files, external data) is refused.
Rule 3: it runs under limits of memory, time and size of its result.
"""

import logging
import os
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from calotype import errors
from calotype.imports.check import Step
from calotype.imports.journey import Journey
from calotype.imports.transform import LimitOf
from calotype.services.staging import Staging, derived

LOG = logging.getLogger(__name__)

#: Limits of `qemu-img info`: seconds of processor time, KiB of memory.
INFO_CPU, MEMORY = 2, 1 << 20
#: Seconds between two looks at a conversion that runs.
LOOK = 0.2

#: What our formats are called by qemu-img.
_QEMU = {"vhd": "vpc", "gpt": "raw"}


@dataclass(frozen=True)
class Conversion:
    """What to convert to, and which kinds of vmdk may be converted."""

    output: str
    vmdk_types: Collection[str] = ("streamOptimized", "monolithicSparse")
    program: str = "qemu-img"


def converted(staging: Staging, conversion: Conversion, limit_of: LimitOf) -> Step:
    """The step that converts data, and changes the formats of the image with it."""

    def convert(journey: Journey) -> None:
        image = journey.shape
        staged = staging.find(image, key=journey.key)
        staged = staged or staging.examine(image, journey.tell, key=journey.key)
        staged.check()
        found = "raw" if staged.detected == "gpt" else staged.detected
        if image.disk_format == "iso" and found == "iso":
            return
        if found is None or found != image.disk_format or found == "iso":
            raise errors.UnsupportedMedia(
                f"The data is in format {found}, but disk_format is {image.disk_format}: "
                "it is not converted"
            )
        told = _inspected(conversion, staging.path(journey.key), found)
        limit = limit_of(journey)
        if told["virtual-size"] > limit.bytes:
            raise errors.OverLimit(f"The disk is larger than {limit.name}, {limit.bytes} bytes")
        if found != conversion.output:
            _convert(journey, staging, conversion, found, limit.bytes)
        journey.becomes["virtual_size"] = told["virtual-size"]

    return convert


def _inspected(conversion: Conversion, path: str, disk_format: str) -> dict[str, Any]:
    """What qemu-img says of the data, if it agrees and nothing of it is dangerous."""
    name = _QEMU.get(disk_format, disk_format)
    command = [conversion.program, "info", "-f", name, "--output=json", path]
    try:
        done = subprocess.run(
            _limited(command, cpu=INFO_CPU), capture_output=True, timeout=60, check=True
        )
        told: dict[str, Any] = orjson.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        LOG.warning("qemu-img info: %s", error.stderr.decode(errors="replace")[-500:])
        raise errors.UnsupportedMedia("The data cannot be inspected for conversion") from error
    except (OSError, subprocess.TimeoutExpired, orjson.JSONDecodeError) as error:
        LOG.error("qemu-img info: %s", error)
        raise errors.StoreError("The data cannot be inspected for conversion") from error
    if told.get("format") != name:
        raise errors.UnsupportedMedia(
            f"The data is in format {told.get('format')}, not {disk_format}: it is not converted"
        )
    specific = told.get("format-specific", {}).get("data", {})
    if told.get("backing-filename") or told.get("full-backing-filename"):
        raise errors.UnsupportedMedia("The data has a backing file: it is not converted")
    if specific.get("data-file"):
        raise errors.UnsupportedMedia("The data has an external data file: it is not converted")
    kind = specific.get("create-type")
    if disk_format == "vmdk" and kind not in conversion.vmdk_types:
        raise errors.UnsupportedMedia(f"vmdk data of the kind {kind} is not converted here")
    return told


def _convert(
    journey: Journey, staging: Staging, conversion: Conversion, found: str, most: int
) -> None:
    image_id = journey.image.id
    key = derived(image_id, "out")
    staging.discard_one(key)
    output = conversion.output
    command = [
        *(conversion.program, "convert", "-f", _QEMU.get(found, found), "-O", output),
        *(staging.path(journey.key), staging.path(key)),
    ]
    try:
        _run(journey, _limited(command, size=most + (64 << 20)), staging.path(key))
        _flush(staging.path(key))
    except BaseException:
        staging.discard_one(key)
        raise
    journey.becomes |= {"disk_format": output, "container_format": "bare"}
    journey.key = key
    LOG.info("Image %s: its data is converted from %s to %s", image_id, found, output)


def _run(journey: Journey, command: list[str], path: str) -> None:
    """Run a conversion to its end. Raises StoreError, and what ends the work of the task."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            while process.poll() is None:
                size = os.stat(path).st_blocks * 512 if os.path.exists(path) else 0
                journey.work.step(f"Converted {size >> 20} MiB")
                time.sleep(LOOK)
        except BaseException:
            process.kill()
            raise
        trouble = process.stderr.read().decode(errors="replace") if process.stderr else ""
    if process.returncode != 0:
        LOG.warning("qemu-img convert: %s", trouble[-500:])
        raise errors.StoreError("The data cannot be converted")


def _flush(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _limited(command: list[str], *, cpu: int | None = None, size: int | None = None) -> list[str]:
    """A command under limits: a shell sets them, so that no code runs between fork and exec."""
    limits = [f"ulimit -v {MEMORY}"]
    if cpu is not None:
        limits.append(f"ulimit -t {cpu}")
    if size is not None:
        limits.append(f"ulimit -f {size // 512 + 1}")
    return ["/bin/sh", "-c", f'{" && ".join(limits)} && exec "$@"', "sh", *command]
