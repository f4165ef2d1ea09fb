"""Which files are read, and what is said about those that cannot be."""

from pathlib import Path

import pytest

from calotype import errors
from calotype.settings import files
from calotype.settings.load import load
from tests.settings.conftest import Write


def refusal(*given: str, directories: tuple[str, ...] = ()) -> str:
    with pytest.raises(errors.BadSettings) as caught:
        load(given, directories)
    return caught.value.message


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "glance-api.conf")
    assert refusal(path) == f"{path}: cannot be read: No such file or directory"


def test_a_directory_that_was_named_must_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "glance.conf.d")
    reason = "there is no such directory, but it was given as configuration directory"
    assert refusal(directories=(path,)) == f"{path}: {reason}"


def test_the_directory_of_the_environment_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_GLANCE_CONFIG_DIR", str(tmp_path / "none"))
    assert refusal() == (
        f"{tmp_path}/none: there is no such directory, but it was named by the environment"
        " variable OS_GLANCE_CONFIG_DIR"
    )


def test_without_the_environment_the_files_are_in_etc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OS_GLANCE_CONFIG_DIR")
    assert files.find((), ()).standard == "/etc/glance"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[DEFAULT]\npassword is hidden\n", "line 2: No ':' or '=' found in assignment"),
        ("[DEFAULT\n", "line 1: Invalid section (must end with ])"),
        ("password = hidden\n[DEFAULT]\n", "line 2: a value before the first [section]"),
    ],
)
def test_a_file_that_cannot_be_understood(write: Write, text: str, line: str) -> None:
    path = write(text)
    assert refusal(path) == f"{path}: {line}"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_bytes(b"[DEFAULT]\nname = \xff\n")
    assert refusal(str(path)) == f"{path}: is not UTF-8 text, at byte 17"


def test_a_directory_in_the_place_of_a_file(tmp_path: Path) -> None:
    assert refusal(str(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"


def test_repeated_lines_make_a_list_over_all_files(write: Write) -> None:
    first = write("[glance_store]\nfilesystem_store_datadirs = /a\n", "a.conf")
    second = write(
        "[glance_store]\nfilesystem_store_datadirs = /b:2\nfilesystem_store_datadirs = /c\n",
        "b.conf",
    )
    options = load([first, second]).stores.backends[0].options
    assert options["filesystem_store_datadirs"] == ("/a", "/b:2", "/c")


def test_values_may_go_over_several_lines(write: Write) -> None:
    path = write("[DEFAULT]\nenabled_import_methods = [glance-direct,\n  copy-image]\n")
    assert load([path]).imports.enabled_import_methods == ("glance-direct", "copy-image")


# -- one more file beside the others ---------------------------------------------------------------


def test_a_companion_is_read_last_where_it_lies_beside_the_others(write: Write) -> None:
    path = write("[DEFAULT]\nscrub_time = 1\nwakeup_time = 2\n")
    assert load([path], companion="glance-scrubber.conf").scrubber.scrub_time == 1
    beside = write("[DEFAULT]\nscrub_time = 3\n", "glance-scrubber.conf")
    settings = load([path], companion="glance-scrubber.conf")
    assert (settings.scrubber.scrub_time, settings.scrubber.wakeup_time) == (3, 2)
    assert settings.files == (path, beside)
    assert load([path]).scrubber.scrub_time == 1


def test_a_companion_that_was_named_keeps_its_place(write: Write) -> None:
    beside = write("[DEFAULT]\nscrub_time = 3\n", "glance-scrubber.conf")
    path = write("[DEFAULT]\nscrub_time = 1\n")
    assert load([beside, path], companion="glance-scrubber.conf").scrubber.scrub_time == 1
    assert load([beside], companion="glance-scrubber.conf").files == (beside,)


def test_a_companion_alone_in_the_standard_directory(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("[DEFAULT]\nscrub_time = 3\n", "glance-scrubber.conf")
    monkeypatch.setenv("OS_GLANCE_CONFIG_DIR", str(Path(path).parent))
    assert load(companion="glance-scrubber.conf").scrubber.scrub_time == 3
