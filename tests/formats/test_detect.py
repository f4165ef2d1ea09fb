"""What is accepted as which format, what is refused, and how large the disk inside is."""

import logging
import subprocess
import sys

import pytest

from calotype import errors
from calotype.formats.detect import FormatWatcher
from tests.formats import samples
from tests.formats.samples import DISK, MIB
from tests.stores.sources import content


def watch(
    data: bytes,
    declared: str | None,
    container: str | None = "bare",
    *,
    piece: int = MIB,
    require_match: bool = True,
    nonfatal: tuple[str, ...] = (),
) -> FormatWatcher:
    """Show all data to a watcher and finish; raises when it is refused."""
    watcher = FormatWatcher(
        declared, container, require_match=require_match, nonfatal_gpt_checks=nonfatal
    )
    for start in range(0, len(data), piece):
        watcher.see(data[start : start + piece])
    watcher.finish()
    return watcher


# -- what qemu-img makes ---------------------------------------------------------------------------

FORMATS = {
    "raw": "raw",
    "qcow2": "qcow2",
    "qcow2-v2": "qcow2",
    "vmdk-sparse": "vmdk",
    "vmdk-stream": "vmdk",
    "vdi": "vdi",
    "vhdx": "vhdx",
}


@pytest.mark.parametrize("piece", [MIB, 65_536, 777], ids=lambda piece: f"{piece}-bytes")
@pytest.mark.parametrize("name", FORMATS)
def test_its_format_is_accepted(qemu_samples: dict[str, bytes], name: str, piece: int) -> None:
    watcher = watch(qemu_samples[name], FORMATS[name], piece=piece)
    assert watcher.detected == FORMATS[name]
    assert watcher.virtual_size == DISK


def test_a_vhd_has_the_size_of_its_geometry(qemu_samples: dict[str, bytes]) -> None:
    watcher = watch(qemu_samples["vhd"], "vhd")
    assert watcher.detected == "vhd"
    assert watcher.virtual_size is not None
    assert DISK <= watcher.virtual_size < DISK + MIB  # rounded up to whole cylinders


@pytest.mark.parametrize(("name", "form"), [*FORMATS.items(), ("vhd", "vhd")])
def test_everything_may_be_called_raw(qemu_samples: dict[str, bytes], name: str, form: str) -> None:
    watcher = watch(qemu_samples[name], "raw")
    assert watcher.detected == form
    assert watcher.virtual_size == len(qemu_samples[name])


