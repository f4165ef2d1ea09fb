"""Small disk images of every format: made by qemu-img, or byte by byte where it makes none.

Hand-made ones follow the published layouts: ECMA-119 (ISO 9660), the UEFI specification (GPT and
its protective MBR), QEMU's qcow2 document, VMware's virtual disk format.
"""

import struct
import subprocess
import uuid
import zlib
from pathlib import Path

from tests.stores.sources import content

MIB = 1 << 20
#: The size of the disk in every sample, in bytes.
DISK = 8 * MIB

#: What qemu-img makes: name, its format, options.
CONVERTED = {
    "raw": ("raw", ""),
    "qcow2": ("qcow2", ""),
    "qcow2-v2": ("qcow2", "compat=0.10"),
    "vmdk-sparse": ("vmdk", "subformat=monolithicSparse"),
    "vmdk-stream": ("vmdk", "subformat=streamOptimized"),
    "vmdk-flat-padded": ("vmdk", "subformat=monolithicFlat"),
    "vmdk-split-padded": ("vmdk", "subformat=twoGbMaxExtentSparse"),
    "vdi": ("vdi", ""),
    "vhd": ("vpc", ""),
    "vhdx": ("vhdx", ""),
}


def qemu_img(*args: str | Path) -> None:
    """Run qemu-img. Raises FileNotFoundError where it is not installed."""
    subprocess.run(["qemu-img", *map(str, args)], check=True, capture_output=True)


def by_qemu_img(folder: Path) -> dict[str, bytes]:
    """Everything that qemu-img can make, by name."""
    disk = folder / "disk"
    disk.write_bytes(bytes(MIB) + content(MIB) + bytes(DISK - 2 * MIB))
    made = {}
    for name, (form, options) in CONVERTED.items():
        target = folder / name
        qemu_img("convert", "-O", form, *(["-o", options] if options else []), disk, target)
        made[name] = target.read_bytes()
    create = {
        "qcow2-backing": ["-f", "qcow2", "-F", "raw", "-b", disk],
        "qcow2-datafile": ["-f", "qcow2", "-o", f"data_file={folder}/data,data_file_raw=on"],
        "qed": ["-f", "qed"],
        "vmdk-flat": ["-f", "vmdk", "-o", "subformat=monolithicFlat"],
        "vmdk-split": ["-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse"],
    }
    for name, options in create.items():
        target = folder / name
        qemu_img("create", *options, target, str(DISK))
        made[name] = target.read_bytes()
    return made


def both_endian(number: int, width: int) -> bytes:
    """A number as ISO 9660 writes it: little-endian, then big-endian."""
    return number.to_bytes(width, "little") + number.to_bytes(width, "big")


def iso(sectors: int = 32) -> bytes:
    """An ISO 9660 volume with an empty root folder; `sectors` of 2048 bytes."""
    moment = bytes([126, 1, 1, 0, 0, 0, 0])

    def folder_record(name: bytes) -> bytes:
        body = bytes([0]) + both_endian(20, 4) + both_endian(2048, 4) + moment
        body += bytes([2, 0, 0]) + both_endian(1, 2) + bytes([len(name)]) + name
        return bytes([len(body) + 1]) + body

    primary = b"\x01CD001\x01\x00" + b" " * 32 + b"SAMPLE".ljust(32) + bytes(8)
    primary += both_endian(sectors, 4) + bytes(32)
    primary += both_endian(1, 2) + both_endian(1, 2) + both_endian(2048, 2) + both_endian(10, 4)
    primary += struct.pack("<II", 18, 0) + struct.pack(">II", 19, 0) + folder_record(b"\x00")
    primary += b" " * (813 - len(primary)) + (b"0" * 16 + b"\x00") * 4 + b"\x01"
    terminator = b"\xffCD001\x01"
    table = bytes([1, 0]) + struct.pack("<IH", 20, 1) + bytes(2)
    root = folder_record(b"\x00") + folder_record(b"\x01")
    image = bytearray(sectors * 2048)
    for sector, data in ((16, primary), (17, terminator), (18, table), (20, root)):
        image[sector * 2048 : sector * 2048 + len(data)] = data
    return bytes(image)


def boot_sector(*partitions: tuple[int, bytes, int, int, int]) -> bytes:
    """A master boot record; each partition: boot flag, start CHS, type, first block, blocks."""
    entries = b"".join(
        struct.pack("<B3sB3sII", flag, chs, kind, b"\xff\xff\xff", first, blocks)
        for flag, chs, kind, first, blocks in partitions
    )
    return content(446) + entries.ljust(64, b"\x00") + b"\x55\xaa"


