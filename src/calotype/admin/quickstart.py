"""A service without configuration: everything below one folder, and nobody asked who calls."""

from pathlib import Path

from calotype.settings.load import load
from calotype.settings.tree import Settings


def quickstart(folder: Path) -> Settings:
    """Settings that need no file: SQLite, a file store and a staging area below `folder`."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return load(
        overrides={
            ("database", "connection"): f"sqlite:///{folder}/calotype.db",
            ("glance_store", "filesystem_store_datadir"): str(folder / "images"),
            ("DEFAULT", "node_staging_uri"): f"file://{folder}/staging",
        },
        use_defaults_only=True,
    )