@pytest.mark.parametrize("declared", ["qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "ploop"])
@pytest.mark.parametrize("name", [*FORMATS, "vhd"])
def test_another_format_is_refused_with_both_names(
    qemu_samples: dict[str, bytes], name: str, declared: str
) -> None:
    found = {**FORMATS, "vhd": "vhd"}[name]
    if found == declared or (found == "raw" and declared in ("ami", "ploop")):
        assert watch(qemu_samples[name], declared).detected == found
        return
    with pytest.raises(errors.UnsupportedMedia) as caught:
        watch(qemu_samples[name], declared)
    assert f"format {found}" in caught.value.message
    assert f"disk_format is {declared}" in caught.value.message


UNSAFE = [
    ("qcow2-backing", "qcow2", "backing_file"),
    ("qcow2-datafile", "qcow2", "data_file"),
    ("vmdk-flat", "vmdk", "descriptor"),
    ("vmdk-split", "vmdk", "descriptor"),
    ("qed", "qed", "banned"),
]


@pytest.mark.parametrize("piece", [MIB, 100], ids=lambda piece: f"{piece}-bytes")
@pytest.mark.parametrize(("name", "form", "check"), UNSAFE)
def test_unsafe_data_is_refused_whatever_was_declared(
    qemu_samples: dict[str, bytes], name: str, form: str, check: str, piece: int
) -> None:
    for declared in (form, "raw"):
        with pytest.raises(errors.UnsupportedMedia) as caught:
            watch(qemu_samples[name], declared, piece=piece)
        assert f"format {form}" in caught.value.message
        assert check in caught.value.message
        assert f"disk_format is {declared}" in caught.value.message


# -- what qemu-img does not make -------------------------------------------------------------------


def test_iso() -> None:
    watcher = watch(samples.iso(), "iso")
    assert (watcher.detected, watcher.virtual_size) == ("iso", 32 * 2048)


def test_a_bootable_iso_with_a_partition_table_is_an_iso() -> None:
    watcher = watch(samples.iso_with_gpt(), "iso")
    assert (watcher.detected, watcher.virtual_size) == ("iso", 32 * 2048)
    with pytest.raises(errors.UnsupportedMedia, match="format iso"):
        watch(samples.iso_with_gpt(), "qcow2")


def test_gpt() -> None:
    watcher = watch(samples.gpt(), "raw")
    assert (watcher.detected, watcher.virtual_size) == ("gpt", DISK)
    watcher = watch(samples.gpt(), "gpt")
    assert (watcher.detected, watcher.virtual_size) == ("gpt", DISK)


def test_the_disk_in_luks_is_what_follows_its_header() -> None:
    watcher = watch(samples.luks(), "luks")
    assert (watcher.detected, watcher.virtual_size) == ("luks", DISK)
    watcher = watch(samples.luks(), "raw")
    assert (watcher.detected, watcher.virtual_size) == ("luks", DISK + MIB)
    with pytest.raises(errors.UnsupportedMedia, match="luks"):
        watch(samples.luks(), "qcow2")


def test_a_file_system_is_raw() -> None:
    watcher = watch(samples.fat(), "raw")
    assert (watcher.detected, watcher.virtual_size) == ("raw", DISK)


@pytest.mark.parametrize("declared", ["raw", "qcow2", "vmdk"])
def test_two_formats_at_once_match_nothing(declared: str) -> None:
    with pytest.raises(errors.UnsupportedMedia, match="format gpt, qcow2"):
        watch(samples.qcow2_with_boot_sector(), declared)


@pytest.mark.parametrize(
    ("data", "check"),
    [
        (samples.qcow2_header(features=1 << 5), "unknown_features"),
        (samples.qcow2_header(features=1 << 40), "unknown_features"),
        (samples.qcow2_header(version=1), "unknown_features"),
        (samples.qcow2_header(features=1 << 2), "data_file"),
    ],
)
def test_qcow2_that_nobody_knows_how_to_read_is_refused(data: bytes, check: str) -> None:
    with pytest.raises(errors.UnsupportedMedia, match=check):
        watch(data, "qcow2")


@pytest.mark.parametrize("size", [0, 1 << 63, (1 << 64) - 1])
def test_an_absurd_virtual_size_is_none(size: int) -> None:
    assert watch(samples.qcow2_header(size=size), "qcow2").virtual_size is None


def test_a_large_virtual_size_is_taken_from_the_header() -> None:
    assert watch(samples.qcow2_header(size=1 << 50), "qcow2").virtual_size == 1 << 50


# -- partition tables ------------------------------------------------------------------------------

BAD_TABLE = samples.boot_sector((0x55, bytes(3), 0x83, 1, 1)) + content(MIB)


def test_a_bad_partition_table_is_refused() -> None:
    with pytest.raises(errors.UnsupportedMedia, match="mbr"):
        watch(BAD_TABLE, "raw")


def test_a_bad_partition_table_may_be_declared_harmless(caplog: pytest.LogCaptureFixture) -> None:
    assert watch(BAD_TABLE, "raw", nonfatal=("mbr",)).detected == "gpt"
    assert "mbr" in caplog.text
    with pytest.raises(errors.UnsupportedMedia):
        watch(BAD_TABLE, "raw", nonfatal=("another",))


def test_harmless_partition_tables_excuse_no_other_format(
    qemu_samples: dict[str, bytes],
) -> None:
    with pytest.raises(errors.UnsupportedMedia):
        watch(qemu_samples["qcow2-backing"], "raw", nonfatal=("mbr", "backing_file"))


@pytest.mark.parametrize("declared", ["aki", "ari"])
def test_a_kernel_may_look_like_a_partition_table(declared: str) -> None:
    assert watch(samples.kernel(), declared).detected == "gpt"


def test_only_kernels_and_ramdisks_may() -> None:
    for declared in ("ami", "raw", "qcow2"):
        with pytest.raises(errors.UnsupportedMedia):
            watch(samples.kernel(), declared)


@pytest.mark.parametrize("declared", ["aki", "ari"])
def test_a_kernel_is_no_disk(declared: str, qemu_samples: dict[str, bytes]) -> None:
    with pytest.raises(errors.UnsupportedMedia, match="format qcow2"):
        watch(qemu_samples["qcow2"], declared)


# -- descriptions without data ---------------------------------------------------------------------


@pytest.mark.parametrize("declared", ["raw", "vmdk"])
@pytest.mark.parametrize("piece", [1, 64, 100, MIB])
def test_a_description_of_other_files_is_refused(declared: str, piece: int) -> None:
    """However small the pieces are in which it is sent."""
    with pytest.raises(errors.UnsupportedMedia, match="format vmdk"):
        watch(samples.vmdk_text("RW 16384 FLAT /etc/passwd 0"), declared, piece=piece)


@pytest.mark.parametrize("name", ["vmdk-flat-padded", "vmdk-split-padded"])
def test_a_padded_description_is_no_vmdk(qemu_samples: dict[str, bytes], name: str) -> None:
    with pytest.raises(errors.UnsupportedMedia):
        watch(qemu_samples[name], "vmdk")


def test_a_stumbling_inspector_does_not_spoil_an_upload(caplog: pytest.LogCaptureFixture) -> None:
    text = ("plain text, long enough to look like a description\n" * 20 + "é").encode()
    watcher = watch(text, "raw")
    assert (watcher.detected, watcher.virtual_size) == ("raw", len(text))
    assert "stumbled" in caplog.text
    with pytest.raises(errors.UnsupportedMedia, match="disk_format is vmdk"):
        watch(text, "vmdk")


# -- when nothing is refused -----------------------------------------------------------------------


def test_a_mismatch_may_be_let_through(
    qemu_samples: dict[str, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "calotype"):
        watcher = watch(qemu_samples["qcow2-backing"], "vmdk", require_match=False)
    assert (watcher.detected, watcher.virtual_size) == ("qcow2", None)
    assert len([r for r in caplog.records if r.name.startswith("calotype")]) == 1
    assert "format qcow2, but disk_format is vmdk" in caplog.text


def test_a_match_must_be_safe_all_the_same(qemu_samples: dict[str, bytes]) -> None:
    for declared in ("qcow2", "raw"):
        with pytest.raises(errors.UnsupportedMedia, match="backing_file"):
            watch(qemu_samples["qcow2-backing"], declared, require_match=False)


@pytest.mark.parametrize("container", ["ova", "ovf", "docker", "compressed", "ami", None])
def test_only_bare_containers_are_looked_at(container: str | None) -> None:
    watcher = watch(samples.qcow2_header(version=9), "vmdk", container)
    assert (watcher.detected, watcher.virtual_size) == (None, None)


@pytest.mark.parametrize("declared", ["raw", "ami", "aki", "ploop"])
def test_no_data_is_no_reason_to_refuse(declared: str) -> None:
    watcher = watch(b"", declared)
    assert (watcher.detected, watcher.virtual_size) == ("raw", None)


@pytest.mark.parametrize("form", ["qcow2", "vdi", "vhdx", "vmdk-stream", "vmdk-sparse"])
def test_a_header_cut_short_is_never_trusted(qemu_samples: dict[str, bytes], form: str) -> None:
    """Refused, or not taken for what it was."""
    data, declared = qemu_samples[form], FORMATS[form]
    for size in (1, 5, 8, 63, 64, 100, 511, 512, 600, 1024, 70_000):
        try:
            watcher = watch(data[:size], declared)
        except errors.UnsupportedMedia:
            continue
        assert watcher.detected == declared
        assert watcher.virtual_size is None or watcher.virtual_size >= 0


# -- how it watches --------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1000, 65_536, 3 * MIB, 100 * MIB])
def test_the_pieces_make_no_difference(qemu_samples: dict[str, bytes], piece: int) -> None:
    for name, form in FORMATS.items():
        watcher = watch(qemu_samples[name], form, piece=piece)
        assert (name, watcher.detected, watcher.virtual_size) == (name, form, DISK)


def test_a_footer_is_looked_at(qemu_samples: dict[str, bytes]) -> None:
    """It says where the data really is, and comes after all of it."""
    good = samples.with_footer(qemu_samples["vmdk-stream"])
    watcher = watch(good, "vmdk")
    assert (watcher.detected, watcher.virtual_size) == ("vmdk", DISK)
    for bad in (
        samples.with_footer(qemu_samples["vmdk-stream"], descriptor=99),
        good + bytes(4096),
        good[:-1536],
    ):
        with pytest.raises(errors.UnsupportedMedia, match="footer"):
            watch(bad, "vmdk")


def test_starting_up_does_not_load_the_inspectors() -> None:
    code = "import sys, calotype.formats.detect; print('oslo_utils' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