PROTECTIVE = (0, b"\x00\x02\x00", 0xEE, 1, DISK // 512 - 1)
LINUX = (0x80, b"\x20\x21\x00", 0x83, 2048, 4096)


def gpt() -> bytes:
    """A disk with a GUID partition table and one partition."""
    blocks = DISK // 512
    linux = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4").bytes_le
    entry = linux + uuid.UUID(int=7).bytes_le + struct.pack("<QQQ", 2048, blocks - 2048, 0)
    entries = entry.ljust(128 * 128, b"\x00")

    def header(mine: int, other: int, table: int) -> bytes:
        def packed(crc: int) -> bytes:
            return struct.pack(
                "<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, mine, other, 34,
                blocks - 34, uuid.UUID(int=9).bytes_le, table, 128, 128, zlib.crc32(entries),
            )  # fmt: skip

        return packed(zlib.crc32(packed(0))).ljust(512, b"\x00")

    front = boot_sector(PROTECTIVE) + header(1, blocks - 1, 2) + entries
    back = entries + header(blocks - 1, 1, blocks - 33)
    return front + content(DISK - len(front) - len(back)) + back


def iso_with_gpt() -> bytes:
    """An ISO that also boots from a disk: a partition table in its unused first sectors."""
    return gpt()[: 34 * 512] + iso()[34 * 512 :]


def kernel() -> bytes:
    """The beginning of a Linux kernel: the mark of a boot sector, and code where partitions go."""
    return b"MZ" + content(508, shift=3) + b"\x55\xaa" + b"\x00\x66HdrS" + content(2 * MIB)


def fat() -> bytes:
    """The boot sector of a FAT file system: it has the mark too, but no partitions."""
    head = b"\xeb\x3c\x90mkfs.fat" + struct.pack("<HBHBHHB", 512, 4, 1, 2, 512, 16384, 0xF8)
    return head.ljust(510, b"\x00") + b"\x55\xaa" + bytes(DISK - 512)


def luks() -> bytes:
    """An encrypted disk (LUKS 1); qemu-img cannot make one reliably on a busy machine."""
    payload = 2048  # in sectors
    head = struct.pack(
        ">6sH32s32s32sII20s32sI40s", b"LUKS\xba\xbe", 1, b"aes", b"xts-plain64", b"sha256",
        payload, 64, content(20), content(32, 1), 1000, b"12345678-1234-1234-1234-123456789abc",
    )  # fmt: skip
    for slot in range(8):
        state = 0x00AC71F3 if slot == 0 else 0x0000DEAD
        head += struct.pack(">II32sII", state, 1000, content(32, 2), 8 + 256 * slot, 4000)
    return head.ljust(payload * 512, b"\x00") + content(DISK)


def qcow2_header(version: int = 3, size: int = DISK, features: int = 0) -> bytes:
    """A qcow2 image without any data."""
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, 0, 0, 16, size, 0, 0, 0, 0, 0, 0, 0)
    return (head + struct.pack(">QQQII", features, 0, 0, 4, 104)).ljust(2 * MIB, b"\x00")


def qcow2_with_boot_sector() -> bytes:
    """Two formats at once: a qcow2 header in front of a partition table."""
    header = qcow2_header()
    return header[:446] + boot_sector(LINUX)[446:] + header[512:]


def with_footer(vmdk: bytes, descriptor: int = 1) -> bytes:
    """A streamed virtual disk as VMware writes it: the header points to a footer at the end.

    `descriptor`: the sector in which the footer says that the description lies.
    """
    table = 56  # where the header says where the grain directory is
    header = bytearray(vmdk[:512])
    struct.pack_into("<Q", header, 28, descriptor)
    marker = struct.pack("<QII", 1, 0, 3).ljust(512, b"\x00")
    front = vmdk[:table] + b"\xff" * 8 + vmdk[table + 8 :]
    return front + marker + bytes(header) + bytes(512)


def vmdk_text(extent: str = "RW 16384 FLAT disk.raw 0", comment: str = "a disk") -> bytes:
    """A virtual disk that is nothing but a description of where its data is."""
    lines = [
        "# Disk DescriptorFile", "version=1", "CID=0000abcd", "parentCID=ffffffff",
        'createType="monolithicFlat"', "", "# Extent description", extent, "",
        "ddb.adapterType = \"ide\"", f"# {comment}", "#" * 600,
    ]  # fmt: skip
    return "\n".join(lines).encode()
