"""What an operator may write for a file store, and what it means."""

from pathlib import Path
from typing import Any

import pytest

from calotype.errors import BadSettings
from calotype.stores.filesystem_settings import Datadir, FilesystemSettings, read_metadata_file


def test_defaults_are_those_of_glance() -> None:
    assert FilesystemSettings.from_options({}) == FilesystemSettings(
        datadirs=(Datadir("/var/lib/glance/images", 0),),
        metadata_file=None,
        file_perm=0,
        chunk_size=65536,
        thin_provisioning=False,
        durable=True,
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"filesystem_store_datadir": "/images/"}, [("/images", 0)]),
        ({"filesystem_store_datadir": "/a/../b//c"}, [("/b/c", 0)]),
        ({"filesystem_store_datadirs": ["/a:10", "/b"]}, [("/a", 10), ("/b", 0)]),
        ({"filesystem_store_datadirs": [" /a : 5 "]}, [("/a", 5)]),
        ({"filesystem_store_datadirs": ["/a:"]}, [("/a", 0)]),
        ({"filesystem_store_datadirs": ["/a:b:7"]}, [("/a:b", 7)]),
        # The default of the one is no objection against the other.
        (
            {
                "filesystem_store_datadir": "/var/lib/glance/images",
                "filesystem_store_datadirs": ["/a"],
            },
            [("/a", 0)],
        ),
    ],
)
def test_folders(options: dict[str, Any], expected: list[tuple[str, int]]) -> None:
    settings = FilesystemSettings.from_options(options)
    assert [(datadir.path, datadir.priority) for datadir in settings.datadirs] == expected


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (
            {"filesystem_store_datadir": "/a", "filesystem_store_datadirs": ["/b"]},
            "filesystem_store_datadirs",
        ),
        ({"filesystem_store_datadirs": ["/a:high"]}, "filesystem_store_datadirs"),
        ({"filesystem_store_datadirs": ["/a:1", "/a:2"]}, "filesystem_store_datadirs"),
        ({"filesystem_store_datadirs": [":5"]}, "filesystem_store_datadir"),
        ({"filesystem_store_datadir": "images"}, "filesystem_store_datadir"),
        ({"filesystem_store_file_perm": 9}, "filesystem_store_file_perm"),
        ({"filesystem_store_file_perm": 7777}, "filesystem_store_file_perm"),
        ({"filesystem_store_file_perm": 40}, "filesystem_store_file_perm"),
        ({"filesystem_store_chunk_size": -1}, "filesystem_store_chunk_size"),
    ],
)
def test_what_is_refused_is_named(options: dict[str, Any], name: str) -> None:
    with pytest.raises(BadSettings, match=name):
        FilesystemSettings.from_options(options)


@pytest.mark.parametrize(
    ("perm", "mode"), [(0, None), (-1, None), (640, 0o640), (600, 0o600), (777, 0o777)]
)
def test_permissions_are_octal(perm: int, mode: int | None) -> None:
    settings = FilesystemSettings.from_options({"filesystem_store_file_perm": perm})
    assert settings.file_mode == mode


def test_the_rest_of_the_options() -> None:
    settings = FilesystemSettings.from_options(
        {
            "filesystem_store_metadata_file": "/etc/glance/metadata.json",
            "filesystem_store_chunk_size": 4096,
            "filesystem_thin_provisioning": True,
        },
        durable=False,
    )
    assert settings.metadata_file == "/etc/glance/metadata.json"
    assert (settings.chunk_size, settings.thin_provisioning) == (4096, True)
    assert not settings.durable


# -- the metadata file -----------------------------------------------------------------------------


def metadata(folder: Path, text: str, *datadirs: str) -> Any:
    file = folder / "metadata.json"
    file.write_text(text)
    return read_metadata_file(
        FilesystemSettings(
            datadirs=tuple(Datadir(path) for path in datadirs), metadata_file=str(file)
        )
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"id": "a", "mountpoint": "/mnt/a"}', {"/mnt/a": "a", "/mnt/a/sub": "a"}),
        ('[{"id": "a", "mountpoint": "/mnt/a/"}]', {"/mnt/a": "a", "/mnt/a/sub": "a"}),
        (
            '[{"id": "a", "mountpoint": "/mnt/a"}, {"id": "s", "mountpoint": "/mnt/a/sub"}]',
            {"/mnt/a": "a", "/mnt/a/sub": "s"},
        ),
        (
            '{"id": "r", "mountpoint": "/"}',
            {"/mnt/a": "r", "/mnt/a/sub": "r", "/mnt/ab": "r"},
        ),
        ("[]", {}),
    ],
)
def test_each_folder_has_the_object_of_its_mountpoint(
    tmp_path: Path, text: str, expected: dict[str, str]
) -> None:
    found = metadata(tmp_path, text, "/mnt/a", "/mnt/a/sub", "/mnt/ab")
    assert {path: thing["id"] for path, thing in found.items()} == expected


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        '{"id": "a"}',
        '{"mountpoint": "/a"}',
        '[{"id": "a", "mountpoint": "/a"}, 5]',
        '{"id": "a", "mountpoint": 5}',
        '{"id": "a", "mountpoint": "/a", "more": {"x": 1}}',
    ],
)
def test_a_bad_metadata_file_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadSettings, match="filesystem_store_metadata_file "):
        metadata(tmp_path, text, "/a")


def test_a_missing_metadata_file_is_refused() -> None:
    settings = FilesystemSettings(metadata_file="/nowhere/metadata.json")
    with pytest.raises(BadSettings, match=r"/nowhere/metadata\.json"):
        read_metadata_file(settings)
