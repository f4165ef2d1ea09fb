"""The plugins: properties are added, archives unpacked, formats converted."""

import gzip
import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calotype import errors
from calotype.db.engine import Database
from calotype.imports.plan import refuse_unknown_plugins
from tests.api.cases import ADMIN
from tests.api.many_stores import many_stores
from tests.imports.conftest import Importing

MIB = 1 << 20
#: Nothing that could be taken for a header.
DATA = bytes(range(1, 250)) * 20_000

MakeImporting = Callable[..., Importing]


@pytest.fixture
def make_importing(database: Database, tmp_path: Path) -> Iterator[MakeImporting]:
    """`make_importing("plugin", ..., {(section, option): value})`"""
    made: list[Importing] = []

    def make(*plugins: str, options: dict[tuple[str, str], object] | None = None) -> Importing:
        wanted = {("image_import_opts", "image_import_plugins"): list(plugins)}
        site = many_stores(database, tmp_path, {**wanted, **(options or {})})
        made.append(Importing(site))
        return made[-1]

    yield make
    for importing in made:
        importing.site.parts.database.close()


def do(importing: Importing, data: bytes, **fields: Any) -> tuple[str, Any, str, str]:
    """Import data into two stores: the image's id and the image, how the task ended and why."""
    image_id = importing.staged(data, **fields)
    importing.ask(image_id, stores=["fast", "far"]).gave(202)
    importing.work()
    return image_id, importing.client.image(image_id), *importing.task(image_id)


def failed(importing: Importing, data: bytes, says: str, **fields: Any) -> None:
    """The import fails for that reason and leaves nothing."""
    _, image, status, message = do(importing, data, **fields)
    assert (status, image["status"], image["size"]) == ("failure", "queued", None)
    assert says in message
    assert importing.held() == {}


def test_plugins_that_there_are_not() -> None:
    refuse_unknown_plugins(["no_op", "image_conversion"])
    with pytest.raises(errors.BadSettings, match="ovf_process"):
        refuse_unknown_plugins(["no_op", "ovf_process"])


# -- properties ------------------------------------------------------------------------------------

INJECT = {
    ("inject_metadata_properties", "inject"): {"hw_machine_type": "q35", "own": "ours"},
    ("inject_metadata_properties", "ignore_user_roles"): ["admin", "trusted"],
}


def test_properties_are_added(make_importing: MakeImporting) -> None:
    importing = make_importing("inject_image_metadata", options=INJECT)
    _, image, status, _ = do(importing, DATA, own="theirs", other="kept")
    assert status == "success"
    assert [image[name] for name in ("hw_machine_type", "own", "other")] == ["q35", "ours", "kept"]


def test_nothing_is_added_for_some_roles(make_importing: MakeImporting) -> None:
    importing = make_importing("inject_image_metadata", options=INJECT)
    image_id = importing.staged(DATA)
    importing.ask(image_id, client=importing.site.of(ADMIN)).gave(202)
    importing.work()
    assert importing.task(image_id)[0] == "success"
    assert "hw_machine_type" not in importing.client.image(image_id)


def test_nothing_is_added_to_an_import_that_fails(make_importing: MakeImporting) -> None:
    importing = make_importing("inject_image_metadata", options=INJECT)
    _, image, status, _ = do(importing, DATA, disk_format="qcow2")
    assert status == "failure" and "hw_machine_type" not in image


# -- archives --------------------------------------------------------------------------------------


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return file.getvalue()


UNPACKED = {
    "gzip": gzip.compress(DATA, 1),
    "gzip, two members": gzip.compress(DATA[:1000], 1) + gzip.compress(DATA[1000:], 1),
    "zip": zipped(("disk.img", DATA)),
    "zip, stored": zipped(("disk.img", DATA), method=zipfile.ZIP_STORED),
    "zip, a strange name": zipped(("../../../etc/passwd", DATA)),
    "none": DATA,
}


@pytest.mark.parametrize("archive", UNPACKED.values(), ids=UNPACKED)
def test_archives_are_unpacked(make_importing: MakeImporting, archive: bytes) -> None:
    importing = make_importing("image_decompression")
    image_id, image, status, message = do(importing, archive)
    assert (status, image["status"], image["size"]) == ("success", "active", len(DATA)), message
    assert importing.held() == {"fast": [image_id], "far": [image_id]}
    assert all(importing.site.files(store)[image_id] == DATA for store in ("fast", "far"))


def test_compressed_images_are_meant_to_be_so(make_importing: MakeImporting) -> None:
    importing = make_importing("image_decompression")
    archive = UNPACKED["gzip"]
    image_id, _, status, _ = do(importing, archive, container_format="compressed")
    assert status == "success"
    assert importing.site.files("fast")[image_id] == archive


BROKEN = {
    "gzip, cut": (UNPACKED["gzip"][:-20], "damaged"),
    "gzip, changed": (bytes(b ^ (i == 5000) for i, b in enumerate(UNPACKED["gzip"])), "damaged"),
    "gzip, then something else": (UNPACKED["gzip"] + b"more", "damaged"),
    "zip, cut": (UNPACKED["zip"][:-30], "damaged"),
    "zip, changed": (bytes(b ^ (i == 500) for i, b in enumerate(UNPACKED["zip"])), "damaged"),
    "zip, several": (zipped(("a", b"1"), ("b", b"2")), "this one has 2"),
    "zip, a folder": (zipped(("a/", b"")), "one file"),
    "lha": (b"\x20\x00-lh5-" + bytes(100), "LHA"),
}


