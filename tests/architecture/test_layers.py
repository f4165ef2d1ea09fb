"""Who may import whom: the contracts of pyproject.toml, and the libraries of each layer."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(ROOT.glob("src/calotype/**/*.py"))

#: The layers that may use each library. A new one is a decision: see docs/adr/0002-dependencies.md.
LIBRARIES: dict[str, set[str]] = {
    "alembic": {"db"},
    "boto3": {"stores"},
    "botocore": {"stores"},
    "cinderclient": {"stores"},
    "falcon": {"api", "app"},
    "fastjsonschema": {"api"},
    "gunicorn": {"admin"},
    "keystoneauth1": {"api", "stores"},
    "keystonemiddleware": {"api"},
    "orjson": {"api", "db", "imports", "services"},
    "os_brick": {"stores"},
    "oslo_concurrency": {"stores"},
    "oslo_config": {"admin", "api", "policy", "settings"},
    "oslo_context": {"api"},
    "oslo_log": {"admin"},
    "oslo_middleware": {"api", "app"},
    "oslo_policy": {"policy"},
    "oslo_privsep": {"stores"},
    "oslo_utils": {"formats"},
    "rados": {"stores"},
    "rbd": {"stores"},
    "requests": {"stores"},
    "sqlalchemy": {"db"},
    "swiftclient": {"stores"},
    "urllib3": {"stores"},
    "webob": {"api"},
    "yaml": {"api", "policy"},
}

#: What others may know of a library: the type of what they hand on.
HANDED_ON = {"sqlalchemy": {"Connection"}}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """Run the import linter over a copy of the project."""
    command = (
        "import sys; sys.path.insert(0, 'src'); from importlinter.cli import lint_imports;"
        "sys.exit(lint_imports(no_cache=True))"
    )
    return subprocess.run(
        [sys.executable, "-c", command],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "src/calotype", tmp_path / "src/calotype")
    return tmp_path


def test_the_contracts_hold() -> None:
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("stores/memory.py", "import calotype.db.images"),
        ("stores/memory.py", "import calotype.stores.filesystem"),
        ("model/image.py", "import calotype.services.images"),
        ("errors.py", "import calotype.model.image"),
        ("undeclared.py", ""),
    ],
)
def test_the_contracts_break_when_they_should(copy: Path, module: str, line: str) -> None:
    with (copy / "src/calotype" / module).open("a") as file:
        file.write(f"\n{line}\n")
    found = lint(copy)
    assert found.returncode != 0, found.stdout
    assert "BROKEN" in found.stdout or module.removesuffix(".py") in found.stdout


def imports(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Each library that a file imports, with the names it takes from there."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], {alias.name}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0], {alias.name for alias in node.names}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_libraries_stay_in_their_layers(path: Path) -> None:
    layer = path.relative_to(ROOT / "src/calotype").parts[0].removesuffix(".py")
    for library, names in imports(path):
        if library == "calotype" or library in sys.stdlib_module_names:
            continue
        assert library in LIBRARIES, f"{library}: who may use it?"
        if not names <= HANDED_ON.get(library, set()):
            assert layer in LIBRARIES[library], f"{layer} may not use {library}"


def test_there_is_no_global_configuration() -> None:
    found = [name(path) for path in SOURCES if "cfg.CONF" in path.read_text()]
    assert found == []
