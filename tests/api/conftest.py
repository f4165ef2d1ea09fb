"""The application as it is deployed, over a database of each kind and a file store."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from calotype.app import build
from calotype.db.engine import Database
from calotype.parts import Parts, assemble, prepare
from calotype.settings.load import load
from calotype.stores.catalog import Catalog
from tests.api.cases import ADMIN, MEMBER, OTHER, READER, Client, Given, Site

Options = Mapping[tuple[str, str], object]
MakeSite = Callable[..., Site]


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> str:
    """SQLite, unless a test is marked `on_each_engine`."""
    return str(getattr(request, "param", "sqlite"))


def _parts(database: Database, folder: Path, options: Options, text: str = "") -> Parts:
    file = folder / "site.conf"
    if "enabled_backends" not in text:
        text += f"[glance_store]\nfilesystem_store_datadir = {folder}/images\n"
    file.write_text(text)
    settings = load(
        [str(file)],
        overrides={
            ("database", "connection"): database.address,
            ("database", "sqlite_synchronous"): False,
            ("DEFAULT", "calotype_drain_seconds"): 0,
            **options,
        },
    )
    parts = assemble(settings)
    prepare(parts)
    return parts


@pytest.fixture
def make_site(database: Database, tmp_path: Path) -> Iterator[MakeSite]:
    """`make_site({(section, option): value})`: a site that is set up differently.

    `text` stands in its configuration file, for options of libraries; `stores` replaces its stores.
    """
    made: list[Parts] = []

    def make(
        options: Options | None = None, *, text: str = "", stores: Catalog | None = None
    ) -> Site:
        parts = _parts(database, tmp_path, options or {}, text)
        if stores is not None:
            parts = replace(parts, stores=stores)
        made.append(parts)
        return Site(parts, build(parts, strategy=Given()))

    yield make
    for parts in made:
        parts.database.close()


@pytest.fixture(scope="session")
def _sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    made: dict[str, Site] = {}
    yield made
    for site in made.values():
        site.parts.database.close()


@pytest.fixture
def site(
    engine_name: str,
    database: Database,
    _sites: dict[str, Site],
    tmp_path_factory: pytest.TempPathFactory,
) -> Site:
    """A site with the defaults and no images. Its stores outlive the test, as nobody minds."""
    if engine_name not in _sites:
        parts = _parts(database, tmp_path_factory.mktemp(engine_name), {})
        _sites[engine_name] = Site(parts, build(parts, strategy=Given()))
    return _sites[engine_name]


@pytest.fixture
def admin(site: Site) -> Client:
    return site.of(ADMIN)


@pytest.fixture
def member(site: Site) -> Client:
    """Of the project "ours"."""
    return site.of(MEMBER)


@pytest.fixture
def reader(site: Site) -> Client:
    """Of the same project, but may only read."""
    return site.of(READER)


@pytest.fixture
def other(site: Site) -> Client:
    """Of the project "theirs"."""
    return site.of(OTHER)