@pytest.mark.parametrize(("archive", "says"), BROKEN.values(), ids=BROKEN)
def test_broken_archives(make_importing: MakeImporting, archive: bytes, says: str) -> None:
    failed(make_importing("image_decompression"), archive, says)


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_a_bomb_ends_at_the_cap(make_importing: MakeImporting, kind: str) -> None:
    """64 MiB of zeros in 64 KiB."""
    cap = {("DEFAULT", "image_size_cap"): 4 * MIB}
    zeros = bytes(64 * MIB)
    bomb = gzip.compress(zeros) if kind == "gzip" else zipped(("disk.img", zeros))
    assert len(bomb) < MIB
    failed(make_importing("image_decompression", options=cap), bomb, "image_size_cap")


def test_a_bomb_ends_at_the_quota(make_importing: MakeImporting) -> None:
    quota = {("DEFAULT", "user_storage_quota"): "16MB"}
    bomb = gzip.compress(bytes(12 * MIB))  # into two stores
    failed(make_importing("image_decompression", options=quota), bomb, "user_storage_quota")


def test_what_is_unpacked_is_judged(make_importing: MakeImporting) -> None:
    archive = UNPACKED["gzip"]
    failed(make_importing("image_decompression"), archive, "qcow2", disk_format="qcow2")


# -- conversion ------------------------------------------------------------------------------------


def disk(folder: Path, disk_format: str, *options: str, size: str = "3M") -> bytes:
    """A disk image that holds something at its first megabyte."""
    raw, path = folder / "disk.raw", folder / f"disk.{disk_format}"
    raw.write_bytes(DATA[:MIB])
    subprocess.run(["qemu-img", "resize", "-q", "-f", "raw", raw, size], check=True)
    command = ["qemu-img", "convert", "-f", "raw", "-O", disk_format, *options, raw, path]
    subprocess.run(command, check=True)
    return path.read_bytes()


def told(path: Path) -> Any:
    command = ["qemu-img", "info", "--output=json", path]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


CONVERTED = [
    ("qcow2", "raw", ()),
    ("vmdk", "raw", ("-o", "subformat=streamOptimized")),
    ("vhdx", "qcow2", ()),
    ("vdi", "raw", ()),
    ("vhd", "qcow2", ()),
]


@pytest.mark.parametrize(("given", "wanted", "options"), CONVERTED)
def test_images_are_converted(
    make_importing: MakeImporting,
    tmp_path: Path,
    given: str,
    wanted: str,
    options: tuple[str, ...],
) -> None:
    chosen = {("image_conversion", "output_format"): wanted}
    importing = make_importing("image_conversion", options=chosen)
    data = disk(tmp_path, {"vhd": "vpc"}.get(given, given), *options)
    image_id, image, status, message = do(importing, data, disk_format=given)
    assert status == "success", message
    assert (image["disk_format"], image["container_format"]) == (wanted, "bare")
    path = importing.site.folder / "far" / image_id
    assert told(path)["format"] == wanted
    assert image["size"] == path.stat().st_size
    assert image["virtual_size"] == told(path)["virtual-size"] >= 3 * MIB
    raw = tmp_path / "back"
    subprocess.run(["qemu-img", "convert", "-f", wanted, "-O", "raw", path, raw], check=True)
    assert raw.read_bytes()[:MIB] == DATA[:MIB]
    assert importing.held() == {"fast": [image_id], "far": [image_id]}


def test_what_has_the_wanted_format_stays_as_it_is(
    make_importing: MakeImporting, tmp_path: Path
) -> None:
    chosen = {("image_conversion", "output_format"): "qcow2"}
    importing = make_importing("image_conversion", options=chosen)
    data = disk(tmp_path, "qcow2")
    image_id, image, status, _ = do(importing, data, disk_format="qcow2")
    assert (status, image["virtual_size"]) == ("success", 3 * MIB)
    assert importing.site.files("fast")[image_id] == data


def test_archives_are_unpacked_before_they_are_converted(
    make_importing: MakeImporting, tmp_path: Path
) -> None:
    importing = make_importing("image_decompression", "image_conversion")
    archive = gzip.compress(disk(tmp_path, "qcow2"))
    _, image, status, message = do(importing, archive, disk_format="qcow2")
    assert (status, image["disk_format"], image["size"]) == ("success", "raw", 3 * MIB), message


def test_what_is_not_converted(make_importing: MakeImporting, tmp_path: Path) -> None:
    importing = make_importing("image_conversion")
    qcow2 = disk(tmp_path, "qcow2")
    failed(importing, qcow2, "disk_format is raw", disk_format="raw")
    failed(importing, qcow2, "qcow2", disk_format="vmdk")
    failed(importing, DATA, "qcow2", disk_format="qcow2")
    flat = disk(tmp_path, "vmdk", "-o", "subformat=twoGbMaxExtentSparse")
    failed(importing, flat, "vmdk", disk_format="vmdk")


def test_backing_files_are_refused(make_importing: MakeImporting, tmp_path: Path) -> None:
    importing = make_importing("image_conversion")
    path = tmp_path / "top.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/passwd"]
    subprocess.run([*command, path, "3M"], check=True)
    failed(importing, path.read_bytes(), "backing", disk_format="qcow2")


def test_a_disk_that_is_larger_than_the_cap(make_importing: MakeImporting, tmp_path: Path) -> None:
    cap = {("DEFAULT", "image_size_cap"): 4 * MIB}
    importing = make_importing("image_conversion", options=cap)
    data = disk(tmp_path, "qcow2", size="1G")
    failed(importing, data, "image_size_cap", disk_format="qcow2")
