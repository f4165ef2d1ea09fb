"""A site with several file stores, in the way an operator sets one up."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from calotype.app import build
from calotype.db.engine import Database
from calotype.parts import Parts, assemble, prepare
from calotype.settings.load import load
from tests.api.cases import Given, Site

#: The stores with their weights; `cheap` is the default.
WEIGHTS: Mapping[str, int] = {"fast": 10, "cheap": 0, "far": 5}


@dataclass
class ManyStores(Site):
    """The site, and where its stores keep their files."""

    folder: Path = field(kw_only=True)

    def files(self, store: str) -> dict[str, bytes]:
        """What lies in a store, by name."""
        return {path.name: path.read_bytes() for path in (self.folder / store).iterdir()}


def many_stores(
    database: Database, folder: Path, options: Mapping[tuple[str, str], object] | None = None
) -> ManyStores:
    """A site with the stores of WEIGHTS below `folder`."""
    stores: dict[tuple[str, str], object] = {
        ("DEFAULT", "enabled_backends"): dict.fromkeys(WEIGHTS, "file"),
        ("glance_store", "default_backend"): "cheap",
        ("os_glance_staging_store", "filesystem_store_datadir"): str(folder / "staging"),
    }
    for name, weight in WEIGHTS.items():
        stores[name, "filesystem_store_datadir"] = str(folder / name)
        stores[name, "weight"] = weight
        stores[name, "store_description"] = f"The {name} one"
    settings = load(
        overrides={
            ("database", "connection"): database.address,
            ("database", "sqlite_synchronous"): False,
            ("DEFAULT", "calotype_drain_seconds"): 0,
            **stores,
            **(options or {}),
        },
        use_defaults_only=True,
    )
    parts: Parts = assemble(settings)
    prepare(parts)
    return ManyStores(parts, build(parts, strategy=Given()), folder=folder)
