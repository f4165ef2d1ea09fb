"""The disk_format of data, where nobody says it."""

from pathlib import PurePosixPath
from urllib.parse import urlsplit

from calotype_client.errors import WrongUse
from calotype_client.images import Images
from calotype_client.model import Image

#: What the data of a disk begins with, and the disk_format that it is.
BEGINNINGS = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vhd",
    b"<<< ": "vdi",
}
#: The mark of ISO 9660, and where it is.
ISO, ISO_AT = b"CD001", 0x8001
#: How much of the data has to be looked at.
LOOKED_AT = ISO_AT + len(ISO)

#: What names of files end with. `.img` may be anything.
SUFFIXES = frozenset({"raw", "qcow2", "vmdk", "vhdx", "vhd", "vdi", "iso"})


def of_data(beginning: bytes) -> str:
    """What data seems to be, by its beginning; raw when nothing speaks for another."""
    if beginning[ISO_AT:LOOKED_AT] == ISO:
        return "iso"
    found = (name for mark, name in BEGINNINGS.items() if beginning.startswith(mark))
    return next(found, "raw")


def of_address(url: str) -> str | None:
    """What the name at the end of an address says, if it says anything."""
    suffix = PurePosixPath(urlsplit(url).path).suffix[1:].lower()
    return suffix if suffix in SUFFIXES else None


def fetched(wanted: str | None, image: Image | None, url: str | None) -> str:
    """What data will be that the service is to fetch. Raises WrongUse when nothing tells it."""
    found = wanted or (image and image.disk_format) or (url and of_address(url))
    if not found:
        raise WrongUse("Nothing says what the data will be: give --disk-format")
    return found


def settle(images: Images, image: Image, disk_format: str) -> Image:
    """The image, with formats: those that it has, or else this one, bare. Raises Refused."""
    found = {"disk_format": image.disk_format, "container_format": image.container_format}
    wanted = {"disk_format": disk_format, "container_format": "bare"}
    missing = {name: wanted[name] for name, value in found.items() if not value}
    return images.update(image.id, missing) if missing else image
