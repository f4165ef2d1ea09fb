"""`calotype config`: the sample and the reference."""

import argparse
from pathlib import Path

import pytest

from calotype.admin import config
from calotype.settings.load import load
from calotype.settings.options import OPTIONS
from calotype.settings.store_options import STORE_OPTIONS

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "settings.md"


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    config.add_parser(parser.add_subparsers())
    args = parser.parse_args(["config", *words])
    return int(args.run(args))


def entry(text: str, name: str) -> str:
    """The paragraph of the sample that holds an option."""
    [found] = [each for each in text.split("\n\n") if f"\n#{name} =" in f"\n{each}"]
    return found


def test_the_sample_has_every_option() -> None:
    lines = set(line.partition(" =")[0] for line in config.sample().splitlines())
    options = [opt for table in (OPTIONS, STORE_OPTIONS) for each in table.values() for opt in each]
    assert [opt.dest for opt in options if f"#{opt.dest}" not in lines] == []


@pytest.mark.parametrize(
    ("section", "name"),
    [
        ("DEFAULT", "debug"),
        ("keystone_authtoken", "www_authenticate_uri"),
        ("keystone_authtoken", "username"),
        ("oslo_policy", "policy_file"),
        ("oslo_messaging_notifications", "driver"),
        ("cors", "allowed_origin"),
    ],
)
def test_the_sample_has_the_options_of_libraries(section: str, name: str) -> None:
    found = config.sample().partition(f"\n[{section}]\n")[2].partition("\n[")[0]
    assert f"\n#{name} =" in found


def test_the_sample_says_all_about_an_option() -> None:
    text = config.sample()
    assert entry(text, "container_formats").splitlines() == [
        "# What container_format may be.",
        "# Takes a list such as a, b.",
        "# Old name: [DEFAULT] container_formats",
        "#container_formats = ami,ari,aki,bare,ovf,ova,docker,compressed",
    ]
    assert entry(text, "delayed_delete").splitlines() == [
        "# Only mark deleted images; the scrubber removes their data.",
        "# Takes true or false.",
        "#delayed_delete = false",
    ]
    assert "# Without effect: not supported." in entry(text, "pydev_worker_debug_port").splitlines()
    assert entry(text, "image_cache_dir").splitlines()[-2:] == [
        "# Not set by default.",
        "#image_cache_dir =",
    ]


def test_each_section_stands_once() -> None:
    sections = [line for line in config.sample().splitlines() if line.startswith("[")]
    assert sorted(sections) == sorted(set(sections))


def test_the_sample_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sample.conf"
    path.write_text(config.sample())
    assert load([str(path)]).warnings == ()
    assert load([str(path)]).service == load(use_defaults_only=True).service


def test_the_defaults_in_the_sample_are_the_defaults(tmp_path: Path) -> None:
    set_ = [
        line.removeprefix("#") if line.startswith("#") and not line.endswith(" =") else line
        for line in config.sample().splitlines()
        if line.startswith("[") or (line.partition(" = ")[2] and not line.startswith("# "))
    ]
    path = tmp_path / "sample.conf"
    path.write_text("\n".join(set_))
    chosen, default = load([str(path)]), load(use_defaults_only=True)
    assert sum(not line.startswith("[") for line in set_) > 200
    for part in ("service", "database", "image_format", "imports", "task", "cache", "scrubber"):
        assert getattr(chosen, part) == getattr(default, part)
    assert [each.options for each in chosen.stores.backends] == [
        each.options for each in default.stores.backends
    ]


def test_the_page_in_the_docs_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == config.reference(), (
        "run: calotype config reference --output docs/operate/settings.md"
    )


def test_the_page_marks_what_does_nothing() -> None:
    page = config.reference()
    (line,) = [line for line in page.splitlines() if "`delayed_delete`" in line]
    assert line.startswith("| `delayed_delete` | true or false | `false` |")
    assert "**Not yet:**" not in line
    assert "not supported" in page.partition("`pydev_worker_debug_port`")[2].partition("\n")[0]
    assert "### Type vmware\n\n**No effect:** not supported: there is no vmware store.\n" in page
    assert "| `[oslo_policy]` | oslo.policy |  |" in page


def test_the_command_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reference") == 0
    assert capsys.readouterr().out == config.reference()
    path = tmp_path / "sample.conf"
    assert run("sample", "--output", str(path)) == 0
    assert path.read_text(encoding="utf-8") == config.sample()
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none" / "sample.conf"
    assert run("sample", "--output", str(path)) == 1
    assert capsys.readouterr().err == f"{path}: cannot be written: No such file or directory\n"
