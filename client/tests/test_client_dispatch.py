"""One `calotype` for both: what goes to the client, and what to the service."""

import argparse
import ast
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from terminal import SOURCE, Terminal

from calotype import __version__ as service_version
from calotype.admin.main import parser as service_parser
from calotype_client import __version__
from calotype_client.cli import dispatch
from calotype_client.cli.app import Application
from calotype_client.cli.verbs import COMMANDS
from tests.service import Service, environment

SERVICE = str(SOURCE.parents[1] / "src")


@pytest.mark.parametrize(
    "line",
    [
        "image list",
        "--os-cloud blue image list",
        "--debug --timeout 5 task show x",
        "store list",
        "client cache list",
        "--os-image-endpoint-override http://node cache nodes x",
        "cache delete x",
        "--tls-min-version 1.3 image list",
        "--os_cloud serve image list",
        "complete",
        "help image list",
        "help client cache list",
    ],
)
def test_for_the_client(line: str) -> None:
    assert dispatch.takes(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--help",
        "serve",
        "cache list",
        "cache clear",
        "--config-file image serve",
        "stores check",
        "help",
        "help serve",
        "help cache list",
        "--tls-ciphers image serve",
    ],
)
def test_for_the_service(line: str) -> None:
    assert not dispatch.takes(line.split())


def test_every_option_with_a_value_is_known() -> None:
    def named(parser: argparse.ArgumentParser, *, valued: bool) -> set[str]:
        actions = [it for it in parser._actions if (it.nargs == 0) is not valued]
        return {name for it in actions for name in it.option_strings if name.startswith("--")}

    parsers = [Application([]).parser, service_parser()]
    valued = set().union(*(named(parser, valued=True) for parser in parsers))
    assert {name for name in valued if not dispatch.is_value(name)} == set()
    plain = set().union(*(named(parser, valued=False) for parser in parsers))
    assert {name for name in plain if dispatch.is_value(name)} == set()
    assert valued >= dispatch.WITH_VALUES


def test_a_cloud_named_client(anybody: Terminal) -> None:
    file = anybody.folder / "clouds.yaml"
    endpoint = anybody.identity["OS_ENDPOINT"]
    file.write_text(f"clouds: {{client: {{auth_type: none, auth: {{endpoint: '{endpoint}'}}}}}}")
    person = replace(anybody, identity={"OS_CLIENT_CONFIG_FILE": str(file)})
    words = ("image", "list", "--name", "nobody")
    assert person.json("--os-cloud", "client", *words) == []
    assert person.json("--os-cloud", "client", "--timeout", "60", "client", *words) == []


def test_the_script_that_is_ours_alone(anybody: Terminal) -> None:
    scripts = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, function = scripts["calotype-client"].partition(":")
    code = f"import sys; from {module} import {function} as main; sys.exit(main())"
    both = environment({"PYTHONPATH": f"{SOURCE}:{SERVICE}", **anybody.identity})
    done = subprocess.run(
        [sys.executable, "-c", code, "cache", "list", "-f", "csv"],
        env=both, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.startswith('"ID","State"')


def test_each_distribution_has_the_license() -> None:
    root = SOURCE.parents[1]
    text = (root / "LICENSE").read_text()
    for folder in (root / "client", root / "tempest"):
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        assert project["license-files"] == ["LICENSE"]
        assert (folder / "LICENSE").read_text() == text


def test_no_command_is_shadowed() -> None:
    for name in COMMANDS:
        noun, verb = name.split()[:2]
        assert dispatch.takes(["client", noun, verb])
        assert noun == "cache" or dispatch.takes([noun, verb])


@pytest.mark.parametrize("script", ["calotype.__main__", "calotype_client.cli.dispatch"])
def test_either_script_does_the_same(script: str, anybody: Terminal, open_service: Service) -> None:
    both = {"PYTHONPATH": f"{SOURCE}:{SERVICE}", **anybody.identity}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; from {script} import main; sys.exit(main())"
        return subprocess.run(
            [sys.executable, "-c", code, *words],
            env=environment(both), capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    assert "ID" in run("client", "image", "list", "-f", "csv").stdout
    assert run("image", "list", "--name", "nobody", "-f", "json").stdout == "[]\n"
    assert "--no-worker" in run("serve", "--help").stdout
    assert "calotype client --help" in run("--help").stdout
    config = ("--config-file", str(open_service.config))
    assert run(*config, "cache", "list").returncode == 0
    assert run("client", "cache", "list", "-f", "csv").stdout.startswith('"ID"')
    assert run("--version").stdout == f"calotype {service_version} (client {__version__})\n"
    assert "usage: calotype image list" in run("help", "image", "list").stdout
    assert "usage: calotype serve" in run("help", "serve").stdout


def test_without_the_service_all_is_the_clients(anybody: Terminal) -> None:
    code = (
        "import sys; from calotype_client.cli import dispatch; dispatch.find_spec = lambda _: None;"
        "sys.exit(dispatch.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "cache", "list", "-f", "csv"],
        env=anybody.environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout.startswith('"ID","State"')


def test_a_command_loads_nothing_of_other_services(anybody: Terminal) -> None:
    code = (
        "import sys; import calotype_client.cli.app; assert 'openstack.compute' not in sys.modules;"
        "import openstack; from openstack import config, connect; from openstack.image import v2;"
        "assert 'openstack.compute' in sys.modules;"
        "print(openstack.connect is connect, openstack.config is config, openstack.image.v2 is v2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=anybody.environment(), capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stdout == "True True True\n", done.stderr


def test_no_code_is_shared() -> None:
    for path in SOURCE.glob("**/*.py"):
        assert "calotype" not in _imported(path), path


def _imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found
